//! [`Kept`]: what a window operator keeps of open windows, and when they are closed.

use std::{collections::VecDeque, ops::Range};

use millstream_core::{
    aggregate::Aggregate,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{
    row::ByKey,
    snapshot::Namespace,
    table::{Drain, Table},
};

use super::{assigner::Assigner, running::Running, slices::Slices, tree::Tree};
use crate::{
    checkpoint::{
        keyed::{Snapshots, Walk, restore_block, step},
        subtask::Upload,
    },
    failure::Failure,
    task::head::Background,
};

/// So many slices that have been closed are told the next snapshot one by one; if there are more, it is a full one.
const DROPPED_LIMIT: usize = 16 << 10;

/// The accumulators of a slice.
pub(super) type Accumulators<K, V> = Table<ByKey<K>, V>;

/// How far windows have been closed, and how long they are kept beyond.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closed {
    /// Windows whose last moment is at or before this have fired, or are about to. By the wall clock nothing is late, and this stays at the beginning of time.
    pub(super) at: Timestamp,
    pub(super) lateness_ms: i64,
}

impl Closed {
    /// What [`Assigner::window_after`] is asked with for windows that may still get records: their last moment is behind `at` and the lateness.
    pub(super) fn kept(self) -> Timestamp {
        behind(self.at, self.lateness_ms)
    }
}

/// What [`Assigner::window_after`] is asked with for windows whose last moment and so much time have not come by `at`.
pub(super) fn behind(at: Timestamp, lateness_ms: i64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_sub(lateness_ms).saturating_add(1))
}

/// Where a record belongs whose slice is not open.
pub(super) enum Place {
    /// Into the slice, which is open now.
    Open,
    /// Into windows all of which are over.
    Late,
    /// Into no window.
    None,
}

/// A table that is dropped row by row: so none is too much for a step.
pub(super) struct Closing<K: Key, V: Record> {
    /// The slice it is of; a node of the tree is of none.
    pub(super) slice: Option<Window>,
    pub(super) rows: Drain<ByKey<K>, V>,
}

/// The state of a window operator. All of it can be made from the slices, which is what snapshots have.
pub(super) struct Kept<K: Key, V: Record> {
    pub(super) slices: Slices<Accumulators<K, V>>,
    pub(super) running: Running<K, V>,
    pub(super) tree: Tree<K, V>,
    pub(super) closing: VecDeque<Closing<K, V>>,
    pub(super) snapshots: Snapshots<ByKey<K>, V>,
    /// The slices that have been closed since the last snapshot.
    dropped: Vec<Namespace>,
    tracked: bool,
    pub(super) closed: Closed,
}

impl<K: Key, V: Record> Kept<K, V> {
    pub(super) fn new(snapshots: Snapshots<ByKey<K>, V>, tracked: bool, closed: Closed) -> Self {
        Self {
            slices: Slices::default(),
            running: Running::new(snapshots.blank()),
            tree: Tree::default(),
            closing: VecDeque::new(),
            snapshots,
            dropped: Vec::new(),
            tracked,
            closed,
        }
    }

    /// Opens the slice of a record or a partial result, if there is a window for it.
    #[cold]
    pub(super) fn open<W: Assigner>(&mut self, windows: &W, slice: Window, at: Timestamp) -> Place {
        let kept = self.closed.kept();
        match windows.window_after(slice, Timestamp::MIN) {
            Some(first) if windows.window_after(slice, kept).is_some() => {
                let blank = self.snapshots.blank();
                self.slices.open(slice, first.max_timestamp(), || blank.table());
                self.closing.extend(self.tree.forget_from(self.slices.last_number()).map(dropped));
                Place::Open
            }
            Some(_) => Place::Late,
            None if at < kept => Place::Late,
            None => Place::None,
        }
    }

    /// Closes the first slices, as many as are part of nothing else and in no window that ends behind `fired`, or that late records may still change when all
    /// windows until then have fired.
    pub(super) fn close_behind<W: Assigner>(&mut self, windows: &W, fired: Timestamp, until: Timestamp) {
        let after = fired.min(behind(until, self.closed.lateness_ms));
        let Self { slices, closing, dropped, tracked, tree, .. } = self;
        let is_over =
            |slice: &super::slices::Slice<_>| !slice.entered && windows.window_after(slice.window, after).is_none();
        let over = slices.as_slice().iter().take_while(|slice| is_over(slice)).count();
        if over == 0 {
            return;
        }
        for slice in slices.close(over) {
            if *tracked {
                dropped.push(Namespace(Some(slice.window)));
            }
            closing.push_back(Closing { slice: Some(slice.window), rows: slice.table.drain() });
        }
        closing.extend(tree.forget_before(slices.first_number()).map(self::dropped));
        if self.dropped.len() > DROPPED_LIMIT {
            self.dropped.clear();
            self.snapshots.start_over();
        }
    }

