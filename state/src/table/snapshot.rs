//! Freezing a table, and walking through what is frozen.

use millstream_core::{buffer::PushError, record::Record};

use super::{Table, leaving::Leaving, shard::Notice};
use crate::{
    row::RowKey,
    snapshot::{Frozen, SnapshotKind},
};

/// A running snapshot.
pub(super) struct Freeze {
    /// What shards do when they take notice of it.
    pub(super) notice: Notice,
    /// The first slot of the shard where the walker is.
    pub(super) slot: usize,
    /// The next word of the marks of that shard.
    pub(super) word: usize,
}

/// How far a walk has come.
#[derive(Debug)]
pub enum Walked {
    /// Not to the end of a shard.
    More,
    /// Nowhere: something is being written beside the task. A further step can be taken a little later.
    Later,
    /// Through a shard: this is what the snapshot has of it. Ranges come in ascending order of the hash.
    Range(Frozen),
    /// To the end of the table, which is not frozen any more.
    Done,
}

impl<R: RowKey, V: Record> Table<R, V> {
    /// Begins a snapshot, in constant time. A full one may be asked for while another is running, which is then given up.
    ///
    /// A table that has never been frozen and was not restored may begin with a delta.
    ///
    /// # Panics
    ///
    /// If the table is not tracked; or if a delta is asked for though the snapshot before was given up, or has not been walked to its end:
    /// what changed before it is not known any more.
    pub fn freeze(&mut self, kind: SnapshotKind) {
        assert!(self.is_tracked(), "a table without tracking cannot be frozen");
        self.abandon();
        assert!(kind == SnapshotKind::Full || !self.lost, "a full snapshot follows one that was given up");
        self.lost = false;
        self.epoch += 1;
        let notice = if kind == SnapshotKind::Full { Notice::Full } else { Notice::Delta };
        self.freeze = Some(Freeze { notice, slot: 0, word: 0 });
    }

    /// True from [`Table::freeze`] until the walk is done or the snapshot given up.
    pub fn is_frozen(&self) -> bool {
        self.freeze.is_some()
    }

    /// Gives the running snapshot up, if there is one. The next must be a full one.
    pub fn abandon(&mut self) {
        if self.freeze.take().is_some() {
            self.leaving = Leaving::new();
            self.epoch += 1;
            self.lost = true;
        }
    }

    /// Goes on with the running snapshot, until about so many rows are copied or a shard is complete.
    ///
    /// # Errors
    ///
    /// Fails if a row cannot be encoded, since it is too large. The snapshot is then given up.
    pub fn walk(&mut self, rows: usize) -> Result<Walked, PushError> {
        let mut budget = rows.max(1);
        while let Some((slot, shard)) = self.frozen_shard() {
            self.enter(shard);
            let Some(freeze) = &mut self.freeze else { break };
            let copies = self.leaving.walked();
            if budget == 0 || !self.shards[shard].copy_pending(&mut freeze.word, &mut budget, copies) {
                return Ok(Walked::More);
            }
            (freeze.slot, freeze.word) = (slot + self.directory.slots_of(self.shards[shard].depth), 0);
            match self.leave(slot, shard) {
                Ok(None) => budget = budget.saturating_sub(1),
                Ok(Some(frozen)) => return Ok(Walked::Range(frozen)),
                Err(error) => {
                    self.abandon();
                    return Err(error);
                }
            }
        }
        (self.freeze, self.leaving) = (None, Leaving::new());
        Ok(Walked::Done)
    }

    /// What the running snapshot has of a shard, which begins at this slot, now that no row of it is pending; and what else has been copied meanwhile.
    pub(super) fn leave(&mut self, slot: usize, shard: usize) -> Result<Option<Frozen>, PushError> {
        let shard = &mut self.shards[shard];
        let (rows, early) = self.leaving.take()?;
        let removed = shard.take_removed()?;
        let is_empty = rows.is_empty() && removed.is_empty() && early.is_empty();
        let last = self.directory.last(slot, shard.depth);
        Ok((!is_empty).then_some(Frozen { rows, removed, early, last }))
    }

    /// The shard where the walker is, and its first slot.
    pub(super) fn frozen_shard(&self) -> Option<(usize, usize)> {
        let slot = self.freeze.as_ref()?.slot;
        Some((slot, self.directory.shard(slot)?))
    }

    /// Lets a shard take notice of the epoch.
    #[cold]
    #[inline(never)]
    pub(super) fn enter(&mut self, at: usize) {
        if self.shards[at].epoch < self.spilled {
            if self.shards[at].rows.marks.words() == 0 {
                // Nobody takes snapshots, so there is no before and after.
                self.rebuild(at, self.shards[at].rows.full_capacity());
                self.shards[at].rows.marks.renew_all();
            } else {
                self.shards[at].enter(self.spilled, Notice::Spill);
            }
        }
        let shard = &mut self.shards[at];
        if shard.epoch != self.epoch {
            shard.enter(self.epoch, self.freeze.as_ref().map_or(Notice::Abandoned, |freeze| freeze.notice));
        }
    }
}
