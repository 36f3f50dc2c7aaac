//! How windows fire: in bounded steps, earliest end first, and at a cost in proportion to what they put out.
//!
//! Windows that lie apart and are gone once they have fired give their slice away row by row. All others are read:
//!
//! - one that is a slice, from the slice;
//! - one of several slices, from the table that runs along with the windows, if what leaves can be taken away again;
//! - otherwise from the nodes of a tree of slices.

use std::ops::{ControlFlow, Range};

use millstream_core::{
    aggregate::Aggregate,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::table::Cursor;

use super::{
    assigner::{Assigner, Layout},
    head::WindowHead,
    kept::{Kept, behind},
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
}

impl Due {
    pub(super) fn new(closed: Timestamp) -> Self {
        Self { until: closed, fired: behind(closed, 0), last_start: Timestamp::MIN, firing: None }
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

    /// True if slices stay when a window has fired: others want them, too, or late records may come.
    pub(super) fn stays(&self) -> bool {
        W::Layout::OVERLAPS || self.kept.closed.lateness_ms > 0
    }

    /// Lets all windows fire whose last moment is at or before `until`, in the steps that follow.
    pub(super) fn fire_until(&mut self, until: Timestamp) {
        if self.stays() {
            self.due.until = self.due.until.max(until);
        } else {
            self.kept.fire_until(until);
        }
    }

    /// Takes a step of what is due; once nothing is, passes the watermark on.
    pub(super) fn fire(&mut self) -> Result<Option<Progress>, Failure> {
        loop {
            if let Some(progress) = self.close() {
                return Ok(Some(progress));
            }
            if !self.stays() {
                break;
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

    /// Gives the rows of closed slices away: as results, or to nobody.
    fn close(&mut self) -> Option<Progress> {
        if !self.kept.running.drop_gone(FIRE_RECORDS_LIMIT) {
            return Some(Progress::MoreWork);
        }
        let mut given = 0;
        while let Some(closing) = self.kept.closing.front_mut() {
            for (key, accumulator) in closing.rows.by_ref() {
                if let (true, Some(window)) = (closing.fires, closing.slice) {
                    let guard = Guard::new(&self.info);
                    let out = self.aggregate.finish(&accumulator);
                    guard.done();
                    self.next.push((key.view(), window, out.view()), window.max_timestamp());
                    if self.next.is_full() {
                        return Some(Progress::NeedsOutput);
                    }
                }
                given += 1;
                if given == FIRE_RECORDS_LIMIT {
                    return Some(Progress::MoreWork);
                }
            }
            if let Some(closing) = self.kept.closing.pop_front() {
                self.kept.finish(closing);
            }
        }
        None
    }

    /// Begins with the next window that is due, or closes what is over; false if there is nothing to do.
    fn begin(&mut self) -> Result<bool, Failure> {
        let Self { kept, windows, due, info, .. } = self;
        let mut nexts = kept.slices.as_slice().iter().filter_map(|slice| windows.window_after(slice.window, due.fired));
        let Some(window) = nexts.next().filter(|window| window.max_timestamp() <= due.until) else {
            due.fired = due.fired.max(behind(due.until, 0));
            kept.close_behind(windows, behind(due.until, kept.closed.lateness_ms));
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
        let within = kept.slices.within(window);
        let phase = if Self::RUNS {
            Phase::Enter(within)
        } else if W::Layout::OVERLAPS {
            let first = kept.slices.first_number();
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
        let Kept { slices, running, tree, .. } = kept;
        let guard = Guard::new(info);
        let mut progress = Progress::MoreWork;
        let next = match &mut firing.phase {
            Phase::Enter(range) => running
                .enter(aggregate, slices, range, &mut firing.cursor, FIRE_RECORDS_LIMIT)
                .then_some(Phase::Emit(Results::Running)),
            Phase::Grow(nodes) => {
                let (open, first) = (slices.as_slice(), slices.first_number());
                let slice = |number: u64| &open[(number - first) as usize].table;
                let blank = kept.snapshots.blank();
                tree.grow(nodes, FIRE_RECORDS_LIMIT, aggregate, || blank.untracked(), slice)
                    .then(|| Phase::Emit(Results::Tree(std::mem::take(nodes), 0)))
            }
            Phase::Leave(range) => {
                if running.leave(aggregate, slices, range, &mut firing.cursor, FIRE_RECORDS_LIMIT) {
                    due.fired = firing.window.end;
                    guard.done();
                    return ControlFlow::Continue(());
                }
                None
            }
            Phase::Emit(results) => {
                let emitted = emit(kept, aggregate, firing.window, results, &mut firing.cursor, &mut self.next);
                match emitted {
                    ControlFlow::Break(full) => {
                        progress = full;
                        None
                    }
                    ControlFlow::Continue(()) => {
                        let is_over = |slice: Window| windows.window_after(slice, firing.window.end).is_none();
                        match Self::RUNS.then(|| kept.leaving::<T, A>(is_over)).flatten() {
                            Some(leaving) => Some(Phase::Leave(leaving)),
                            None => {
                                due.fired = firing.window.end;
                                guard.done();
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
    results: &mut Results,
    cursor: &mut Cursor,
    next: &mut N,
) -> ControlFlow<Progress> {
    let Kept { slices, running, tree, .. } = kept;
    let mut left = FIRE_RECORDS_LIMIT;
    let mut is_full = false;
    let mut push = |key: &K, row: &A::Acc| {
        let out = aggregate.finish(row);
        next.push((key.view(), window, out.view()), window.max_timestamp());
        left -= 1;
        is_full = next.is_full();
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
