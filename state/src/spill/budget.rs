//! [`Budget`]: the memory that the keyed states of a process share, and how a state divides its part.
//!
//! | share | for |
//! |---|---|
//! | 1/32 each | rows that are being collected to be written, once more while a snapshot begins, and up to [`SEALED_LIMIT`] lots that wait |
//! | 1/8 | redb's cache of the base: without the inner pages of its tree a look-up reads four pages instead of one |
//! | 1/8 at most | the filters of runs |
//! | what these leave | hot rows |
//!
//! Parts are of the *fair share*, which is the same for all states. But a state may be larger than that for as long as the others leave room: so the shares
//! of states that are small go to those that are not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// When more waits to be written, the task should wait: [`SpillTable::is_full`](super::SpillTable::is_full).
pub(super) const SEALED_LIMIT: usize = 3;
/// And when so much does, it writes itself: whoever does not ask must not take all memory either.
pub(super) const SEALED_MAX: usize = 6;

/// What a heap wastes between the rows of different sizes that come and go, as a part of these.
const HEAP_SHARE: usize = 8;
/// At least so many bytes are collected before they are written.
const SEAL_BYTES_MIN: usize = 1 << 10;
/// And at most so many: positions in them have 32 bits, and a row can be a gigabyte long.
const SEAL_BYTES_MAX: usize = 64 << 20;

/// The memory that keyed states share.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
    tables: AtomicUsize,
}

impl Budget {
    /// Of so many bytes.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { limit: bytes, used: AtomicUsize::new(0), tables: AtomicUsize::new(0) })
    }

    /// What its states take in memory, as they last said, in bytes.
    pub fn used_bytes(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// How much it has in all, in bytes.
    pub fn limit_bytes(&self) -> usize {
        self.limit
    }
}

/// What a state has of a [`Budget`].
#[derive(Debug)]
pub(super) struct Share {
    budget: Arc<Budget>,
    /// What it last said that it takes.
    used: usize,
}

impl Share {
    pub(super) fn new(budget: &Arc<Budget>) -> Self {
        budget.tables.fetch_add(1, Relaxed);
        Self { budget: Arc::clone(budget), used: 0 }
    }

    /// What each state can have whatever the others take.
    pub(super) fn fair(&self) -> usize {
        self.budget.limit / self.budget.tables.load(Relaxed).max(1)
    }

    /// Says what it takes, and hears what it may.
    pub(super) fn update(&mut self, bytes: usize) -> usize {
        let bytes = bytes + bytes / HEAP_SHARE;
        let delta = bytes.wrapping_sub(std::mem::replace(&mut self.used, bytes));
        let used = self.budget.used.fetch_add(delta, Relaxed).wrapping_add(delta);
        let fair = self.fair();
        // Of what is free each takes half at a time: others may be growing, too.
        let target = match self.budget.limit.checked_sub(used) {
            Some(free) => (bytes + free / 2).max(fair),
            None => fair,
        };
        target / (HEAP_SHARE + 1) * HEAP_SHARE
    }

    /// How much is collected before it is written.
    pub(super) fn seal(&self) -> usize {
        (self.fair() / 32).clamp(SEAL_BYTES_MIN, SEAL_BYTES_MAX)
    }

    pub(super) fn caches(&self) -> Caches {
        let fair = self.fair();
        Caches { base: fair / 8, run: fair / 512, filters: fair / 8 }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.used, Relaxed);
        self.budget.tables.fetch_sub(1, Relaxed);
    }
}

/// What files may take in memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caches {
    /// redb's cache of the base.
    pub(super) base: usize,
    /// That of a run.
    pub(super) run: usize,
    /// All filters.
    pub(super) filters: usize,
}
