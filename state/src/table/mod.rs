//! [`Table`]: the rows of one state of one subtask, in memory.
//!
//! Rows lie in *shards*, `hashbrown` tables of a bounded size, each for a range of hashes: so growing never takes long, and the order of shards is that of key
//! groups. Beside each bucket a table that is tracked keeps three bits (`Marks`).
//!
//! A snapshot does not stop the task. [`Table::freeze`] only counts up the table's epoch. A shard takes notice when it is next touched: the rows
//! marked as changed become *pending* (for a full snapshot, all). A pending row is copied out by [`Table::walk`], which goes through the shards in order, some
//! rows at a time, or *early*, before it is written or removed, whichever comes first.

mod copies;
mod directory;
mod drain;
mod growth;
mod hot;
mod leaving;
mod marks;
mod rows;
mod scan;
mod shard;
mod size;
mod snapshot;
#[cfg(test)]
mod tests;

use millstream_core::{buffer::Buffer, record::Record};

use self::{directory::Directory, leaving::Leaving, shard::Shard, snapshot::Freeze};
use crate::{groups::GroupRange, row::RowKey};

pub use self::{
    drain::Drain,
    scan::{Cursor, Shown},
    snapshot::Walked,
};
pub(crate) use self::{
    hot::{Hand, Place},
    marks::Mark,
};

/// Below this many bytes of rows a table is taken to lie in the processor's caches, where prefetching only costs.
const CACHED_BYTES: usize = 512 << 10;
/// How many rows should be prefetched before the first of them is touched: the more the better their misses overlap, but what is loaded must still be in
/// the nearest cache then.
pub const PREFETCH_ROWS: usize = 64;

/// Whether a table can be frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    /// It cannot, and writing costs a little less.
    None,
    /// It can: what changes between snapshots is marked.
    Changes,
}

/// Rows of keys and values. Look-ups take the view of a key and its hash ([`RowKey::hash`]) and never allocate; only a new key does, if owning it does.
///
/// All hashes must be of the table's [`GroupRange`]. A table allocates nothing before its first row.
pub struct Table<R: RowKey, V: Record> {
    range: GroupRange,
    tracking: Tracking,
    directory: Directory,
    shards: Vec<Shard<R, V>>,
    /// Counts what shards are to take notice of.
    epoch: u64,
    /// The epoch since which it is the hot part of a larger table; 0 if it is not.
    spilled: u64,
    /// The running snapshot.
    freeze: Option<Freeze>,
    /// What has been copied for it.
    leaving: Leaving<R, V>,
    /// A snapshot was given up: only a full one can follow.
    lost: bool,
    /// What the tables of rows take.
    row_bytes: usize,
}

impl<R: RowKey, V: Record> Table<R, V> {
    /// A table for rows whose hashes are of these key groups.
    pub fn new(range: GroupRange, tracking: Tracking) -> Self {
        Self {
            range,
            tracking,
            directory: Directory::new(range),
            shards: Vec::new(),
            epoch: 0,
            spilled: 0,
            freeze: None,
            leaving: Leaving::new(),
            lost: false,
            row_bytes: 0,
        }
    }

    /// The key groups of its rows.
    pub fn range(&self) -> GroupRange {
        self.range
    }

