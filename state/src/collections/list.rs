//! [`ListRows`]: a list for each key of the stream, with a row for each element.

use millstream_core::{buffer::Buffer, key::Key, record::Record};

use super::checkpointed_by_rows;
use crate::{
    backend::Checkpointed,
    groups::GroupRange,
    row::{ByEntry, ByKey, entry_hash},
    spill::{Spill, SpillTable},
    table::Tracking,
};

/// Lists of `T`, one for each key of the stream: an element's row is that of its position.
///
/// Methods take the hash of the stream's key, and the key.
pub struct ListRows<K: Key, T: Record> {
    rows: SpillTable<ByEntry<K, u64>, T>,
    /// The lengths of the lists that are not empty.
    lengths: SpillTable<ByKey<K>, u64>,
}

#[inline(always)]
fn row_hash(hash: u64, position: u64) -> u64 {
    entry_hash(hash, u64::hash(position))
}

/// True for the key of this element's row.
#[inline(always)]
fn is<K: Key>(key: K::View<'_>, position: u64) -> impl Fn(&(K, u64)) -> bool {
    move |(found, at)| *at == position && K::same(found.view(), key)
}

impl<K: Key, T: Record> ListRows<K, T> {
    /// Empty lists, for the keys of these key groups; in files where it is told, element by element, or in memory.
    pub fn new(range: GroupRange, tracking: Tracking, spill: Option<&Spill>) -> Self {
        Self { rows: SpillTable::new(range, tracking, spill), lengths: SpillTable::new(range, Tracking::None, spill) }
    }

    /// Nothing that was got is looked at any more; see [`SpillTable::release`].
    #[inline(always)]
    pub fn release(&mut self) {
        self.rows.release();
        self.lengths.release();
    }

    /// How many elements the list of a key has.
    pub fn len_of(&self, hash: u64, key: K::View<'_>) -> u64 {
        self.lengths.get(hash, key).copied().unwrap_or(0)
    }

    /// True if the list of a key has no element.
    pub fn is_empty_of(&self, hash: u64, key: K::View<'_>) -> bool {
        self.len_of(hash, key) == 0
    }

    /// The element at a position.
    pub fn get(&self, hash: u64, key: K::View<'_>, position: u64) -> Option<&T> {
        self.rows.get_if(row_hash(hash, position), is(key, position), || (K::from_view(key), position))
    }

    /// The element at a position, which counts as written.
    pub fn get_mut(&mut self, hash: u64, key: K::View<'_>, position: u64) -> Option<&mut T> {
        self.rows.get_mut_if(row_hash(hash, position), is(key, position), || (K::from_view(key), position))
    }

    /// Puts an element at the end.
    pub fn push(&mut self, hash: u64, key: K::View<'_>, element: T) {
        let length = self.lengths.entry(hash, key, || 0);
        let position = *length;
        *length += 1;
        self.rows.entry_if(row_hash(hash, position), is(key, position), || (K::from_view(key), position), || element);
    }

    /// All elements of a key, in order.
    pub fn iter<'s>(&'s self, hash: u64, key: K::View<'_>) -> impl DoubleEndedIterator<Item = &'s T> {
        (0..self.len_of(hash, key)).map(move |position| {
            self.get(hash, key, position).expect("the positions of a list are all taken, from 0 up to its length")
        })
    }

    /// Puts these elements in the place of all that there are.
    pub fn replace(&mut self, hash: u64, key: K::View<'_>, elements: impl IntoIterator<Item = T>) {
        let before = self.len_of(hash, key);
        let mut length = 0;
        for element in elements {
            let (row, is) = (row_hash(hash, length), is(key, length));
            let mut element = Some(element);
            let mut taken = || element.take().expect("an element is put in once");
            let (_, place) = self.rows.entry_if(row, is, || (K::from_view(key), length), &mut taken);
            // A new row has taken it; into one that was there it is put now.
            if let Some(element) = element {
                *place = element;
            }
            length += 1;
        }
        self.remove_rows(hash, key, length, before);
        if length == 0 {
            self.lengths.remove(hash, key);
        } else {
            *self.lengths.entry(hash, key, || 0) = length;
        }
    }

    /// Removes all elements of a key.
    pub fn clear(&mut self, hash: u64, key: K::View<'_>) {
        let length = self.lengths.remove(hash, key).unwrap_or(0);
        self.remove_rows(hash, key, 0, length);
    }

    fn remove_rows(&mut self, hash: u64, key: K::View<'_>, from: u64, to: u64) {
        for position in from..to {
            self.rows.remove_if(row_hash(hash, position), is(key, position), || (K::from_view(key), position));
        }
    }
}

impl<K: Key, T: Record> Checkpointed for ListRows<K, T> {
    checkpointed_by_rows!(lengths => lengths.size_bytes());

    fn file_bytes(&self) -> u64 {
        self.rows.file_bytes() + self.lengths.file_bytes()
    }
    fn keep_within_budget(&mut self) -> bool {
        self.rows.keep_within_budget() | self.lengths.keep_within_budget()
    }
    fn is_full(&mut self) -> bool {
        self.rows.is_full() || self.lengths.is_full()
    }
    fn restore_rows(&mut self, rows: &Buffer) {
        self.rows.restore_rows_and(rows, |_, (key, _)| *self.lengths.entry(K::hash(key), key, || 0) += 1);
    }
    fn restore_removals(&mut self, removed: &Buffer) {
        self.rows.restore_removals_and(removed, |_, (key, _)| {
            let hash = K::hash(key);
            if let Some(length) = self.lengths.get_mut(hash, key) {
                *length -= 1;
                if *length == 0 {
                    self.lengths.remove(hash, key);
                }
            }
        });
    }
}
