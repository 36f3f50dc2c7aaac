//! How windows fire: in bounded steps, earliest end first, and at a cost in proportion to what they put out.
//!
//! Results are read
//!
//! - from the slice, where a window is one;
//! - from the table that runs along with the windows, where it is several and what leaves can be taken away again;
//! - otherwise from a node of a tree of slices, or from what several of them come to.
//!
//! A barrier may come in between any two results: then the state says for which keys a window has fired (`progress.rs`).

use std::ops::{ControlFlow, Range};

use millstream_core::{
    aggregate::Aggregate,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{
    groups::GroupRange,
    table::{Cursor, Shown},
};

use super::{
    assigner::{Assigner, Layout},
    head::WindowHead,
    kept::{Kept, behind},
    progress::{Fired, Progress as FiredBy},
    stored::SliceTable,
    tree::{Node, cover},
};
use crate::{
    failure::Failure,
    operator::{KeyFn, Push},
    task::{contain::Guard, head::Progress},
};

/// How many rows are pushed or merged before the task looks around.
const FIRE_RECORDS_LIMIT: usize = 1024;

/// The windows that are to fire.
pub(super) struct Due<K> {
    /// Those whose last moment is at or before this.
    until: Timestamp,
    /// All that end at or before this have.
    fired: Timestamp,
    /// Where the last one began.
    last_start: Timestamp,
    /// The one that is firing.
    firing: Option<Firing>,
    /// What had been put out before the checkpoint that the job goes on from.
    before: Fired<K>,
}

impl<K: Key> Due<K> {
    /// Windows whose last moment is at or before `closed` have fired, or are to; `progress` is what the subtasks of the checkpoint said of that.
    pub(super) fn new(closed: Timestamp, progress: Vec<FiredBy<K>>, groups: GroupRange) -> Self {
        let all = behind(closed, 0);
        let before = Fired::new(progress, all, groups);
        Self { until: closed, fired: before.for_all(all), last_start: Timestamp::MIN, firing: None, before }
    }

    /// All windows that end at or before this have fired.
    pub(super) fn fired(&self) -> Timestamp {
        self.fired
    }

    /// The first moment that is in no window which has fired or is to.
    pub(super) fn after(&self) -> Timestamp {
        behind(self.until, 0)
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
    /// These nodes of the tree are made, and brought together if there are several.
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
    /// This node of the tree.
    Node(Node),
    /// What several nodes come to.
    Whole,
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

    /// True if a window is firing or about to, so that its slices must stay as they are.
    pub(super) fn is_firing(&self) -> bool {
        self.due.firing.is_some() || self.due.fired < self.due.after()
    }

    /// How far windows have fired, as a checkpoint has it.
    pub(super) fn progress(&self) -> Vec<FiredBy<K::Key>> {
        let Due { fired, firing, before, .. } = &self.due;
        let (end, shown) = match firing {
            Some(Firing { window, phase: Phase::Emit(results), cursor }) => {
                let shown = match results {
                    Results::Running => self.kept.running.shown(cursor),
                    _ => self.kept.table(results).map(|table| table.shown(cursor)).unwrap_or_default(),
                };
                (window.end, shown)
            }
            _ => (*fired, (Shown::default(), Vec::new())),
        };
        before.and(FiredBy::new(self.kept.stored.snapshots.groups(), *fired, end, shown))
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
        self.forward.release().for_each(|signal| self.pass_on(signal));
        Ok(None)
    }

    /// Drops rows that are not wanted any more.
    fn close(&mut self) -> Option<Progress> {
        let Kept { running, stored, closing, .. } = &mut self.kept;
        let all = running.drop_gone(FIRE_RECORDS_LIMIT) && stored.drop_closed(closing, FIRE_RECORDS_LIMIT);
        (!all).then_some(Progress::MoreWork)
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
                tree.grow(nodes, FIRE_RECORDS_LIMIT, aggregate, || blank.untracked(), slice).then(|| match nodes[..] {
                    [node] => Phase::Emit(Results::Node(node)),
                    _ => Phase::Emit(Results::Whole),
                })
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
                        kept.drop_whole();
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

impl<K: Key, V: Record> Kept<K, V> {
    /// The table that has these results, if it is none that runs along.
    fn table(&self, results: &Results) -> Option<&SliceTable<K, V>> {
        let (open, first) = (self.stored.slices.as_slice(), self.stored.slices.first_number());
        let slice = |number: u64| &open[(number - first) as usize].table;
        match results {
            Results::Slice(at) => Some(&open[*at].table),
            Results::Node(node) => self.tree.get(*node, slice),
            Results::Whole => self.tree.whole(),
            Results::Running => None,
        }
    }
}

/// Puts results of a window out, a bounded number; goes on if they were the last.
fn emit<T: Record, K: Key, A: Aggregate<T>, N: Push<(K, Window, A::Out)>>(
    kept: &Kept<K, A::Acc>,
    aggregate: &A,
    window: Window,
    before: Option<&Fired<K>>,
    results: &Results,
    cursor: &mut Cursor,
    next: &mut N,
) -> ControlFlow<Progress> {
    let mut left = FIRE_RECORDS_LIMIT;
    let mut is_full = false;
    let push = |key: &K, row: &A::Acc| {
        left -= 1;
        if before.is_none_or(|before| !before.had(window, K::hash(key.view()), key.view())) {
            let out = aggregate.finish(row);
            next.push((key.view(), window, out.view()), window.max_timestamp());
            is_full = next.is_full();
        }
        is_full || left == 0
    };
    let more = match results {
        Results::Running => kept.running.scan(cursor, push),
        _ => kept.table(results).is_some_and(|table| table.scan(cursor, push)),
    };
    match (more, is_full) {
        (false, _) => ControlFlow::Continue(()),
        (true, true) => ControlFlow::Break(Progress::NeedsOutput),
        (true, false) => ControlFlow::Break(Progress::MoreWork),
    }
}
