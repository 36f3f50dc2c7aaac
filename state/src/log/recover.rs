//! Finds the checkpoint to go on from.

use std::cmp::Reverse;

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;

use super::{Body, Candidate, CommitError, Leader, LiveEntry, leader::Kept, read::Listing};
use crate::{
    manifest::{Manifest, SegmentRef},
    store::{CheckpointStore, SEGMENTS, StoreError},
};

/// How many segments are looked at at a time.
const SEGMENTS_AT_A_TIME: usize = 16;

/// What a job goes on from.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// The newest checkpoint that can be used, and the number of its entry; none if there has never been one.
    pub newest: Option<(u64, Manifest)>,
    /// Newer entries that cannot be used, the newest first, and why. Where there are any, output that belongs to them was committed already and will
    /// be written again. The next checkpoint should be full: it then depends on nothing that is as old as this one.
    pub skipped: Vec<(u64, String)>,
    /// The highest number that a checkpoint has had, as far as is known: the next one gets a higher number. 0 if there has never been one.
    pub last_checkpoint: u64,
}

impl CheckpointStore {
    /// Refuses what would be refused after the claim as well, so that a job that does not belong here deposes nobody. Gives the number of the run of the
    /// newest entry.
    pub(super) async fn look_before_claiming(&self, candidate: &Candidate) -> Result<Option<u64>, StoreError> {
        let Some(highest) = self.list_log().await?.highest() else {
            let mut segments = self.objects().list(Some(&Path::from(SEGMENTS)));
            let any = segments.try_next().await.map_err(|source| StoreError::objects("list the segments", source))?;
            // The log is looked at once more: the first claim, and segments under it, may have come in between.
            if any.is_some() && !candidate.fresh && self.list_log().await?.highest().is_none() {
                return Err(StoreError::Incomplete { what: "there are segments, but no log".to_owned() });
            }
            return Ok(None);
        };
        match self.entry(highest).await {
            Ok(entry) => check_job(entry.body.job(), &candidate.job).map(|()| Some(entry.body.run())),
            Err(error) if error.is_damage() => Ok(None), // told when it comes to recovery
            Err(error) => Err(error),
        }
    }

    /// Reads a checkpoint of the log, and looks at every segment that it names: whether it is there, has the size it should have, and whether its footer
    /// is whole; thoroughly, also whether all of its blocks are.
    async fn usable(&self, entry: LiveEntry, thoroughly: bool) -> Result<Manifest, StoreError> {
        let found = self.entry(entry.number).await?;
        let Body::Checkpoint { manifest, .. } = found.body else {
            return Err(StoreError::NoEntry { number: entry.number });
        };
        self.look_at_segments(&manifest, thoroughly).await?;
        Ok(manifest)
    }

    /// Looks at every segment that a manifest names: whether it is there, has the size it should have, and whether its footer is whole; thoroughly, also
    /// whether all of its blocks are. Objects with what was on its way are read as a whole, which is what a restore does.
    pub(crate) async fn look_at_segments(&self, manifest: &Manifest, thoroughly: bool) -> Result<(), StoreError> {
        let segments: Vec<SegmentRef> = manifest.segments().cloned().collect();
        let looks = stream::iter(segments).map(|segment| async move {
            match thoroughly {
                true => self.verify(&segment).await,
                false => self.footer(&segment).await.map(drop),
            }
        });
        looks.buffer_unordered(SEGMENTS_AT_A_TIME).try_collect::<()>().await?;
        let channels: Vec<SegmentRef> = manifest.channels.iter().map(|part| part.object.clone()).collect();
        let looks = stream::iter(channels).map(|object| async move { self.channels(&object).await.map(drop) });
        looks.buffer_unordered(SEGMENTS_AT_A_TIME).try_collect::<()>().await
    }
}

