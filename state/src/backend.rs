//! [`Backend`]: where keyed state is held, and [`Checkpointed`]: what a checkpoint asks of every state.

use millstream_core::{
    buffer::{Buffer, PushError},
    record::Record,
};

use crate::{
    groups::GroupRange,
    row::RowKey,
    snapshot::SnapshotKind,
    table::{Table, Tracking, Walked},
};

/// What a checkpoint asks of a state, whatever its rows are.
pub trait Checkpointed: Send {
    /// Begins a snapshot; see [`Table::freeze`].
    ///
    /// # Panics
    ///
    /// If the state cannot be frozen in this way, as [`Table::freeze`] says.
    fn freeze(&mut self, kind: SnapshotKind);
    /// True while a snapshot is running.
    fn is_frozen(&self) -> bool;
    /// Goes on with the running snapshot, for about so many rows; see [`Table::walk`].
    ///
    /// # Errors
    ///
    /// Fails if a row cannot be encoded. The snapshot is then given up.
    fn walk(&mut self, rows: usize) -> Result<Walked, PushError>;
    /// Gives the running snapshot up. The next must be a full one.
    fn abandon(&mut self);
    /// About how large a delta would be, as a share of a full snapshot.
    fn dirty_share(&self) -> f64;
    /// How many rows there are.
    fn len(&self) -> usize;
    /// True if there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// What it takes in memory, in bytes.
    fn size_bytes(&self) -> usize;
    /// How much its files take on the disk, in bytes.
    fn file_bytes(&self) -> u64 {
        0
    }
    /// Looks whether it takes more memory than its share, and makes some room if it can: for now and then, between batches. True if not all rows have to be in memory
    /// from now on.
    fn keep_within_budget(&mut self) -> bool {
        false
    }
    /// True if more waits to be written to files than should: then it should be given no more to do for a short while.
    fn is_full(&mut self) -> bool {
        false
    }
    /// Makes room for so many rows, ahead of their restoration.
    fn reserve(&mut self, rows: usize);
    /// Puts in rows, as a snapshot had them. Segments are restored in the order in which they were made, and of each first the removed
    /// keys. Rows of key groups that are not the state's are passed over.
    ///
    /// # Panics
    ///
    /// If the buffer holds rows of another type.
    fn restore_rows(&mut self, rows: &Buffer);
    /// Removes the rows of keys that a later snapshot did not have any more.
    ///
    /// # Panics
    ///
    /// If the buffer holds keys of another type.
    fn restore_removals(&mut self, removed: &Buffer);
}

/// Rows of keys and values; see [`Table`], which says what each method does.
pub trait KeyedTable<R: RowKey, V: Record>: Checkpointed {
    /// True if [`KeyedTable::prefetch`] pays.
    fn wants_prefetch(&self) -> bool;
    /// Says that the row of a hash will be asked for soon.
    fn prefetch(&self, hash: u64);
    /// The value of a key.
    fn get(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&V>;
    /// The value of a key, which counts as written.
    fn get_mut(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&mut V>;
    /// The value of a key, which counts as written, made by `value` if the key is new.
    fn entry(&mut self, hash: u64, key: <R::Key as Record>::View<'_>, value: impl FnOnce() -> V) -> &mut V;
    /// Removes a row and gives its value.
    fn remove(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<V>;
    /// Removes all rows.
    fn clear(&mut self);
    /// Shows all rows, in no order.
    fn for_each(&mut self, see: impl FnMut(&R::Key, &V));
}

/// Where keyed state is held.
pub trait Backend {
    /// Its tables.
    type Table<R: RowKey, V: Record>: KeyedTable<R, V>;

    /// An empty table for rows of these key groups.
    fn table<R: RowKey, V: Record>(&self, range: GroupRange, tracking: Tracking) -> Self::Table<R, V>;
}

/// Keyed state in memory.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory;

impl Backend for Memory {
    type Table<R: RowKey, V: Record> = Table<R, V>;

    fn table<R: RowKey, V: Record>(&self, range: GroupRange, tracking: Tracking) -> Table<R, V> {
        Table::new(range, tracking)
    }
}

impl<R: RowKey, V: Record> Checkpointed for Table<R, V> {
    fn freeze(&mut self, kind: SnapshotKind) {
        Table::freeze(self, kind);
    }
    fn is_frozen(&self) -> bool {
        Table::is_frozen(self)
    }
    fn walk(&mut self, rows: usize) -> Result<Walked, PushError> {
        Table::walk(self, rows)
    }
    fn abandon(&mut self) {
        Table::abandon(self);
    }
    fn dirty_share(&self) -> f64 {
        Table::dirty_share(self)
    }
    fn len(&self) -> usize {
        Table::len(self)
    }
    fn size_bytes(&self) -> usize {
        Table::size_bytes(self)
    }
    fn reserve(&mut self, rows: usize) {
        Table::reserve(self, rows);
    }
    fn restore_rows(&mut self, rows: &Buffer) {
        Table::restore_rows(self, rows);
    }
    fn restore_removals(&mut self, removed: &Buffer) {
        Table::restore_removals(self, removed);
    }
}

impl<R: RowKey, V: Record> KeyedTable<R, V> for Table<R, V> {
    #[inline(always)]
    fn wants_prefetch(&self) -> bool {
        Table::wants_prefetch(self)
    }
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        Table::prefetch(self, hash);
    }
    #[inline(always)]
    fn get(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&V> {
        Table::get(self, hash, key)
    }
    #[inline(always)]
    fn get_mut(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&mut V> {
        Table::get_mut(self, hash, key)
    }
    #[inline(always)]
    fn entry(&mut self, hash: u64, key: <R::Key as Record>::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        Table::entry(self, hash, key, value)
    }
    #[inline(always)]
    fn remove(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<V> {
        Table::remove(self, hash, key)
    }
    fn clear(&mut self) {
        Table::clear(self);
    }
    fn for_each(&mut self, mut see: impl FnMut(&R::Key, &V)) {
        self.iter().for_each(|(key, value)| see(key, value));
    }
}
