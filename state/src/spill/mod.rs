//! Keyed state larger than memory: [`SpillTable`], rows in memory in front of rows in files.
//!
//! *Hot* rows lie in a [`Table`] as state in memory does. When they are more than their share of the budget, those that were not used for long make room
//! (CLOCK). What had changed of them is *pending*: encoded, in memory, and still looked up there. Once there is enough, it is sealed and written as a sorted file by
//! workers beside the tasks; see `levels`. A row is sought in what is hot, in what is pending, in the runs from the newest on whose filters have its hash, and
//! in the base. Files never change: so they are read without transactions, and a snapshot keeps those that it began with.
//!
//! A snapshot first has all hot rows that had changed written like pending ones, some at a time, and before they change again (this is the hot table's own
//! copy on write). Then it is a merge of files: of all for a full one, of those written since the snapshot before for a delta.

mod budget;
mod codec;
mod disk;
mod error;
mod filter;
mod levels;
mod merge;
mod pending;
mod restore;
mod run;
mod scratch;
mod snapshot;
mod spilling;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use millstream_core::{
    buffer::{Buffer, PushError},
    record::Record,
};

use self::{
    budget::{SEALED_LIMIT, Share},
    codec::{REMOVED, decode_key, decode_value},
    disk::Disk,
    error::fail,
};
use crate::{
    backend::{Backend, Checkpointed, KeyedTable},
    groups::GroupRange,
    row::RowKey,
    snapshot::SnapshotKind,
    table::{Cursor, Hand, Place, Table, Tracking, Walked},
};

pub use self::{
    budget::Budget,
    error::SpillError,
    scratch::{Scratch, Usage, Workers},
};

/// Keyed state in files, with what is hot in memory.
#[derive(Debug, Clone)]
pub struct Spill {
    /// Where the files lie.
    pub scratch: Arc<Scratch>,
    /// What the tables may take in memory together.
    pub budget: Arc<Budget>,
    /// Rows go to files from the first on, rather than once the budget is used up.
    pub at_once: bool,
}

impl Backend for Spill {
    type Table<R: RowKey, V: Record> = SpillTable<R, V>;

    fn table<R: RowKey, V: Record>(&self, range: GroupRange, tracking: Tracking) -> SpillTable<R, V> {
        SpillTable::new(range, tracking, Some(self))
    }
}

/// Rows of keys and values, of which not all have to fit into memory; or all in memory, then at the price of one test in front of [`Table`].
///
/// # Panics
///
/// Where a file cannot be read or written, methods panic with a [`SpillError`]'s text: state has no other way to say so, and what was changed since the last
/// checkpoint is lost in any case.
pub struct SpillTable<R: RowKey, V: Record> {
    hot: Table<R, V>,
    /// What it has of the budget, and where it would go; `None` if it stays in memory whatever it takes.
    spill: Option<(Spill, Share)>,
    disk: Option<Box<Disk<R, V>>>,
}

impl<R: RowKey, V: Record> SpillTable<R, V> {
    /// A table that goes to files where it is told; all in memory, if it is not.
    pub fn new(range: GroupRange, tracking: Tracking, spill: Option<&Spill>) -> Self {
        let mut table = Self {
            hot: Table::new(range, tracking),
            spill: spill.map(|spill| (spill.clone(), Share::new(&spill.budget))),
            disk: None,
        };
        if spill.is_some_and(|spill| spill.at_once) {
            table.begin_spilling();
        }
        table
    }

    /// The key groups of its rows.
    pub fn range(&self) -> GroupRange {
        self.hot.range()
    }

    /// How many rows it has, wherever they are.
    pub fn len(&self) -> usize {
        self.disk.as_ref().map_or_else(|| self.hot.len(), |disk| disk.rows)
    }