    /// How many rows it holds.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.rows.table.len()).sum()
    }

    /// True if it holds no row.
    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.rows.table.is_empty())
    }

    /// True if it can be frozen.
    pub(crate) fn is_tracked(&self) -> bool {
        self.tracking == Tracking::Changes
    }

    /// True if the table is so large that [`Table::prefetch`] pays.
    #[inline(always)]
    pub fn wants_prefetch(&self) -> bool {
        self.row_bytes > CACHED_BYTES
    }

    /// Asks the processor to load the row of a hash, ahead of its look-up: for [`PREFETCH_ROWS`] records at a time.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if let Some(shard) = self.directory.find(hash) {
            self.shards[shard].rows.prefetch(hash);
        }
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&V> {
        self.get_if(hash, |found| R::same(found.view(), key))
    }

    /// The value of the row of this hash whose key it is.
    #[inline(always)]
    pub(crate) fn get_if(&self, hash: u64, is: impl Fn(&R::Key) -> bool) -> Option<&V> {
        let shard = self.directory.find(hash)?;
        self.shards[shard].rows.get(hash, is).map(|(_, value)| value)
    }

    /// The keys of this hash.
    pub(crate) fn keys_of(&self, hash: u64) -> impl Iterator<Item = &R::Key> {
        self.directory.find(hash).into_iter().flat_map(move |shard| self.shards[shard].rows.keys_of(hash))
    }

    /// The value of a key, which counts as written.
    #[inline]
    pub fn get_mut(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&mut V> {
        self.get_mut_if(hash, |found| R::same(found.view(), key))
    }

    /// The value of the row of this hash whose key it is, which counts as written.
    #[inline(always)]
    pub(crate) fn get_mut_if(&mut self, hash: u64, is: impl Fn(&R::Key) -> bool) -> Option<&mut V> {
        let shard = self.entered(hash)?;
        self.shards[shard].get_mut(hash, is, &mut self.leaving)
    }

    /// The value of a key, which counts as written, made by `value` if the key is new.
    #[inline(always)]
    pub fn entry(&mut self, hash: u64, key: <R::Key as Record>::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        self.entry_and_key(hash, key, value).1
    }

    /// The value of a key, which counts as written, made by `value` if the key is new, behind the key as the table owns it.
    #[inline(always)]
    pub fn entry_and_key(
        &mut self,
        hash: u64,
        key: <R::Key as Record>::View<'_>,
        value: impl FnOnce() -> V,
    ) -> (&R::Key, &mut V) {
        self.entry_if(hash, |found| R::same(found.view(), key), || (R::Key::from_view(key), value()))
    }

    /// The row of this hash whose key it is, which counts as written; `row` if there is none.
    #[inline(always)]
    pub(crate) fn entry_if(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
        row: impl FnOnce() -> (R::Key, V),
    ) -> (&R::Key, &mut V) {
        let shard = self.with_room(hash);
        let (key, value) = self.shards[shard].entry(hash, is, row, &mut self.leaving);
        (key, value)
    }

    /// Removes a row and gives its value.
    #[inline]
    pub fn remove(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<V> {
        self.remove_if(hash, |found| R::same(found.view(), key)).map(|(_, value)| value)
    }

    /// Removes the row of this hash whose key it is, and gives it.
    pub fn remove_if(&mut self, hash: u64, is: impl Fn(&R::Key) -> bool) -> Option<(R::Key, V)> {
        let shard = self.entered(hash)?;
        let row = self.shards[shard].remove(hash, is, &mut self.leaving)?;
        self.make_smaller(shard);
        Some(row)
    }

    /// Removes all rows, one by one as far as snapshots are concerned. The memory is released.
    pub fn clear(&mut self) {
        for shard in 0..self.shards.len() {
            self.enter(shard);
            self.shards[shard].clear(&mut self.leaving);
        }
        self.row_bytes = 0;
    }

    /// All rows, in the order of shards, and within one in none.
    pub fn iter(&self) -> impl Iterator<Item = (&R::Key, &V)> {
        self.in_order().flat_map(|shard| self.shards[shard].rows.table.iter()).map(|(key, value)| (key, value))
    }

    /// The shards, in the order of hashes.
    fn in_order(&self) -> impl Iterator<Item = usize> {
        let mut slot = 0;
        std::iter::from_fn(move || {
            let shard = self.directory.shard(slot)?;
            slot += self.directory.slots_of(self.shards[shard].depth);
            Some(shard)
        })
    }

    /// Puts in a row as a snapshot had it: it does not count as written. A later value replaces an earlier one; true if there was none.
    ///
    /// For tables that have not been frozen.
    pub fn restore_row(
        &mut self,
        hash: u64,
        key: <R::Key as Record>::View<'_>,
        value: <V as Record>::View<'_>,
    ) -> bool {
        debug_assert!(self.freeze.is_none(), "rows are restored before the first snapshot");
        let shard = self.with_room(hash);
        self.shards[shard].restore(hash, key, value)
    }

    /// Removes a row that a later snapshot did not have any more; true if it was there. No later snapshot speaks of it.
    ///
    /// For tables that have not been frozen.
    pub fn restore_removed(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> bool {
        debug_assert!(self.freeze.is_none(), "rows are restored before the first snapshot");
        let Some(shard) = self.directory.find(hash) else { return false };
        self.shards[shard].restore_removed(hash, key)
    }

    /// Puts in the rows of a buffer, with [`Table::restore_row`]. Rows of other key groups are passed over.
    ///
    /// # Panics
    ///
    /// If the buffer holds records of another type than `(R::Key, V)`.
    pub fn restore_rows(&mut self, rows: &Buffer) {
        self.restore_rows_and(rows, |_, _| ());
    }

    /// Puts in the rows of a buffer, and tells the hashes and keys of those that are new.
    pub(crate) fn restore_rows_and<'b>(
        &mut self,
        rows: &'b Buffer,
        mut new: impl FnMut(u64, <R::Key as Record>::View<'b>),
    ) {
        let records = rows.records::<(R::Key, V)>(0);
        let hash = |i: usize| records.hash(i).unwrap_or_else(|| R::hash(records.get(i).0));
        let mut hashes = Vec::with_capacity(PREFETCH_ROWS);
        for start in (0..rows.len()).step_by(PREFETCH_ROWS) {
            hashes.clear();
            hashes.extend((start..rows.len()).take(PREFETCH_ROWS).map(hash));
            hashes.iter().for_each(|hash| self.prefetch(*hash));
            for (i, hash) in hashes.iter().enumerate() {
                if self.range.holds(*hash) {
                    let (key, value) = records.get(start + i);
                    if self.restore_row(*hash, key, value) {
                        new(*hash, key);
                    }
                }
            }
        }
    }

    /// Removes the rows whose keys are in a buffer, with [`Table::restore_removed`]. Keys of other key groups are passed over.
    ///
    /// # Panics
    ///
    /// If the buffer holds records of another type than `R::Key`.
    pub fn restore_removals(&mut self, removed: &Buffer) {
        self.restore_removals_and(removed, |_, _| ());
    }

    /// Removes the rows whose keys are in a buffer, and tells the hashes and keys of those that were there.
    pub(crate) fn restore_removals_and<'b>(
        &mut self,
        removed: &'b Buffer,
        mut gone: impl FnMut(u64, <R::Key as Record>::View<'b>),
    ) {
        let records = removed.records::<R::Key>(0);
        for i in 0..removed.len() {
            let key = records.get(i);
            let hash = records.hash(i).unwrap_or_else(|| R::hash(key));
            if self.range.holds(hash) && self.restore_removed(hash, key) {
                gone(hash, key);
            }
        }
    }

    /// The shard of a hash, which has taken notice of the epoch.
    #[inline(always)]
    fn entered(&mut self, hash: u64) -> Option<usize> {
        let shard = self.directory.find(hash)?;
        if self.shards[shard].epoch != self.epoch {
            self.enter(shard);
        }
        Some(shard)
    }

    /// The shard of a hash, which has taken notice of the epoch and has room for a row more.
    #[inline(always)]
    fn with_room(&mut self, hash: u64) -> usize {
        match self.directory.find(hash) {
            Some(at) if self.shards[at].epoch == self.epoch && self.shards[at].has_room() => at,
            _ => self.make_room(hash),
        }
    }
}
