//! How windows fire: in bounded steps, earliest end first, and at a cost in proportion to what they put out.
//!
//! Results are read
//!
//! - from the slice, where a window is one;
//! - from the table that runs along with the windows, where it is several and what leaves can be taken away again;
//! - otherwise from the nodes of a tree of slices.
//!
//! A barrier may come in between: then the state says for which keys a window has fired (`progress.rs`). So it waits until the results of a shard have been put out; only those of a
//! tree, which are in no such order, are not interrupted.

use std::ops::{ControlFlow, Range};

use millstream_core::{
    aggregate::Aggregate,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{groups::GroupRange, table::Cursor};

use super::{
    assigner::{Assigner, Layout},
    head::WindowHead,
    kept::{Kept, behind},
    progress::{Fired, Progress as FiredBy},
    tree::{Node, cover},
};
use crate::{
    failure::Failure,
    operator::{KeyFn, Push, Signal},
    task::{contain::Guard, head::Progress},
};

/// How many rows are pushed or merged before the task looks around.
const FIRE_RECORDS_LIMIT: usize = 1024;

/// The windows that are to fire.
pub(super) struct Due {
    /// Those whose last moment is at or before this.
    until: Timestamp,
    /// All that end at or before this have.
    fired: Timestamp,
    /// Where the last one began.
    last_start: Timestamp,
    /// The one that is firing.
    firing: Option<Firing>,
    /// What had been put out before the checkpoint that the job goes on from.
    before: Fired,
}

impl Due {
    /// Windows whose last moment is at or before `closed` have fired, or are to; `progress` is what the subtasks of the checkpoint said of that.
    pub(super) fn new(closed: Timestamp, progress: Vec<FiredBy>, groups: GroupRange) -> Self {
        let all = behind(closed, 0);
        let before = Fired::new(progress, all, groups);
        Self { until: closed, fired: before.for_all(all), last_start: Timestamp::MIN, firing: None, before }
    }

    /// All windows that end at or before this have fired.
    pub(super) fn fired(&self) -> Timestamp {
        self.fired
    }
}

/// A window that is firing.
struct Firing {
    window: Window,
    phase: Phase,
    /// How far the phase has come in the table where it is.
    cursor: Cursor,
}

/// What is done of it. Slices are given by their places, which do not change meanwhile.
enum Phase {
    /// These slices are added to the table that runs along.
    Enter(Range<usize>),
    /// These nodes of the tree are made.
    Grow(Vec<Node>),
    /// Results are put out.
    Emit(Results),
    /// These slices, which are in no further window, are taken away from the table that runs along.
    Leave(Range<usize>),
}

/// What results are read from.
enum Results {
    /// This slice.
    Slice(usize),
    /// The table that runs along.
    Running,
    /// These nodes, from this one on.
    Tree(Vec<Node>, usize),
}

impl<T, K, W, A, N> WindowHead<T, K, W, A, N>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
    N: Push<(K::Key, Window, A::Out)>,
{
    /// True if several slices are brought together by a table that runs along.
    const RUNS: bool = W::Layout::GROWS || (W::Layout::OVERLAPS && A::SUBTRACTS);

    /// Lets all windows fire whose last moment is at or before `until`, in the steps that follow.
    pub(super) fn fire_until(&mut self, until: Timestamp) {
        self.due.until = self.due.until.max(until);
    }

    /// True if a window is firing, so that its slices must stay as they are.
    pub(super) fn is_firing(&self) -> bool {
        self.due.firing.is_some()
    }

    /// True if it can be said of a firing window how far it has come.
    pub(super) fn may_be_interrupted(&self) -> bool {
        match &self.due.firing {
            Some(Firing { phase: Phase::Emit(results), cursor, .. }) => {
                !matches!(results, Results::Tree(..)) && cursor.is_between_shards()
            }
            _ => true,
        }
    }

    /// How far windows have fired, as a checkpoint has it.
    pub(super) fn progress(&self) -> FiredBy {
        let Due { fired, firing, .. } = &self.due;
        let groups = self.kept.stored.snapshots.groups();
        let (end, below) = match firing {
            Some(Firing { window, phase: Phase::Emit(results), cursor }) => {
                let below = match results {
                    Results::Slice(at) => self.kept.stored.slices.as_slice()[*at].table.shown_below(cursor),
                    Results::Running => self.kept.running.shown_below(cursor),
                    Results::Tree(..) => 0,
                };
                (window.end, below)
            }
            _ => (*fired, 0),
        };
        (groups.start, groups.end, *fired, end, below)
    }

    /// Takes a step of what is due; once nothing is, passes the watermark on.
    pub(super) fn fire(&mut self) -> Result<Option<Progress>, Failure> {
        loop {
            if let Some(progress) = self.close() {
                return Ok(Some(progress));
            }
            match self.due.firing.take() {
                Some(firing) => {
                    if let ControlFlow::Break(progress) = self.step(firing) {
                        return Ok(Some(progress));
                    }
                }
                None if self.begin()? => {}
                None => break,
            }
        }
        if let Some(watermark) = self.forward.take() {
            self.pass_on(Signal::Watermark(watermark));
        }
        Ok(None)
    }

    /// Drops rows that are not wanted any more.
    fn close(&mut self) -> Option<Progress> {
        let mut left = FIRE_RECORDS_LIMIT;
        if !self.kept.running.drop_gone(left) {
            return Some(Progress::MoreWork);
        }
        while let Some(closing) = self.kept.closing.front_mut() {
            while closing.rows.next().is_some() {
                left -= 1;
                if left == 0 {
                    return Some(Progress::MoreWork);
                }
            }
            if let Some(closing) = self.kept.closing.pop_front() {
                self.kept.stored.finish(closing);
            }
        }
        None
    }

    /// Begins with the next window that is due, or closes what is over; false if there is nothing to do.
    fn begin(&mut self) -> Result<bool, Failure> {
        let Self { kept, windows, due, info, .. } = self;
        let mut nexts =
            kept.stored.slices.as_slice().iter().filter_map(|slice| windows.window_after(slice.window, due.fired));
        let Some(window) = nexts.next().filter(|window| window.max_timestamp() <= due.until) else {
            due.fired = due.fired.max(behind(due.until, 0));
            kept.close_behind(windows, due.fired, due.until);
            return Ok(!kept.closing.is_empty());
        };
        if window.end <= due.fired || window.start < due.last_start {
            let message = format!(
                "windows that are not in order: {window} comes where one should end behind {}, and not begin before {}",
                due.fired, due.last_start
            );
            let hint = "of two windows the one that ends later must not begin earlier: see `Assigner::window_after`";
            return Err(Failure::new(message).with_hint(hint).at_operator(&info.name, Some(info.location)));
        }
        due.last_start = window.start;
        let within = kept.stored.slices.within(window);
        let phase = if Self::RUNS {
            Phase::Enter(within)
        } else if W::Layout::OVERLAPS {
            let first = kept.stored.slices.first_number();
            Phase::Grow(cover(first + within.start as u64..first + within.end as u64))
        } else {
            Phase::Emit(Results::Slice(within.start))
        };
        due.firing = Some(Firing { window, phase, cursor: Cursor::default() });
        Ok(true)
    }

    /// Takes a step of a window, and goes on if it was the last.
    fn step(&mut self, mut firing: Firing) -> ControlFlow<Progress> {
        let Self { kept, windows, aggregate, due, info, .. } = self;
        let Kept { stored, running, tree, .. } = kept;
        let slices = &mut stored.slices;
        let guard = Guard::new(info);
        let mut progress = Progress::MoreWork;
        let next = match &mut firing.phase {
            Phase::Enter(range) => running
                .enter(aggregate, slices, range, &mut firing.cursor, FIRE_RECORDS_LIMIT)
                .then_some(Phase::Emit(Results::Running)),
            Phase::Grow(nodes) => {
                let (open, first) = (slices.as_slice(), slices.first_number());
                let slice = |number: u64| &open[(number - first) as usize].table;
                let blank = stored.snapshots.blank();
                tree.grow(nodes, FIRE_RECORDS_LIMIT, aggregate, || blank.untracked(), slice)
                    .then(|| Phase::Emit(Results::Tree(std::mem::take(nodes), 0)))
            }
            Phase::Leave(range) => {
                if running.leave(aggregate, slices, range, &mut firing.cursor, FIRE_RECORDS_LIMIT) {
                    guard.done();
                    kept.close_behind(windows, due.fired, due.until);
                    return ControlFlow::Continue(());
                }
                None
            }
            Phase::Emit(results) => {
                let before = due.before.knows(firing.window).then_some(&due.before);
                let emitted = emit(kept, aggregate, firing.window, before, results, &mut firing.cursor, &mut self.next);
                match emitted {
                    ControlFlow::Break(full) => {
                        progress = full;
                        None
                    }
                    ControlFlow::Continue(()) => {
                        due.fired = firing.window.end;
                        let is_over = |slice: Window| windows.window_after(slice, firing.window.end).is_none();
                        match Self::RUNS.then(|| kept.leaving::<T, A>(is_over)).flatten() {
                            Some(leaving) => Some(Phase::Leave(leaving)),
                            None => {
                                guard.done();
                                kept.close_behind(windows, due.fired, due.until);
                                return ControlFlow::Continue(());
                            }
                        }
                    }
                }
            }
        };
        guard.done();
        if let Some(phase) = next {
            (firing.phase, firing.cursor) = (phase, Cursor::default());
        }
        due.firing = Some(firing);
        ControlFlow::Break(progress)
    }
}

/// Puts results of a window out, a bounded number; goes on if they were the last.
fn emit<T: Record, K: Key, A: Aggregate<T>, N: Push<(K, Window, A::Out)>>(
    kept: &Kept<K, A::Acc>,
    aggregate: &A,
    window: Window,
    before: Option<&Fired>,
    results: &mut Results,
    cursor: &mut Cursor,
    next: &mut N,
) -> ControlFlow<Progress> {
    let Kept { stored, running, tree, .. } = kept;
    let slices = &stored.slices;
    let mut left = FIRE_RECORDS_LIMIT;
    let mut is_full = false;
    let mut push = |key: &K, row: &A::Acc| {
        left -= 1;
        if before.is_none_or(|before| !before.had(window, K::hash(key.view()))) {
            let out = aggregate.finish(row);
            next.push((key.view(), window, out.view()), window.max_timestamp());
            is_full = next.is_full();
        }
        is_full || left == 0
    };
    let more = match results {
        Results::Slice(at) => slices.as_slice()[*at].table.scan(cursor, push),
        Results::Running => running.scan(cursor, push),
        Results::Tree(nodes, at) => {
            let (open, first) = (slices.as_slice(), slices.first_number());
            let slice = |number: u64| &open[(number - first) as usize].table;
            let table = |node: &Node| tree.get(*node, slice).expect("all nodes of the cover are made");
            let (mut more, mut passed) = (false, 0);
            while !more && *at < nodes.len() {
                let (before, behind) = (&nodes[..*at], &nodes[*at + 1..]);
                more = table(&nodes[*at]).scan(cursor, |key, row| {
                    let hash = K::hash(key.view());
                    if before.iter().any(|node| table(node).get(hash, key.view()).is_some()) {
                        passed += 1;
                        return passed == FIRE_RECORDS_LIMIT;
                    }
                    let mut all = A::Acc::from_view(row.view());
                    for row in behind.iter().filter_map(|node| table(node).get(hash, key.view())) {
                        aggregate.merge(&mut all, row.view());
                    }
                    push(key, &all)
                });
                if !more {
                    (*at, *cursor) = (*at + 1, Cursor::default());
                }
            }
            more
        }
    };
    match (more, is_full) {
        (false, _) => ControlFlow::Continue(()),
        (true, true) => ControlFlow::Break(Progress::NeedsOutput),
        (true, false) => ControlFlow::Break(Progress::MoreWork),
    }
}