impl Leader {
    /// Finds the newest checkpoint of the [run](Self::run) that can be used. One that is damaged, or names a segment that is, is left out, with an error in
    /// the log of the process; the one that is gone back to is read as a whole, since output is taken back for it. A checkpoint of which it was [not known](super::CommitError::Unknown) whether it was committed either is this newest one, or will
    /// never be there.
    ///
    /// # Errors
    ///
    /// Fails if there are checkpoints and none can be used, if something is of a later version, if another process has claimed the log and deleted what was
    /// to be read, or if the store fails.
    pub async fn recover(&mut self) -> Result<Recovery, StoreError> {
        self.settle().await.map_err(CommitError::into_store)?;
        let mut newest = None;
        let mut skipped = if self.fresh { Vec::new() } else { self.damaged.clone() };
        for kept in self.kept.iter_mut().rev().filter(|kept| kept.run == self.run) {
            if kept.damage.is_none() {
                let goes_back = skipped.iter().any(|(number, _)| *number > kept.entry.number);
                match self.store.usable(kept.entry, goes_back).await {
                    Ok(manifest) => {
                        newest = Some((kept.entry.number, manifest));
                        break;
                    }
                    Err(error) if error.is_damage() => kept.damage = Some(error.to_string()),
                    Err(error) => return Err(error),
                }
            }
            skipped.extend(kept.damage.clone().map(|damage| (kept.entry.number, damage)));
        }
        if !skipped.is_empty() {
            self.ensure_leading().await?;
        }
        skipped.sort_by_key(|(number, _)| Reverse(*number));
        if let Some((number, _)) = &newest {
            skipped.retain(|(skipped, _)| skipped > number);
        }
        for (number, reason) in &skipped {
            tracing::error!(job = self.job, entry = number, reason, "a checkpoint cannot be used");
        }
        if newest.is_none() && !skipped.is_empty() {
            return Err(StoreError::NoneUsable { skipped });
        }
        Ok(Recovery { newest, skipped, last_checkpoint: self.last_checkpoint })
    }

    /// Says that a checkpoint which looked whole is not: a block of a segment is damaged, which is only seen when it is read. From then on
    /// [`recover`](Self::recover) leaves it out. Takes the number of its entry.
    pub fn reject(&mut self, number: u64, reason: &str) {
        if let Some(kept) = self.kept.iter_mut().find(|kept| kept.entry.number == number) {
            kept.damage.get_or_insert_with(|| reason.to_owned());
        }
    }

    /// What is missing may have been deleted by someone who claimed the log meanwhile: that is no damage.
    async fn ensure_leading(&self) -> Result<(), StoreError> {
        match self.store.list_log().await?.highest() {
            Some(number) if number != self.last_number() => Err(StoreError::Deposed { number }),
            _ => Ok(()),
        }
    }

    /// Reads what counts of the entries before the claim: down to the newest checkpoint, and those that this one says were kept.
    pub(super) async fn read_before(&mut self, listing: &Listing) -> Result<(), StoreError> {
        let run = listing.run();
        let before = run.partition_point(|number| *number < self.claim);
        let mut live = Vec::new();
        for &number in run[..before].iter().rev() {
            if let Some(older) = self.read_one(number, None).await? {
                live = older;
                break;
            }
        }
        if let (false, Some(newest)) = (self.fresh, self.kept.back()) {
            self.run = newest.run;
        }
        for older in live.into_iter().rev() {
            self.read_one(older.number, Some(older)).await?;
        }
        self.damaged.sort_by_key(|(number, _)| Reverse(*number));
        match run.first() {
            Some(&first) if first > 1 && self.kept.is_empty() && self.damaged.is_empty() && !self.fresh => {
                let what = format!("entry {} is missing, and none of those behind it is a checkpoint", first - 1);
                Err(StoreError::Incomplete { what })
            }
            _ => Ok(()),
        }
    }

    /// Reads an entry, which must be the wanted one if one is wanted. If it is a checkpoint, it is kept; gives what it says was kept before it.
    async fn read_one(&mut self, number: u64, wanted: Option<LiveEntry>) -> Result<Option<Vec<LiveEntry>>, StoreError> {
        let entry = match self.store.entry(number).await {
            Ok(entry) if wanted.is_none_or(|wanted| wanted.id == entry.id) => entry,
            Ok(_) => {
                self.damaged.push((number, "another entry stands in its place".to_owned()));
                return Ok(None);
            }
            Err(error) if error.is_damage() => {
                self.damaged.push((number, error.to_string()));
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        check_job(entry.body.job(), &self.job)?;
        let Body::Checkpoint { live, manifest, .. } = entry.body else { return Ok(None) };
        self.last_checkpoint = self.last_checkpoint.max(manifest.checkpoint);
        self.kept.push_front(Kept::new(LiveEntry { number, id: entry.id }, &manifest));
        Ok(Some(live))
    }
}

fn check_job(found: &str, wanted: &str) -> Result<(), StoreError> {
    if found == wanted {
        return Ok(());
    }
    Err(StoreError::OtherJob { found: found.to_owned(), wanted: wanted.to_owned() })
}
