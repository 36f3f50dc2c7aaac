//! [`Pool`]: the splits of a source that wait for a subtask, and whether watermarks have to wait for them.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use millstream_core::record::Record;

use crate::source::{Boundedness, Source, SplitEnumerator};

/// Until when watermarks are held back.
///
/// A subtask that shares its process with the pool looks at it before each step, so none passes a watermark while they are held back. Where the pool is in
/// another process a subtask acts on what it has heard last, and begins with the belief that they are. So it may hold them back longer than it has to. It
/// never lets them pass too early under [`Complete`](Self::Complete): what is let go there is never held again. Under [`Waiting`](Self::Waiting) it may
/// let some pass from when new splits are found until it hears of that, the time of a message; nothing passes before all that the first discovery finds has
/// been begun. That is no weaker in kind: a split that is found later has been there for any time up to the interval between two discoveries, in which
/// watermarks pass, and what of its records is behind them is late. Nor is it known whether a subtask that was idle has been heard of as active again by
/// those who read from it, when others are told that it has begun. Whoever is given a split knows in the same moment that watermarks are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holding {
    /// They are not: each split goes on for ever, and may be far behind the others at any time.
    Never,
    /// Until no split waits; again when there are new ones.
    Waiting,
    /// Until no split waits and no more will come.
    Complete,
}

impl Holding {
    pub(super) fn of<S: Source>(source: &S) -> Self {
        match (source.splits(), source.boundedness()) {
            (Boundedness::Unbounded, _) => Self::Never,
            (Boundedness::Bounded, Boundedness::Unbounded) => Self::Waiting,
            (Boundedness::Bounded, Boundedness::Bounded) => Self::Complete,
        }
    }
}

/// The splits of a source that wait for a subtask.
pub(super) struct Pool<S: Source> {
    holding: Holding,
    /// How many subtasks share it.
    subtasks: usize,
    state: Mutex<PoolState<S>>,
}

/// What discovery has found by now, and whether it is at its end.
pub(super) type Found<S> = (<<S as Source>::Enumerator as SplitEnumerator>::State, bool);

struct PoolState<S: Source> {
    /// Absent while it looks for splits.
    enumerator: Option<S::Enumerator>,
    waiting: VecDeque<S::Split>,
    /// How many splits have been taken by subtasks that have not yet been heard of as active behind them.
    taken: usize,
    /// No more splits will come.
    complete: bool,
    /// The first discovery is done.
    discovered: bool,
    next_id: u64,
    /// The subtasks that wait for a change.
    wakers: BTreeMap<usize, Waker>,
    /// Counts what may change the answer to a subtask that was told to wait.
    changes: u64,
    /// The state of the enumerator as of the last discovery.
    found: <S::Enumerator as SplitEnumerator>::State,
    /// The checkpoint whose barrier some subtasks have passed.
    passing: Option<Passing<S::Split>>,
}

/// What a subtask has to add to a checkpoint besides the split that it reads.
pub(super) struct AtBarrier<S: Source> {
    pub(super) splits: Vec<S::Split>,
    pub(super) found: Option<Found<S>>,
}

impl<S: Source> Default for AtBarrier<S> {
    fn default() -> Self {
        Self { splits: Vec::new(), found: None }
    }
}

/// What a subtask without a split, or one that holds watermarks back, wants to know of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// No watermark may pass.
    pub(super) holds: bool,
    /// The first discovery is done.
    pub(super) discovered: bool,
}

/// A checkpoint of a pool is taken when the last subtask has passed the barrier: then every split is either with a subtask that had it at its barrier, or
/// waits, or was taken by a subtask behind its barrier.
struct Passing<S> {
    checkpoint: u64,
    passed: BTreeSet<usize>,
    /// The splits that subtasks have taken since they passed the barrier.
    taken: Vec<S>,
}

/// What a subtask gets that asks for a split.
pub(super) enum Taken<S> {
    Split(u64, S),
    /// There may be one once the pool has changed from this state. `discovered` if the first discovery is done.
    Later {
        seen: u64,
        discovered: bool,
    },
    /// No more will come.
    None,
}

impl<S: Source> Pool<S> {
    pub(super) fn new(enumerator: S::Enumerator, holding: Holding, subtasks: usize) -> Self {
        let state = PoolState {
            found: enumerator.state(),
            passing: None,
            enumerator: Some(enumerator),
            waiting: VecDeque::new(),
            taken: 0,
            complete: false,
            discovered: false,
            next_id: 0,
            wakers: BTreeMap::new(),
            changes: 0,
        };
        Self { holding, subtasks, state: Mutex::new(state) }
    }

    /// Begins with the splits of a checkpoint.
    pub(super) fn restore(&self, splits: Vec<S::Split>, complete: bool) {
        let mut state = self.lock();
        state.waiting.extend(splits);
        (state.complete, state.discovered) = (complete, complete);
    }