    /// True if it has no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True if more waits to be written than should. Whoever can wait should do so before it goes on, for a short while; who does not
    /// writes by itself now and then.
    #[inline]
    pub fn is_full(&mut self) -> bool {
        let Some(disk) = &mut self.disk else { return false };
        disk.look();
        disk.levels.sealed.len() > SEALED_LIMIT
    }

    /// True if [`SpillTable::prefetch`] pays.
    #[inline(always)]
    pub fn wants_prefetch(&self) -> bool {
        self.hot.wants_prefetch()
    }

    /// Asks the processor to load the row of a hash, if it is hot.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        self.hot.prefetch(hash);
    }

    /// The value of a key. If it is not hot, it is kept beside until [`SpillTable::release`] or until something is written.
    #[inline(always)]
    pub fn get(&self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&V> {
        self.get_if(hash, |found| R::same(found.view(), key), || R::Key::from_view(key))
    }

    /// The value of the row of this hash whose key it is; `key` is that key.
    #[inline(always)]
    pub(crate) fn get_if(&self, hash: u64, is: impl Fn(&R::Key) -> bool, key: impl FnOnce() -> R::Key) -> Option<&V> {
        let Some(disk) = &self.disk else { return self.hot.get_if(hash, is) };
        self.hot.look(hash, is).or_else(|| disk.fetch(hash, key))
    }

    /// Nothing that was got is looked at any more. What was not hot is now.
    #[inline(always)]
    pub fn release(&mut self) {
        if let Some(disk) = &self.disk
            && !disk.fetched.is_empty()
        {
            self.adopt();
        }
    }

    /// The value of a key, which counts as written.
    #[inline(always)]
    pub fn get_mut(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&mut V> {
        self.get_mut_if(hash, |found| R::same(found.view(), key), || R::Key::from_view(key))
    }

    /// The value of the row of this hash whose key it is, which counts as written; `key` is that key.
    #[inline(always)]
    pub(crate) fn get_mut_if(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
        key: impl FnOnce() -> R::Key,
    ) -> Option<&mut V> {
        if self.disk.is_none() {
            return self.hot.get_mut_if(hash, is);
        }
        let place = self.place(hash, is, key).ok()?;
        self.hot.written_at(place).map(|(_, value)| value)
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
        self.entry_if(hash, |found| R::same(found.view(), key), || R::Key::from_view(key), value)
    }

    /// The row of this hash whose key it is, which counts as written; of `key`, which is that key, and `value` if there is none.
    #[inline(always)]
    pub(crate) fn entry_if(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
        key: impl FnOnce() -> R::Key,
        value: impl FnOnce() -> V,
    ) -> (&R::Key, &mut V) {
        if self.disk.is_none() {
            return self.hot.entry_if(hash, is, || (key(), value()));
        }
        let place = match self.place(hash, is, key) {
            Ok(place) => place,
            Err(key) => self.insert(hash, key, value()),
        };
        self.hot.written_at(place).expect("there is a row where one was found or put")
    }

    /// Removes a row and gives its value.
    pub fn remove(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<V> {
        let row = self.remove_if(hash, |found| R::same(found.view(), key), || R::Key::from_view(key))?;
        Some(row.1)
    }

    /// Removes the row of this hash whose key it is, and gives it; `key` is that key.
    pub(crate) fn remove_if(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
        key: impl FnOnce() -> R::Key,
    ) -> Option<(R::Key, V)> {
        if self.disk.is_none() {
            return self.hot.remove_if(hash, is);
        }
        let place = self.place(hash, is, key).ok()?;
        let (row, mark) = self.hot.take_row(place)?;
        self.disk.as_mut()?.removed(hash, &row, mark);
        Some(row)
    }

    /// Removes all rows.
    pub fn clear(&mut self) {
        let Some(disk) = &mut self.disk else { return self.hot.clear() };
        drop(disk.fetched_rows());
        disk.take_early(&mut self.hot);
        self.hot.evict(&mut Hand::default(), disk.hot_rows, |hash, row, mark| disk.removed(hash, &row, mark));
        disk.seal_all();
        let mut merge = disk.levels.merge_all().unwrap_or_else(|error| fail(&error));
        while let Some((key, value)) = merge.next().unwrap_or_else(|error| fail(&error)) {
            if value != [REMOVED] {
                disk.pending.put(key, &[REMOVED]);
                disk.seal_full();
            }
        }
        (disk.rows, disk.hot_rows) = (0, 0);
    }

    /// Looks at so many of the rows in memory from where the cursor stands, and removes those whose values say so; see [`Table::sweep`]. `gone` gets their keys.
    pub fn sweep(
        &mut self,
        cursor: &mut Cursor,
        rows: usize,
        is_over: impl Fn(&V) -> bool,
        mut gone: impl FnMut(R::Key),
    ) {
        let Some(disk) = &mut self.disk else { return self.hot.sweep(cursor, rows, is_over, gone) };
        for _ in 0..rows {
            let Some((key, value)) = self.hot.row_at(cursor) else {
                *cursor = Cursor::default();
                return;
            };
            let hash = R::hash(key.view());
            if is_over(value)
                && let Some((row, mark)) = self.hot.take_row_at(cursor)
            {
                disk.removed(hash, &row, mark);
                gone(row.0);
            }
            cursor.advance();
        }
    }

    /// Shows all rows, in no order.
    pub fn for_each(&mut self, mut see: impl FnMut(&R::Key, &V)) {
        self.hot.iter().for_each(|(key, value)| see(key, value));
        let Some(disk) = &mut self.disk else { return };
        disk.seal_all();
        let mut merge = disk.levels.merge_all().unwrap_or_else(|error| fail(&error));
        while let Some((key, value)) = merge.next().unwrap_or_else(|error| fail(&error)) {
            if value == [REMOVED] {
                continue;
            }
            let (key, value, hash) = (decode_key::<R::Key>(key), decode_value::<V>(value), codec::hash_of(key));
            let (Some(key), Some(value)) = (key, value) else { fail(&SpillError::Damaged) };
            let key = key.records::<R::Key>(0).get(0);
            if self.hot.get(hash, key).is_none() {
                see(&R::Key::from_view(key), &V::from_view(value.records::<V>(0).get(0)));
            }
        }
    }

    /// What it takes in memory, in bytes.
    pub fn size_bytes(&self) -> usize {
        self.hot.size_bytes() + self.disk.as_ref().map_or(0, |disk| disk.size_bytes())
    }

    /// Where the row of this hash is whose key it is, once it is hot; if there is none, the key.
    #[inline(always)]
    fn place(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
        key: impl FnOnce() -> R::Key,
    ) -> Result<Place, R::Key> {
        match self.hot.place_of(hash, is) {
            Some(place) => Ok(place),
            None => self.bring(hash, key()),
        }
    }

    /// Makes a row hot that is not.
    #[cold]
    #[inline(never)]
    fn bring(&mut self, hash: u64, key: R::Key) -> Result<Place, R::Key> {
        self.release();
        let Some(disk) = &mut self.disk else { return Err(key) };
        disk.in_use();
        disk.look();
        // What was fetched is hot by now.
        if let Some(place) = self.hot.place_of(hash, |found| R::same(found.view(), key.view())) {
            return Ok(place);
        }
        if disk.rows == disk.hot_rows {
            return Err(key); // all there are, are hot
        }
        match disk.find(hash, key.view()) {
            Some(value) => Ok(self.load(hash, key, value)),
            None => Err(key),
        }
    }

    /// Puts in a row that lies in files.
    fn load(&mut self, hash: u64, key: R::Key, value: V) -> Place {
        self.make_room();
        if let Some(disk) = &mut self.disk {
            disk.hot_rows += 1;
        }
        self.hot.load(hash, (key, value))
    }

    /// Puts in a row that is new.
    fn insert(&mut self, hash: u64, key: R::Key, value: V) -> Place {
        self.make_room();
        if let Some(disk) = &mut self.disk {
            disk.rows += 1;
            disk.hot_rows += 1;
        }
        self.hot.insert(hash, (key, value))
    }

    /// Makes hot what was only looked at.
    #[cold]
    #[inline(never)]
    fn adopt(&mut self) {
        let Some(disk) = &mut self.disk else { return };
        for row in disk.fetched_rows() {
            let (key, value) = *row;
            let hash = R::hash(key.view());
            if self.hot.place_of(hash, |found| R::same(found.view(), key.view())).is_none() {
                self.load(hash, key, value);
            }
        }
    }

    fn make_room(&mut self) {
        let (Some(disk), Some((_, share))) = (&mut self.disk, &mut self.spill) else { return };
        disk.until_estimate -= 1;
        if disk.until_estimate == 0 {
            disk.estimate(&self.hot, share);
        }
        if disk.hot_rows >= disk.hot_limit {
            disk.evict(&mut self.hot);
        }
    }
}

impl<R: RowKey, V: Record> Checkpointed for SpillTable<R, V> {
    fn freeze(&mut self, kind: SnapshotKind) {
        self.freeze_rows(kind);
    }
    fn is_frozen(&self) -> bool {
        self.disk.as_ref().map_or_else(|| self.hot.is_frozen(), |disk| disk.snapshot.is_some())
    }
    fn walk(&mut self, rows: usize) -> Result<Walked, PushError> {
        self.walk_rows(rows)
    }
    fn abandon(&mut self) {
        match &mut self.disk {
            Some(disk) => disk.abandon(),
            None => self.hot.abandon(),
        }
    }
    fn dirty_share(&self) -> f64 {
        let Some(disk) = &self.disk else { return self.hot.dirty_share() };
        let stored = disk.pending.len() as u64 + disk.levels.rows_of(disk.epoch);
        ((self.hot.changed_rows() + stored as f64) / disk.rows.max(1) as f64).min(1.0)
    }
    fn len(&self) -> usize {
        SpillTable::len(self)
    }
    fn size_bytes(&self) -> usize {
        SpillTable::size_bytes(self)
    }
    fn file_bytes(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.levels.file_bytes())
    }
    fn keep_within_budget(&mut self) -> bool {
        self.balance()
    }
    fn is_full(&mut self) -> bool {
        SpillTable::is_full(self)
    }
    fn reserve(&mut self, rows: usize) {
        match &self.disk {
            Some(disk) => self.hot.reserve(rows.min(disk.hot_limit)),
            None => self.hot.reserve(rows),
        }
    }
    fn restore_rows(&mut self, rows: &Buffer) {
        self.restore_rows_and(rows, |_, _| ());
    }
    fn restore_removals(&mut self, removed: &Buffer) {
        self.restore_removals_and(removed, |_, _| ());
    }
}

impl<R: RowKey, V: Record> KeyedTable<R, V> for SpillTable<R, V> {
    #[inline(always)]
    fn wants_prefetch(&self) -> bool {
        SpillTable::wants_prefetch(self)
    }
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        SpillTable::prefetch(self, hash);
    }
    #[inline(always)]
    fn get(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&V> {
        SpillTable::get(self, hash, key)
    }
    #[inline(always)]
    fn get_mut(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<&mut V> {
        SpillTable::get_mut(self, hash, key)
    }
    #[inline(always)]
    fn entry(&mut self, hash: u64, key: <R::Key as Record>::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        SpillTable::entry(self, hash, key, value)
    }
    #[inline(always)]
    fn remove(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<V> {
        SpillTable::remove(self, hash, key)
    }
    fn clear(&mut self) {
        SpillTable::clear(self);
    }
    fn for_each(&mut self, see: impl FnMut(&R::Key, &V)) {
        SpillTable::for_each(self, see);
    }
}
