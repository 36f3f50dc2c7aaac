//! Deletes what is no longer needed.

use std::{collections::BTreeSet, sync::Weak};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStoreExt, path::Path};

use super::{Leader, read::path};
use crate::store::{SEGMENTS, StoreError, segment_path, steps};

/// How many segments are deleted at a time.
const DELETES_AT_A_TIME: usize = 16;
/// So many segments may wait to be deleted while the store refuses; the rest is left to the sweep of the next start.
const LIMIT_GARBAGE: usize = 1 << 16;

impl Leader {
    /// Deletes the checkpoints that are too many, and the segments that only they named. To be called after a commit, once its output is committed, too.
    ///
    /// First go the entries, then the segments: whatever an entry in the log names is there. The newest checkpoint is never deleted, and neither is anything
    /// behind it.
    ///
    /// # Errors
    ///
    /// Fails if the store does. What is left is deleted the next time.
    pub async fn retain(&mut self) -> Result<(), StoreError> {
        let mut whole = self.kept.iter().filter(|kept| kept.damage.is_none()).count();
        while whole > self.keep {
            let Some(old) = self.kept.pop_front() else { break };
            whole -= usize::from(old.damage.is_none());
            self.garbage.extend(old.segments);
        }
        while self.garbage.len() > LIMIT_GARBAGE {
            self.garbage.pop_last();
        }
        let Some(oldest) = self.kept.front().map(|kept| kept.entry.number) else { return Ok(()) };
        let listing = self.store.list_log().await?;
        if listing.highest() != Some(self.last_number()) {
            return Ok(()); // someone else leads, or it is not known what came of a commit: the next one finds out
        }
        for &number in listing.below(oldest) {
            self.store.step(steps::DELETE_ENTRY);
            self.delete(path(number)).await?;
            self.store.step(steps::DELETE_ENTRY_DONE);
        }
        self.damaged.retain(|(number, _)| *number >= oldest);
        let live = self.live_segments();
        self.garbage.retain(|name| !live.contains(name));
        let pinned = self.pinned_segments();
        let unused = self.garbage.iter().filter(|name| !pinned.contains(*name));
        let unused: Vec<Path> = unused.filter_map(|name| segment_path(name).ok()).collect();
        self.delete_segments(unused).await?;
        self.garbage.retain(|name| pinned.contains(name));
        Ok(())
    }

    /// Deletes what earlier attempts have left behind: segments that no checkpoint names, and parts of segments and entries. To be called after
    /// [`recover`](Self::recover), before anything is uploaded.
    ///
    /// It touches only what was written under earlier claims, so it harms nobody even if this process has been deposed meanwhile.
    ///
    /// # Errors
    ///
    /// Fails if the store does; nothing depends on it.
    pub async fn sweep(&mut self) -> Result<(), StoreError> {
        self.store.step(steps::SWEEP);
        if self.damaged.is_empty() {
            let mut live = self.live_segments();
            live.extend(self.pinned_segments());
            let objects = self.store.objects().list(Some(&Path::from(SEGMENTS)));
            let orphans = objects.map_ok(|object| object.location).try_filter(|path| {
                let earlier = claim_of(path).is_some_and(|claim| claim < self.claim);
                futures::future::ready(earlier && !live.contains(path.as_ref()))
            });
            let orphans: Vec<Path> =
                orphans.try_collect().await.map_err(|source| StoreError::objects("list the segments", source))?;
            self.delete_segments(orphans).await?;
        } else {
            tracing::warn!(
                job = self.job,
                entries = ?self.damaged,
                "segments that nothing names are not removed, since entries of the log cannot be read"
            );
        }
        self.store.remove_leftovers(self.claim).await?;
        self.store.step(steps::SWEEP_DONE);
        Ok(())
    }

    fn live_segments(&self) -> BTreeSet<String> {
        self.kept.iter().flat_map(|kept| &kept.segments).cloned().collect()
    }

    fn pinned_segments(&self) -> BTreeSet<String> {
        self.pins.iter().filter_map(Weak::upgrade).flat_map(|pin| pin.0.clone()).collect()
    }

    async fn delete_segments(&self, segments: Vec<Path>) -> Result<(), StoreError> {
        let deletes = stream::iter(segments).map(|path| async move {
            self.store.step(steps::DELETE_SEGMENT);
            self.delete(path).await?;
            self.store.step(steps::DELETE_SEGMENT_DONE);
            Ok(())
        });
        deletes.buffer_unordered(DELETES_AT_A_TIME).try_collect().await
    }

    async fn delete(&self, path: Path) -> Result<(), StoreError> {
        match self.store.objects().delete(&path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(StoreError::objects(format!("delete `{path}`"), source)),
        }
    }
}

/// The number of the claim that a segment was written under.
fn claim_of(path: &Path) -> Option<u64> {
    let (claim, _) = path.filename()?.split_once('-')?;
    claim.parse().ok()
}
