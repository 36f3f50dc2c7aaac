//! [`Leader`]: the one process that writes a job's checkpoints, until another one claims the log.

use std::collections::{BTreeSet, VecDeque};

use object_store::{PutMode, PutOptions, PutPayload};

use super::{
    Body, Entry, EntryId, LiveEntry, OwnerId,
    read::{Listing, path},
};
use crate::{
    manifest::Manifest,
    store::{CheckpointStore, StoreError, steps},
};

/// How often a request is made again, at once, if it is unknown what came of it. Stores try again by themselves, too, and wait in between.
pub(super) const TRIES: usize = 3;
/// How many claims in a row may get in first before a process gives up.
const CLAIMS_LIMIT: usize = 16;

/// Who wants to write a job's checkpoints.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The job's name.
    pub job: String,
    /// A random number, drawn for this claim alone.
    pub owner: OwnerId,
    /// The time, in milliseconds since 1970, for whoever reads the log.
    pub at: i64,
    /// How many checkpoints are kept; at least one.
    pub keep: usize,
    /// A random number: that of the job's run, if this begins a new one.
    pub run: u64,
    /// A new run begins, whatever is there.
    pub fresh: bool,
}

/// Why a checkpoint was not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another process has claimed the log. Whether the checkpoint counts is for that one to say: it may have read it before. This process must stop: it may
    /// neither commit output nor delete anything.
    #[error("another process has taken over this job's checkpoints: entry {number} of the log is not this process's")]
    Deposed {
        /// The entry that says so.
        number: u64,
    },
    /// It is not known whether the checkpoint was committed, since the store does not answer. Commit it again, or a later one: either finds out what became of
    /// this one. Until then everything it names must stay.
    #[error("it is not known whether the checkpoint was stored: {0}")]
    Unknown(StoreError),
    /// The checkpoint was not committed, and never will be.
    #[error(transparent)]
    Refused(StoreError),
}

/// A checkpoint that is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) entry: LiveEntry,
    pub(super) segments: Vec<String>,
    /// False if something of it is missing or damaged: then it is in nobody's way, but does not count either.
    pub(super) usable: bool,
}

impl Kept {
    pub(super) fn new(entry: LiveEntry, manifest: &Manifest) -> Self {
        let parts = manifest.operators.iter().flat_map(|operator| &operator.keyed);
        let segments = parts.flat_map(|part| &part.segments).map(|segment| segment.name.clone());
        let mut segments: Vec<String> = segments.collect();
        segments.sort_unstable();
        segments.dedup();
        Self { entry, segments, usable: true }
    }
}

/// The one process that writes a job's checkpoints, until another one claims the log.
#[derive(Debug)]
pub struct Leader {
    pub(super) store: CheckpointStore,
    pub(super) job: String,
    owner: OwnerId,
    run: u64,
    pub(super) keep: usize,
    /// The number of its claim.
    pub(super) claim: u64,
    /// The number of its next entry.
    next: u64,
    /// How many entries it has made, or tried to.
    sequence: u64,
    /// The checkpoints that are kept, ascending.
    pub(super) kept: VecDeque<Kept>,
    /// What came before the claim and cannot be read.
    pub(super) damaged: Vec<(u64, String)>,
    /// The highest number of a checkpoint so far.
    pub(super) last_checkpoint: u64,
    /// Segments that no kept checkpoint names any more.
    pub(super) garbage: BTreeSet<String>,
    /// The entry that says that someone else leads.
    deposed: Option<u64>,
}

/// What came of creating an entry.
enum Created {
    /// It is there.
    Mine,
    /// An earlier one of this leader's is, of which it was not known whether it was.
    Earlier(Box<Entry>),
    /// Another process's is.
    Other,
}

impl CheckpointStore {
    /// Claims the log: from here on, whoever wrote it before is deposed.
    ///
    /// # Errors
    ///
    /// Fails if the checkpoints are of another job, if the log has lost entries that nobody may delete, or is of a later version, if another process gets
    /// in at the same time, or if the store fails. It may fail after the claim was made; another one can then be made.
    pub async fn claim(&self, candidate: Candidate) -> Result<Leader, StoreError> {
        let before = self.look_before_claiming(&candidate.job).await?;
        let Candidate { job, owner, at, keep, run, fresh } = candidate;
        let run = before.filter(|_| !fresh).unwrap_or(run);
        let mut leader = Leader {
            store: self.clone(),
            job: job.clone(),
            owner,
            run,
            keep: keep.max(1),
            claim: 0,
            next: 0,
            sequence: 0,
            kept: VecDeque::new(),
            damaged: Vec::new(),
            last_checkpoint: 0,
            garbage: BTreeSet::new(),
            deposed: None,
        };
        let body = Body::Claim { job, at, run };
        for _ in 0..CLAIMS_LIMIT {
            leader.next = self.list_log().await?.highest().unwrap_or(0) + 1;
            let number = leader.next;
            match leader.create(body.clone()).await {
                Ok(Created::Mine | Created::Earlier(_)) => {
                    leader.claim = number;
                    let listing = leader.confirm(number).await.map_err(CommitError::into_store)?;
                    leader.next = number + 1;
                    leader.read_before(&listing).await?;
                    return Ok(leader);
                }
                Ok(Created::Other) => {} // someone else was faster: next number
                Err(error) => return Err(error.into_store()),
            }
        }
        Err(StoreError::Deposed { number: leader.next })
    }
}