    /// What a table that has been given away still had for a snapshot that is being copied.
    pub(super) fn finish(&mut self, closing: Closing<K, V>) {
        let Some(slice) = closing.slice else { return };
        match closing.rows.finish() {
            Ok(frozen) => frozen.into_iter().for_each(|range| self.snapshots.offer(Namespace(Some(slice)), range)),
            Err(_) => self.snapshots.give_up(), // a row is too large, which cannot be seen before
        }
    }

    /// The slices that are to be taken away from the table that runs along, since they are in no further window; `None` if there are none. Where
    /// nothing stays, or nothing can be taken away, it begins anew.
    pub(super) fn leaving<T: Record, A: Aggregate<T, Acc = V>>(
        &mut self,
        is_over: impl Fn(Window) -> bool,
    ) -> Option<Range<usize>> {
        let open = self.slices.as_slice();
        let leave = open.iter().take_while(|slice| is_over(slice.window)).count();
        let leaves = open[..leave].iter().any(|slice| slice.entered);
        let stays = open[leave..].iter().any(|slice| slice.entered);
        match (leaves, stays && A::SUBTRACTS) {
            (false, _) => None,
            (true, true) => Some(0..leave),
            (true, false) => {
                self.running.clear(&mut self.slices);
                None
            }
        }
    }

    /// Freezes all slices.
    ///
    /// # Errors
    ///
    /// If the snapshot before is still being written.
    pub(super) fn freeze(&mut self) -> Result<Upload, Failure> {
        let (mut changed, mut all) = (0.0, 0.0);
        for slice in self.slices.as_slice() {
            let rows = slice.table.len() as f64;
            (changed, all) = (changed + slice.table.dirty_share() * rows, all + rows);
        }
        let kind = self.snapshots.kind(changed / f64::max(all, 1.0))?;
        self.slices.iter_mut().for_each(|slice| slice.table.freeze(kind));
        Ok(self.snapshots.begin(kind, std::mem::take(&mut self.dropped)))
    }

    /// A step of copying the rows of a snapshot.
    pub(super) fn walk(&mut self) -> Background {
        if !self.snapshots.is_copying() {
            if self.snapshots.take_given_up() {
                self.slices.iter_mut().for_each(|slice| slice.table.abandon());
            }
            return Background::Done;
        }
        // The snapshot has its slices in order, and what has closed comes before what is open.
        if !self.closing.is_empty() || !self.snapshots.has_room() {
            return Background::Later;
        }
        let Some(slice) = self.slices.iter_mut().find(|slice| slice.table.is_frozen()) else {
            self.snapshots.end();
            return Background::Later;
        };
        match step(&mut self.snapshots, &mut slice.table, Namespace(Some(slice.window))) {
            Walk::More | Walk::Done => {}
            Walk::Failed => self.snapshots.give_up(),
        }
        Background::More
    }

    /// Reads the rows back that the checkpoint has which the job goes on from.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub(super) async fn restore<W: Assigner>(&mut self, windows: W) -> Result<(), Failure> {
        let Self { slices, snapshots, .. } = self;
        let blank = snapshots.blank();
        let restored = snapshots.restore(move |block| {
            let Namespace(Some(window)) = block.namespace() else { return };
            let slice = match slices.get(window) {
                Some(slice) => slice,
                None => {
                    let first = windows.window_after(window, Timestamp::MIN).unwrap_or(window);
                    slices.open(window, first.max_timestamp(), || blank.table())
                }
            };
            restore_block(&mut slice.table, block);
        });
        restored.await
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size_bytes(&mut self) -> usize {
        let slices = self.slices.as_slice().iter().map(|slice| slice.table.size_bytes()).sum::<usize>();
        slices + self.running.size_bytes() + self.tree.size_bytes()
    }
}

/// A node of the tree that is not needed any more.
fn dropped<K: Key, V: Record>(node: Accumulators<K, V>) -> Closing<K, V> {
    Closing { slice: None, rows: node.drain() }
}
