//! [`Leader`]: the one process that writes a job's checkpoints, until another one claims the log.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Weak},
};

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
    /// A new run begins, whatever is there. Older checkpoints are kept until they are too many, but are not gone on from.
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
    /// The run that it is of.
    pub(super) run: u64,
    pub(super) segments: Vec<String>,
    /// What is missing or damaged of it, if anything is known to be: then it is in nobody's way, but does not count either.
    pub(super) damage: Option<String>,
}

impl Kept {
    pub(super) fn new(entry: LiveEntry, manifest: &Manifest) -> Self {
        let segments = manifest.objects().map(|object| object.name.clone()).collect();
        Self { entry, run: manifest.run, segments, damage: None }
    }
}

/// While it lives, its leader deletes none of the segments of a checkpoint, whether that is kept or not.
#[derive(Debug)]
pub struct Pin(pub(super) Vec<String>);

/// The one process that writes a job's checkpoints, until another one claims the log.
#[derive(Debug)]
pub struct Leader {
    pub(super) store: CheckpointStore,
    pub(super) job: String,
    owner: OwnerId,
    at: i64,
    pub(super) run: u64,
    /// It does not go on from what was there before its claim.
    pub(super) fresh: bool,
    pub(super) keep: usize,
    /// The number of its claim.
    pub(super) claim: u64,
    /// The number of its next entry.
    next: u64,
    /// It is not known what is at that number: an entry of its own may be there, or come to be there later.
    pub(super) unsettled: bool,
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
    /// Segments that somebody is reading.
    pub(super) pins: Vec<Weak<Pin>>,
    /// The entry that says that someone else leads.
    deposed: Option<u64>,
}

impl CheckpointStore {
    /// Claims the log: from here on, whoever wrote it before is deposed.
    ///
    /// # Errors
    ///
    /// Fails if the checkpoints are of another job, if the log has lost entries that nobody may delete, or is of a later version, if another process gets
    /// in at the same time, or if the store fails. It may fail after the claim was made; another one can then be made.
    pub async fn claim(&self, candidate: Candidate) -> Result<Leader, StoreError> {
        let before = self.look_before_claiming(&candidate).await?;
        let Candidate { job, owner, at, keep, run, fresh } = candidate;
        let run = before.filter(|_| !fresh).unwrap_or(run);
        let mut leader = Leader {
            store: self.clone(),
            job: job.clone(),
            owner,
            at,
            run,
            fresh,
            keep: keep.max(1),
            claim: 0,
            next: 0,
            unsettled: false,
            sequence: 0,
            kept: VecDeque::new(),
            damaged: Vec::new(),
            last_checkpoint: 0,
            garbage: BTreeSet::new(),
            pins: Vec::new(),
            deposed: None,
        };
        let body = Body::Claim { job, at, run };
        for _ in 0..CLAIMS_LIMIT {
            leader.next = self.list_log().await?.highest().unwrap_or(0) + 1;
            let number = leader.next;
            if leader.create(body.clone()).await.map_err(CommitError::into_store)?.is_none() {
                continue; // someone else was faster: next number
            }
            let listing = leader.confirm(number).await.map_err(CommitError::into_store)?;
            (leader.claim, leader.next, leader.unsettled) = (number, number + 1, false);
            leader.read_before(&listing).await?;
            return Ok(leader);
        }
        Err(StoreError::Deposed { number: leader.next })
    }
}

impl Leader {
    /// The number of its claim: no other leader of this log has the same. Segments are named by it.
    pub fn claim_number(&self) -> u64 {
        self.claim
    }

