//! [`Kept`]: what a window operator keeps of open windows, and when they are closed.

use std::{collections::VecDeque, ops::Range};

use millstream_core::{
    aggregate::Aggregate,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::row::ByKey;

use super::{
    assigner::Assigner,
    running::Running,
    slices::Slice,
    stored::{Closing, SliceTable, StoredSlices},
    tree::Tree,
};
use crate::{checkpoint::keyed::Snapshots, failure::Failure};

/// How far windows have been closed, and how long they are kept beyond.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed {
    /// Windows whose last moment is at or before this have fired, or are about to. By the wall clock nothing is late, and this stays at the beginning of time.
    pub(crate) at: Timestamp,
    pub(crate) lateness_ms: i64,
}

impl Closed {
    /// What [`Assigner::window_after`] is asked with for windows that may still get records: their last moment is behind `at` and the lateness.
    pub(crate) fn kept(self) -> Timestamp {
        behind(self.at, self.lateness_ms)
    }
}

/// What [`Assigner::window_after`] is asked with for windows whose last moment and so much time have not come by `at`.
pub(crate) fn behind(at: Timestamp, lateness_ms: i64) -> Timestamp {
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

/// The state of a window operator. All of it can be made from the slices, which is what snapshots have.
pub(super) struct Kept<K: Key, V: Record> {
    pub(super) stored: StoredSlices<K, V>,
    pub(super) running: Running<K, V>,
    pub(super) tree: Tree<K, V>,
    pub(super) closing: VecDeque<Closing<K, V>>,
    pub(super) closed: Closed,
}

impl<K: Key, V: Record> Kept<K, V> {
    pub(super) fn new(snapshots: Snapshots<ByKey<K>, V>, tracked: bool, closed: Closed) -> Self {
        Self {
            running: Running::new(snapshots.blank()),
            stored: StoredSlices::new(snapshots, tracked),
            tree: Tree::default(),
            closing: VecDeque::new(),
            closed,
        }
    }

    /// Opens the slice of a record or a partial result, if there is a window for it.
    #[cold]
    pub(super) fn open<W: Assigner>(&mut self, windows: &W, slice: Window, at: Timestamp) -> Place {
        let kept = self.closed.kept();
        match windows.window_after(slice, Timestamp::MIN) {
            Some(first) if windows.window_after(slice, kept).is_some() => {
                self.stored.open(slice, first.max_timestamp());
                self.closing.extend(self.tree.forget_from(self.stored.slices.last_number()).map(dropped));
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
        let Self { stored, closing, tree, .. } = self;
        let is_over = |slice: &Slice<_>| !slice.entered && windows.window_after(slice.window, after).is_none();
        let over = stored.slices.as_slice().iter().take_while(|slice| is_over(slice)).count();
        if over > 0 {
            stored.close(over, closing);
            closing.extend(tree.forget_before(stored.slices.first_number()).map(dropped));
        }
    }

    /// Drops what nodes of the tree came to together.
    pub(super) fn drop_whole(&mut self) {
        self.closing.extend(self.tree.take_whole().map(dropped));
    }

    /// The slices that are to be taken away from the table that runs along, since they are in no further window; `None` if there are none. Where
    /// nothing stays, or nothing can be taken away, it begins anew.
    pub(super) fn leaving<T: Record, A: Aggregate<T, Acc = V>>(
        &mut self,
        is_over: impl Fn(Window) -> bool,
    ) -> Option<Range<usize>> {
        let open = self.stored.slices.as_slice();
        let leave = open.iter().take_while(|slice| is_over(slice.window)).count();
        let leaves = open[..leave].iter().any(|slice| slice.entered);
        let stays = open[leave..].iter().any(|slice| slice.entered);
        match (leaves, stays && A::SUBTRACTS) {
            (false, _) => None,
            (true, true) => Some(0..leave),
            (true, false) => {
                self.running.clear(&mut self.stored.slices);
                None
            }
        }
    }

    /// Reads the rows back that the checkpoint has which the job goes on from.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub(super) async fn restore<W: Assigner>(&mut self, windows: W) -> Result<(), Failure> {
        let first = move |slice| windows.window_after(slice, Timestamp::MIN).unwrap_or(slice).max_timestamp();
        self.stored.restore(first).await
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size_bytes(&mut self) -> usize {
        self.stored.size_bytes() + self.running.size_bytes() + self.tree.size_bytes()
    }
}

/// A node of the tree that is not needed any more.
fn dropped<K: Key, V: Record>(node: SliceTable<K, V>) -> Closing<K, V> {
    Closing { slice: None, rows: node.drain() }
}