    /// A subtask passes a barrier. For the last one: the splits that no subtask had at its barrier, and what discovery has found.
    pub(super) fn passed(&self, subtask: usize, checkpoint: u64) -> AtBarrier<S> {
        let state = &mut *self.lock();
        if state.passing.as_ref().is_none_or(|passing| passing.checkpoint < checkpoint) {
            state.passing = Some(Passing { checkpoint, passed: BTreeSet::new(), taken: Vec::new() });
        }
        let Some(passing) = state.passing.as_mut().filter(|passing| passing.checkpoint == checkpoint) else {
            return AtBarrier::default();
        };
        passing.passed.insert(subtask);
        if passing.passed.len() < self.subtasks {
            return AtBarrier::default();
        }
        let mut splits = state.passing.take().map_or_else(Vec::new, |passing| passing.taken);
        let rest = state.rest();
        splits.extend(rest.splits);
        AtBarrier { splits, found: rest.found }
    }

    /// What waits now, and what discovery has found: the part of a checkpoint that is the pool's if all subtasks tell those that they were given.
    pub(super) fn rest(&self) -> AtBarrier<S> {
        self.lock().rest()
    }

    fn lock(&self) -> MutexGuard<'_, PoolState<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, enumerator: S::Enumerator, splits: Vec<S::Split>, complete: bool) {
        let mut state = self.lock();
        state.found = enumerator.state();
        state.enumerator = Some(enumerator);
        state.waiting.extend(splits);
        state.complete = complete;
        state.discovered = true;
        state.wake();
    }

    pub(super) fn take(&self, subtask: usize) -> Taken<S::Split> {
        let state = &mut *self.lock();
        let split = match &mut state.enumerator {
            Some(enumerator) => enumerator.assign(&mut state.waiting, subtask),
            None => state.waiting.pop_front(),
        };
        match split {
            Some(split) => {
                let id = state.next_id;
                state.next_id += 1;
                state.taken += 1;
                if let Some(passing) = state.passing.as_mut().filter(|passing| passing.passed.contains(&subtask)) {
                    passing.taken.push(split.clone());
                }
                Taken::Split(id, split)
            }
            None if state.complete && state.waiting.is_empty() => Taken::None,
            None => Taken::Later { seen: state.changes, discovered: state.discovered },
        }
    }

    /// Says that the subtask which took a split last is active.
    pub(super) fn begun(&self) {
        let mut state = self.lock();
        state.taken -= 1;
        // Those who hold watermarks back may let go, and the enumerator may have another answer for those that wait.
        state.wake();
    }

    /// True if no watermark may pass.
    pub(super) fn holds(&self) -> bool {
        self.holding != Holding::Never && self.holds_in(&self.lock())
    }

    fn holds_in(&self, state: &PoolState<S>) -> bool {
        let more = !state.discovered || (self.holding == Holding::Complete && !state.complete);
        self.holding != Holding::Never && (more || !state.waiting.is_empty() || state.taken > 0)
    }

    /// True if there is nothing to look for: the checkpoint says so.
    pub(super) fn is_complete(&self) -> bool {
        self.lock().complete
    }

    /// The enumerator, to look for splits with; [`Pool::add`] gives it back.
    pub(super) fn lend(&self) -> S::Enumerator {
        self.lock().enumerator.take().expect("only discovery takes the enumerator, and puts it back")
    }

    /// What watermarks and idleness depend on: whether none may pass, and whether the first discovery is done.
    pub(super) fn known(&self) -> Known {
        let state = self.lock();
        Known { holds: self.holds_in(&state), discovered: state.discovered }
    }

    /// Whether [`Pool::take`] might answer anything but "later".
    pub(super) fn may_give(&self) -> bool {
        let state = self.lock();
        state.complete || !state.waiting.is_empty()
    }

    /// Ready with the present state when the pool is no longer in the one that was seen. One waits for each number.
    pub(super) fn poll_changed(&self, cx: &mut Context<'_>, subtask: usize, seen: u64) -> Poll<u64> {
        let mut state = self.lock();
        if state.changes != seen {
            return Poll::Ready(state.changes);
        }
        // By subtask: one that looks up for its timers waits again, and must not wait twice.
        state.wakers.insert(subtask, cx.waker().clone());
        Poll::Pending
    }
}

impl<S: Source> PoolState<S> {
    fn rest(&self) -> AtBarrier<S> {
        let found = (copy(&self.found), self.complete);
        AtBarrier { splits: self.waiting.iter().cloned().collect(), found: Some(found) }
    }

    fn wake(&mut self) {
        self.changes += 1;
        std::mem::take(&mut self.wakers).into_values().for_each(Waker::wake);
    }
}

/// A copy of a record: records need not be `Clone`.
fn copy<T: Record>(record: &T) -> T {
    T::from_view(record.view())
}