    /// The number of the job's run: that of the checkpoints before the claim, or a new one.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Commits a complete checkpoint: gives the number of its entry. Everything that the manifest names must be in the store before. When this returns, the
    /// checkpoint counts, and output that belongs to it may be committed.
    ///
    /// # Errors
    ///
    /// See [`CommitError`]. Cancelled, it is as if the store had not answered.
    ///
    /// # Panics
    ///
    /// If the manifest is of another job or another run.
    pub async fn commit(&mut self, manifest: &Manifest) -> Result<u64, CommitError> {
        let whose = (manifest.job.as_str(), manifest.run);
        assert_eq!(whose, (self.job.as_str(), self.run), "a leader commits the checkpoints of its own run");
        loop {
            let whole = self.kept.iter().filter(|kept| kept.damage.is_none()).rev().take(self.keep - 1);
            let mut live: Vec<LiveEntry> = whole.map(|kept| kept.entry).collect();
            live.reverse();
            let body = Body::Checkpoint { claim: self.claim, live, manifest: manifest.clone() };
            // What is there may be an earlier checkpoint, of which it was not known what had become of it: then this one comes behind it.
            if let Body::Checkpoint { manifest: committed, .. } = self.append(body).await?
                && committed == *manifest
            {
                return Ok(self.last_number());
            }
        }
    }

    /// Keeps the segments of a checkpoint until the pin is dropped: somebody reads them.
    pub fn pin(&mut self, manifest: &Manifest) -> Arc<Pin> {
        self.pins.retain(|pin| pin.strong_count() > 0);
        let pin = Arc::new(Pin(manifest.objects().map(|object| object.name.clone()).collect()));
        self.pins.push(Arc::downgrade(&pin));
        pin
    }

    /// Finds out what became of the last entry if that is not known, and sees to it that nothing becomes of it later: whoever goes on from what is in the log
    /// must know that this is all.
    pub(super) async fn settle(&mut self) -> Result<(), CommitError> {
        while self.unsettled {
            // At the number that it would have: either it is there by now, or it never will be.
            self.append(Body::Claim { job: self.job.clone(), at: self.at, run: self.run }).await?;
        }
        Ok(())
    }

    /// Puts an entry at the next number. Gives what is there now: that entry, or an earlier one of its own, of which it was not known whether it was there.
    async fn append(&mut self, body: Body) -> Result<Body, CommitError> {
        if let Some(number) = self.deposed {
            return Err(CommitError::Deposed { number });
        }
        let number = self.next;
        let Some(Entry { id, body }) = self.create(body).await? else { return Err(self.depose(number)) };
        self.confirm(number).await?;
        (self.next, self.unsettled) = (number + 1, false);
        if let Body::Checkpoint { manifest, .. } = &body {
            self.last_checkpoint = self.last_checkpoint.max(manifest.checkpoint);
            self.kept.push_back(Kept::new(LiveEntry { number, id }, manifest));
        }
        Ok(body)
    }

    /// The number of the newest entry that is known to be its own.
    pub(super) fn last_number(&self) -> u64 {
        self.next - 1
    }

    fn depose(&mut self, number: u64) -> CommitError {
        self.deposed = Some(number);
        CommitError::Deposed { number }
    }

    /// Creates an entry at the next number, and finds out what came of it: gives that entry, or an earlier one of its own, or none if another process's
    /// is there.
    async fn create(&mut self, body: Body) -> Result<Option<Entry>, CommitError> {
        let (number, id) = (self.next, EntryId { owner: self.owner, sequence: self.sequence });
        self.sequence += 1;
        let entry = Entry { id, body };
        let encode = move || (entry.encode(), entry);
        let (encoded, entry) = self.store.blocking(encode).await;
        let payload: PutPayload =
            encoded.map_err(|source| CommitError::Refused(StoreError::Entry { number, source }))?.into();
        self.unsettled = true;
        let mut failed = None;
        for _ in 0..TRIES {
            self.store.step(steps::CREATE);
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            let put = self.store.objects().put_opts(&path(number), payload.clone(), options).await;
            self.store.step(steps::CREATE_DONE);
            let error = match put {
                Ok(_) => return Ok(Some(entry)),
                Err(error) => error,
            };
            let exists = matches!(error, object_store::Error::AlreadyExists { .. });
            // The answer may have been lost, so what is there decides.
            match self.store.entry(number).await {
                Ok(found) if found.id.owner == self.owner => return Ok(Some(found)),
                Ok(_) => return Ok(None),
                // It was there, and its leader has already gone on and deleted it.
                Err(StoreError::NoEntry { .. }) if exists => return Ok(None),
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
    pub(super) fn into_store(self) -> StoreError {
        match self {
            Self::Deposed { number } => StoreError::Deposed { number },
            Self::Unknown(error) | Self::Refused(error) => error,
        }
    }
}