impl Leader {
    /// The number of its claim: no other leader of this log has the same. Segments are named by it.
    pub fn claim_number(&self) -> u64 {
        self.claim
    }

    /// The number of the job's run: as in the newest entry before the claim, or a new one.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Commits a complete checkpoint: gives the number of its entry. Everything that the manifest names must be in the store before. When this returns, the
    /// checkpoint counts, and output that belongs to it may be committed.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]. Cancelled, it is as if the store had not answered.
    pub async fn commit(&mut self, manifest: &Manifest) -> Result<u64, CommitError> {
        loop {
            if let Some(number) = self.deposed {
                return Err(CommitError::Deposed { number });
            }
            let number = self.next;
            let usable = self.kept.iter().filter(|kept| kept.usable).rev().take(self.keep - 1);
            let mut live: Vec<LiveEntry> = usable.map(|kept| kept.entry).collect();
            live.reverse();
            let created = self.create(Body::Checkpoint { claim: self.claim, live, manifest: manifest.clone() }).await?;
            let (id, committed) = match &created {
                Created::Mine => (self.id(self.sequence - 1), manifest),
                Created::Earlier(entry) => match &entry.body {
                    Body::Checkpoint { manifest, .. } => (entry.id, manifest),
                    Body::Claim { .. } => return Err(self.depose(number)),
                },
                Created::Other => return Err(self.depose(number)),
            };
            self.confirm(number).await?;
            self.next = number + 1;
            self.last_checkpoint = self.last_checkpoint.max(committed.checkpoint);
            self.kept.push_back(Kept::new(LiveEntry { number, id }, committed));
            // An earlier one that turns out to be there may be this very checkpoint; otherwise this one comes behind it.
            if matches!(created, Created::Mine) || committed.checkpoint == manifest.checkpoint {
                return Ok(number);
            }
        }
    }

    /// The number of the newest entry that is known to be its own.
    pub(super) fn last_number(&self) -> u64 {
        self.next - 1
    }

    fn id(&self, sequence: u64) -> EntryId {
        EntryId { owner: self.owner, sequence }
    }

    fn depose(&mut self, number: u64) -> CommitError {
        self.deposed = Some(number);
        CommitError::Deposed { number }
    }

    /// Creates an entry at the next number, and finds out what came of it.
    async fn create(&mut self, body: Body) -> Result<Created, CommitError> {
        let (number, id) = (self.next, self.id(self.sequence));
        self.sequence += 1;
        let entry = Entry { id, body };
        let encoded = self.store.blocking(move || entry.encode()).await;
        let payload: PutPayload =
            encoded.map_err(|source| CommitError::Refused(StoreError::Entry { number, source }))?.into();
        let mut failed = None;
        for _ in 0..TRIES {
            self.store.step(steps::CREATE);
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let put = self.store.objects().put_opts(&path(number), payload.clone(), options).await;
            self.store.step(steps::CREATE_DONE);
            let error = match put {
                Ok(_) => return Ok(Created::Mine),
                Err(error) => error,
            };
            let exists = matches!(error, object_store::Error::AlreadyExists { .. });
            // The answer may have been lost, so what is there decides.
            match self.store.entry(number).await {
                Ok(found) if found.id == id => return Ok(Created::Mine),
                Ok(found) if found.id.owner == self.owner => return Ok(Created::Earlier(Box::new(found))),
                Ok(_) => return Ok(Created::Other),
                // It was there, and its leader has already gone on and deleted it.
                Err(StoreError::NoEntry { .. }) if exists => return Ok(Created::Other),
                Err(StoreError::NoEntry { .. }) => {
                    failed = Some(StoreError::objects(format!("create entry {number} of the log"), error));
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(CommitError::Unknown(failed.expect("it was tried at least once")))
    }

    /// Checks that an entry that was just created is the highest. It may not be: someone who was paused for long may create an entry at an old number
    /// that has been deleted since.
    async fn confirm(&mut self, number: u64) -> Result<Listing, CommitError> {
        self.store.step(steps::CONFIRM);
        let mut listed = self.store.list_log().await;
        for _ in 1..TRIES {
            if listed.is_err() {
                listed = self.store.list_log().await;
            }
        }
        let listing = listed.map_err(CommitError::Unknown)?;
        match listing.highest() {
            Some(highest) if highest == number => {}
            highest => return Err(self.depose(highest.unwrap_or(number))),
        }
        self.store.step(steps::CONFIRM_DONE);
        Ok(listing)
    }
}

impl CommitError {
    fn into_store(self) -> StoreError {
        match self {
            Self::Deposed { number } => StoreError::Deposed { number },
            Self::Unknown(error) | Self::Refused(error) => error,
        }
    }
}
