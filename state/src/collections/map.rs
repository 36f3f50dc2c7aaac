//! [`MapRows`]: a map for each key of the stream, with a row for each entry.

use std::ops::Bound;

use millstream_core::{buffer::Buffer, key::Key, record::Record};

use super::{
    checkpointed_by_rows,
    sorted::{self, Sorted},
};
use crate::{
    backend::Checkpointed,
    groups::GroupRange,
    row::{ByEntry, ByKey, entry_hash},
    spill::{Spill, SpillTable},
    table::{Cursor, Tracking},
};

/// Maps from `E` to `V`, one for each key of the stream. A map's entries are ordered by [`Key::compare`].
///
/// Methods take the hash of the stream's key, and the key.
pub struct MapRows<K: Key, E: Key, V: Record> {
    rows: SpillTable<ByEntry<K, E>, V>,
    /// The keys of each map that has any.
    order: SpillTable<ByKey<K>, Sorted<E>>,
}

impl<K: Key, E: Key, V: Record> MapRows<K, E, V> {
    /// Empty maps, for the keys of these key groups; in files where it is told, or in memory. Then an entry goes to a file by itself, and so does the order of a map, as a
    /// whole.
    pub fn new(range: GroupRange, tracking: Tracking, spill: Option<&Spill>) -> Self {
        Self { rows: SpillTable::new(range, tracking, spill), order: SpillTable::new(range, Tracking::None, spill) }
    }

    /// Nothing that was got is looked at any more; see [`SpillTable::release`].
    #[inline(always)]
    pub fn release(&mut self) {
        self.rows.release();
        self.order.release();
    }

    /// The value of an entry.
    pub fn get(&self, hash: u64, key: K::View<'_>, entry: E::View<'_>) -> Option<&V> {
        self.rows.get_if(entry_hash(hash, E::hash(entry)), is(key, entry), || owned(key, entry))
    }

    /// The value of an entry, which counts as written.
    pub fn get_mut(&mut self, hash: u64, key: K::View<'_>, entry: E::View<'_>) -> Option<&mut V> {
        self.rows.get_mut_if(entry_hash(hash, E::hash(entry)), is(key, entry), || owned(key, entry))
    }

    /// The value of an entry, which counts as written, made by `value` if the entry is new.
    pub fn entry(&mut self, hash: u64, key: K::View<'_>, entry: E::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        let mut new = false;
        let value = || {
            new = true;
            value()
        };
        let hash_of_row = entry_hash(hash, E::hash(entry));
        let (_, value) = self.rows.entry_if(hash_of_row, is(key, entry), || owned(key, entry), value);
        if new {
            sorted::insert(self.order.entry(hash, key, Vec::new), E::from_view(entry));
        }
        value
    }

    /// Removes an entry and gives its value.
    pub fn remove(&mut self, hash: u64, key: K::View<'_>, entry: E::View<'_>) -> Option<V> {
        let (_, value) = self.rows.remove_if(entry_hash(hash, E::hash(entry)), is(key, entry), || owned(key, entry))?;
        forget(&mut self.order, hash, key, entry);
        Some(value)
    }

    /// How many entries the map of a key has.
    pub fn len_of(&self, hash: u64, key: K::View<'_>) -> usize {
        self.order.get(hash, key).map_or(0, |order| order.iter().map(Vec::len).sum())
    }

    /// True if the map of a key has no entry.
    pub fn is_empty_of(&self, hash: u64, key: K::View<'_>) -> bool {
        self.order.get(hash, key).is_none()
    }

    /// All entries of a key, ascending.
    pub fn iter<'s>(&'s self, hash: u64, key: K::View<'_>) -> impl DoubleEndedIterator<Item = (E::View<'s>, &'s V)> {
        self.range(hash, key, Bound::Unbounded, Bound::Unbounded)
    }

    /// The entries of a key between two bounds, ascending. Bounds the wrong way round have nothing between them.
    pub fn range<'s>(
        &'s self,
        hash: u64,
        key: K::View<'_>,
        lower: Bound<E::View<'_>>,
        upper: Bound<E::View<'_>>,
    ) -> impl DoubleEndedIterator<Item = (E::View<'s>, &'s V)> {
        let order = self.order.get(hash, key);
        let entries = order.map(|order| sorted::range(order, lower, upper));
        entries.into_iter().flatten().map(move |entry| {
            let entry = entry.view();
            let value = self.rows.get_if(entry_hash(hash, E::hash(entry)), is(key, entry), || owned(key, entry));
            (entry, value.expect("what is in the order of a map has a row"))
        })
    }

    /// Removes all entries of a key.
    pub fn clear(&mut self, hash: u64, key: K::View<'_>) {
        for entry in self.order.remove(hash, key).into_iter().flatten().flatten() {
            let entry = entry.view();
            self.rows.remove_if(entry_hash(hash, E::hash(entry)), is(key, entry), || owned(key, entry));
        }
    }

    /// Looks at so many entries from where the cursor stands, and removes those whose values say so; see [`Table::sweep`](crate::table::Table::sweep).
    pub fn sweep(&mut self, cursor: &mut Cursor, entries: usize, is_over: impl Fn(&V) -> bool) {
        let Self { rows, order } = self;
        rows.sweep(cursor, entries, is_over, |(key, entry)| {
            forget(order, K::hash(key.view()), key.view(), entry.view())
        });
    }

    /// Asks the processor to load what it needs to look up an entry.
    pub fn prefetch(&self, hash: u64, entry: E::View<'_>) {
        if self.rows.wants_prefetch() {
            self.rows.prefetch(entry_hash(hash, E::hash(entry)));
        }
    }
}

/// True for the key of this entry's row. The two may borrow from different places, so this is not [`RowKey::same`].
#[inline(always)]
fn is<K: Key, E: Key>(key: K::View<'_>, entry: E::View<'_>) -> impl Fn(&(K, E)) -> bool {
    move |(found, of)| K::same(found.view(), key) && E::same(of.view(), entry)
}

/// The key of this entry's row.
fn owned<K: Key, E: Key>(key: K::View<'_>, entry: E::View<'_>) -> (K, E) {
    (K::from_view(key), E::from_view(entry))
}

/// Takes an entry out of the order of its map, and the order away when it is empty.
fn forget<K: Key, E: Key>(
    order: &mut SpillTable<ByKey<K>, Sorted<E>>,
    hash: u64,
    key: K::View<'_>,
    entry: E::View<'_>,
) {
    if let Some(sorted) = order.get_mut(hash, key) {
        sorted::remove(sorted, entry);
        if sorted.is_empty() {
            order.remove(hash, key);
        }
    }
}

impl<K: Key, E: Key, V: Record> Checkpointed for MapRows<K, E, V> {
    checkpointed_by_rows!(order => order.size_bytes());

    fn file_bytes(&self) -> u64 {
        self.rows.file_bytes() + self.order.file_bytes()
    }
    fn keep_within_budget(&mut self) -> bool {
        self.rows.keep_within_budget() | self.order.keep_within_budget()
    }
    fn is_full(&mut self) -> bool {
        self.rows.is_full() || self.order.is_full()
    }
    fn restore_rows(&mut self, rows: &Buffer) {
        self.rows.restore_rows_and(rows, |_, (key, entry)| {
            sorted::insert(self.order.entry(K::hash(key), key, Vec::new), E::from_view(entry));
        });
    }
    fn restore_removals(&mut self, removed: &Buffer) {
        self.rows.restore_removals_and(removed, |_, (key, entry)| forget(&mut self.order, K::hash(key), key, entry));
    }
}
