//! Credit as the receiver of a channel sees it: a window of bytes that its sender may have under way, and the [`Pool`] that all windows of a process grow from.
//!
//! Every channel has a first window to itself. A sender says when it has used up its credit; if the receiver then reads the batch that says so and has little more to read, the
//! channel earns twice as much, as long as the pool has it: so windows follow the time that messages take. A window that is not used shrinks again. A channel that is idle gives back what it has from the pool when another one wants it: the sender has to agree to that,
//! since it may be about to send.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, Weak},
};

use crate::{lock, wire::Grant};

/// How many channels are asked at most when the pool is empty, to give back what they do not use.
const RECLAIM_LIMIT: usize = 16;
/// After so many batches that took less than a quarter of its window a channel gives half of it back.
const UNUSED_BATCHES: u32 = 64;
/// A grant is worth a frame once it is this part of the window, or when the receiver has nothing left to read.
const GRANT_PART: u64 = 4;

/// How large windows are, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowBytes {
    /// What every channel has to itself.
    pub first: u64,
    /// What none exceeds.
    pub max: u64,
}

/// The sender does what it was not allowed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overrun;

/// The receiver's side of a channel's credit.
#[derive(Debug)]
pub(crate) struct Window {
    bytes: WindowBytes,
    received: u64,
    released: u64,
    /// What the sender was told. It may send while what it has sent is less.
    limit: u64,
    told_released: u64,
    /// How much should be under way at most.
    size: u64,
    /// What is held of the pool.
    borrowed: u64,
    /// What will have been released once the batch is read with which the sender had used up its credit.
    used_up_at: Option<u64>,
    /// The most that was under way since the last look, and how many batches ago that was.
    peak: u64,
    batches: u32,
    /// What had been received when the pool last asked for something: one that nothing has come on since is idle.
    seen: u64,
    asking: Asking,
    /// The pool knows that it borrows.
    pub(crate) remembered: bool,
}

/// What follows from a batch that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Released {
    /// The sender should be told.
    pub(crate) tell: bool,
    /// The pool had less than the channel has earned.
    pub(crate) is_short: bool,
}

/// Whether the sender is to agree to less credit than it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asking {
    No,
    /// The next grant asks.
    Due,
    /// Until it answers it is told nothing else.
    Asked,
}

impl Window {
    pub(crate) fn new(bytes: WindowBytes) -> Self {
        Self {
            bytes,
            received: 0,
            released: 0,
            limit: 0,
            told_released: 0,
            size: 0,
            borrowed: 0,
            used_up_at: None,
            peak: 0,
            batches: 0,
            seen: 0,
            asking: Asking::No,
            remembered: false,
        }
    }

    /// The channel has a receiver: the sender may begin.
    pub(crate) fn open(&mut self) {
        self.size = self.bytes.first;
    }

    /// A batch has come, with which the sender has or has not used up its credit.
    pub(crate) fn arrived(&mut self, cost: u64, used_up: bool) -> Result<(), Overrun> {
        if self.received >= self.limit {
            return Err(Overrun);
        }
        self.received = self.received.saturating_add(cost);
        if used_up {
            self.used_up_at.get_or_insert(self.received);
        }
        self.peak = self.peak.max(self.under_way());
        Ok(())
    }

    fn under_way(&self) -> u64 {
        self.received - self.released
    }

    /// A batch has been read.
    pub(crate) fn release(&mut self, cost: u64, pool: &Pool) -> Released {
        self.released += cost;
        self.batches += 1;
        let mut is_short = false;
        if self.used_up_at.is_some_and(|at| at <= self.released) {
            self.used_up_at = None;
            if self.under_way() <= self.size / 2 {
                let wanted = self.size.min(self.bytes.max.saturating_sub(self.size));
                let more = pool.take(wanted);
                self.size += more;
                self.borrowed += more;
                is_short = more < wanted;
            }
        }
        if self.batches >= UNUSED_BATCHES {
            if self.peak < self.size / 4 {
                self.size = (self.size / 2).max(self.bytes.first);
            }
            (self.peak, self.batches) = (self.under_way(), 0);
        }
        self.give_back(pool);
        Released { tell: self.is_worth_telling(), is_short }
    }

    fn is_worth_telling(&self) -> bool {
        self.asking == Asking::No
            && (self.released > self.told_released && self.under_way() == 0
                || self.next_limit() >= self.limit + self.size.div_ceil(GRANT_PART))
    }

