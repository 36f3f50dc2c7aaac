//! [`StoredSlices`]: open slices together with their snapshots, whatever is kept of a key.

use std::collections::VecDeque;

use millstream_core::{
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{
    row::ByKey,
    snapshot::Namespace,
    table::{Drain, Table},
};

use super::slices::Slices;
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

/// What a slice has of each key.
pub(crate) type SliceTable<K, V> = Table<ByKey<K>, V>;

/// A table that is given away row by row: so none is too much for a step.
pub(crate) struct Closing<K: Key, V: Record> {
    /// The slice that it is of; `None` if no snapshot knows it.
    pub(crate) slice: Option<Window>,
    pub(crate) rows: Drain<ByKey<K>, V>,
}

/// Open slices and their snapshots.
pub(crate) struct StoredSlices<K: Key, V: Record> {
    pub(crate) slices: Slices<SliceTable<K, V>>,
    pub(crate) snapshots: Snapshots<ByKey<K>, V>,
    /// The slices that have been closed since the last snapshot.
    dropped: Vec<Namespace>,
    tracked: bool,
}

impl<K: Key, V: Record> StoredSlices<K, V> {
    /// Without slices; those of the checkpoint that the job goes on from are read back later. `tracked` says whether there will be snapshots.
    pub(crate) fn new(snapshots: Snapshots<ByKey<K>, V>, tracked: bool) -> Self {
        Self { slices: Slices::default(), snapshots, dropped: Vec::new(), tracked }
    }

    /// Opens a slice that is not open, of which the first window ends with `first_max`.
    pub(crate) fn open(&mut self, slice: Window, first_max: Timestamp) -> &mut SliceTable<K, V> {
        let blank = self.snapshots.blank();
        &mut self.slices.open(slice, first_max, || blank.table()).table
    }

    /// Closes so many slices, earliest first, and gives their tables away behind `closing`.
    pub(crate) fn close(&mut self, count: usize, closing: &mut VecDeque<Closing<K, V>>) {
        for slice in self.slices.close(count) {
            if self.tracked {
                self.dropped.push(Namespace(Some(slice.window)));
            }
            closing.push_back(Closing { slice: Some(slice.window), rows: slice.table.drain() });
        }
        if self.dropped.len() > DROPPED_LIMIT {
            self.dropped.clear();
            self.snapshots.start_over();
        }
    }

    /// Drops rows of tables that have been given away, fewer than `left`; true once nothing is left of them.
    pub(crate) fn drop_closed(&mut self, closing: &mut VecDeque<Closing<K, V>>, mut left: usize) -> bool {
        while let Some(first) = closing.front_mut() {
            while first.rows.next().is_some() {
                left -= 1;
                if left == 0 {
                    return false;
                }
            }
            if let Some(first) = closing.pop_front() {
                self.finish(first);
            }
        }
        true
    }

    /// Hands over what a table that has been given away still had for a snapshot that is being copied.
    fn finish(&mut self, Closing { slice, rows }: Closing<K, V>) {
        let Some(slice) = slice else { return };
        match rows.finish() {
            Ok(frozen) => frozen.into_iter().for_each(|range| self.snapshots.offer(Namespace(Some(slice)), range)),
            Err(_) => self.snapshots.give_up(), // a row is too large, which cannot be seen before
        }
    }

    /// Freezes all slices.
    ///
    /// # Errors
    ///
    /// If the snapshot before is still being written.
    pub(crate) fn freeze(&mut self) -> Result<Upload, Failure> {
        let (mut changed, mut all) = (0.0, 0.0);
        for slice in self.slices.as_slice() {
            let rows = slice.table.len() as f64;
            (changed, all) = (changed + slice.table.dirty_share() * rows, all + rows);
        }
        let kind = self.snapshots.kind(changed / f64::max(all, 1.0))?;
        self.slices.iter_mut().for_each(|slice| slice.table.freeze(kind));
        Ok(self.snapshots.begin(kind, std::mem::take(&mut self.dropped)))
    }

    /// A step of copying the rows of a snapshot. It has its slices in order, so what has been closed, and is not finished, comes before what is open.
    pub(crate) fn walk(&mut self, is_closing: bool) -> Background {
        if !self.snapshots.is_copying() {
            if self.snapshots.take_given_up() {
                self.slices.iter_mut().for_each(|slice| slice.table.abandon());
            }
            return Background::Done;
        }
        if is_closing || !self.snapshots.has_room() {
            return Background::Later;
        }
        let Some(slice) = self.slices.iter_mut().find(|slice| slice.table.is_frozen()) else {
            self.snapshots.end();
            return Background::Later;
        };
        match step(&mut self.snapshots, &mut slice.table, Namespace(Some(slice.window))) {
            Walk::More | Walk::Done => {}
            Walk::Later => return Background::Later,
            Walk::Failed => self.snapshots.give_up(),
        }
        Background::More
    }

    /// Reads the rows back that the checkpoint has which the job goes on from. `first_max` says where the first window of a slice ends.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub(crate) async fn restore(&mut self, first_max: impl Fn(Window) -> Timestamp) -> Result<(), Failure> {
        let Self { slices, snapshots, .. } = self;
        let blank = snapshots.blank();
        let restored = snapshots.restore(move |block| {
            let Namespace(Some(window)) = block.namespace() else { return };
            let slice = match slices.get(window) {
                Some(slice) => slice,
                None => slices.open(window, first_max(window), || blank.table()),
            };
            restore_block(&mut slice.table, block);
        });
        restored.await
    }

    /// What the tables take in memory, in bytes.
    pub(crate) fn size_bytes(&self) -> usize {
        self.slices.as_slice().iter().map(|slice| slice.table.size_bytes()).sum()
    }
}