    fn next_limit(&self) -> u64 {
        self.limit.max(self.released + self.size)
    }

    /// What the sender is told now, if that is anything new.
    pub(crate) fn grant(&mut self) -> Option<Grant> {
        if self.asking == Asking::Asked {
            return None;
        }
        let limit = self.next_limit();
        // It may have read so much meanwhile that there is nothing to ask for.
        if std::mem::replace(&mut self.asking, Asking::No) == Asking::Due && self.released + self.size < limit {
            (self.asking, self.told_released) = (Asking::Asked, self.released);
            return Some(Grant { released: self.released, limit: self.released + self.size });
        }
        if limit == self.limit && self.released == self.told_released {
            return None;
        }
        (self.limit, self.told_released) = (limit, self.released);
        Some(Grant { released: self.released, limit })
    }

    /// Wants the first window to be enough, if the channel has been idle since it was last asked. True if the sender has to be asked for that.
    pub(crate) fn reclaim(&mut self) -> bool {
        let was_used = std::mem::replace(&mut self.seen, self.received) != self.received;
        let is_idle = self.under_way() == 0 && !was_used;
        if self.asking != Asking::No || self.borrowed == 0 || !is_idle {
            return false;
        }
        self.size = self.bytes.first;
        let due = self.limit > self.released + self.size;
        self.asking = if due { Asking::Due } else { Asking::No };
        due
    }

    /// The sender has agreed to a limit; then it may be told of more again.
    ///
    /// # Errors
    ///
    /// Fails if it was not asked, or cannot have said that.
    pub(crate) fn settled(&mut self, limit: u64, pool: &Pool) -> Result<(), Overrun> {
        if self.asking != Asking::Asked || limit > self.limit || limit < self.received.min(self.limit) {
            return Err(Overrun);
        }
        (self.asking, self.limit) = (Asking::No, limit);
        self.give_back(pool);
        Ok(())
    }

    /// The channel has ended.
    pub(crate) fn close(&mut self, pool: &Pool) {
        pool.give(std::mem::take(&mut self.borrowed));
        self.size = 0;
    }

    /// Gives back what can no more be under way. What the sender was told before still counts.
    fn give_back(&mut self, pool: &Pool) {
        let reserved = self.size.max(self.limit.saturating_sub(self.released));
        let needed = reserved.saturating_sub(self.bytes.first).min(self.borrowed);
        pool.give(self.borrowed - needed);
        self.borrowed = needed;
    }

    /// What is held of the pool, in bytes.
    pub(crate) fn borrowed(&self) -> u64 {
        self.borrowed
    }
}

/// A channel that may give something back.
pub(crate) trait Borrower: Send + Sync {
    /// Gives back what it does not use. False if it has nothing.
    fn reclaim(&self) -> bool;
}

/// What the windows of a process may have beyond the first, in bytes.
pub struct Pool {
    state: Mutex<PoolState>,
}

struct PoolState {
    free: u64,
    /// Who has borrowed, the longest asked first. One that is gone is left out when its turn comes.
    borrowers: VecDeque<Weak<dyn Borrower>>,
}

impl Pool {
    /// A pool of so many bytes.
    pub fn new(bytes: u64) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(PoolState { free: bytes, borrowers: Default::default() }) })
    }

    /// What nobody has borrowed, in bytes.
    pub fn free(&self) -> u64 {
        lock(&self.state).free
    }

    /// Gives what is asked for, up to half of what is there: so that who comes later has something, too.
    fn take(&self, wanted: u64) -> u64 {
        let mut state = lock(&self.state);
        let taken = wanted.min(state.free / 2);
        state.free -= taken;
        taken
    }

    fn give(&self, bytes: u64) {
        if bytes > 0 {
            lock(&self.state).free += bytes;
        }
    }

    /// Remembers who has borrowed.
    pub(crate) fn remember(&self, borrower: Weak<dyn Borrower>) {
        lock(&self.state).borrowers.push_back(borrower);
    }

    /// Asks some of those that have borrowed to give back what they do not use.
    pub(crate) fn reclaim(&self) {
        let asked: Vec<_> = {
            let mut state = lock(&self.state);
            let count = state.borrowers.len().min(RECLAIM_LIMIT);
            state.borrowers.drain(..count).collect()
        };
        for borrower in asked {
            // Outside of the lock: it gives back to this pool.
            if borrower.upgrade().is_some_and(|borrower| borrower.reclaim()) {
                self.remember(borrower);
            }
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("free", &self.free()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
