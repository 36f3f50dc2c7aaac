//! [`Rows`]: the rows of a shard with their marks, in buckets of a `hashbrown` table.

use hashbrown::{HashTable, hash_table};
use millstream_core::{processor::prefetch, record::Record};

use super::marks::{Mark, Marks};
use crate::row::RowKey;

/// A row, as a table owns it.
pub(super) type Row<R, V> = (<R as RowKey>::Key, V);

/// Hashbrown takes the lowest bits of a hash for the slot and the highest seven for the control byte. The upper bits are alike in all of a shard, and the
/// upper half is in all entries of one map, so slots begin behind the lowest seven bits, which become the control byte. Checkpoints tell rows apart by it
/// ([`Shown`](super::Shown)).
const ROTATION: u32 = 7;

/// What a shard's `hashbrown` table takes for the hash of a row.
#[inline(always)]
pub(super) fn own(hash: u64) -> u64 {
    hash.rotate_right(ROTATION)
}

#[inline(always)]
fn own_of<R: RowKey, V>((key, _): &Row<R, V>) -> u64 {
    own(R::hash(key.view()))
}

/// Rows and their marks.
pub(super) struct Rows<R: RowKey, V> {
    pub(super) table: HashTable<Row<R, V>>,
    pub(super) marks: Marks,
}

impl<R: RowKey, V: Record> Rows<R, V> {
    /// Room for so many rows; with marks, if they are `tracked`.
    pub(super) fn with_capacity(rows: usize, tracked: bool) -> Self {
        let table = HashTable::with_capacity(rows);
        let marks = if tracked { Marks::new(table.num_buckets()) } else { Marks::default() };
        Self { table, marks }
    }

    /// True if a row can be inserted without moving the others.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        self.table.len() < self.table.capacity()
    }

    /// The row of this hash whose key it is.
    #[inline(always)]
    pub(super) fn get(&self, hash: u64, is: impl Fn(&R::Key) -> bool) -> Option<&Row<R, V>> {
        self.table.find(own(hash), |(key, _)| is(key))
    }

    /// The row of this hash whose key it is, in its bucket.
    #[inline(always)]
    pub(super) fn find(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
    ) -> Option<(hash_table::OccupiedEntry<'_, Row<R, V>>, &mut Marks)> {
        let entry = self.table.find_entry(own(hash), |(key, _)| is(key)).ok()?;
        Some((entry, &mut self.marks))
    }

    /// The bucket of the row of this hash whose key it is.
    #[inline(always)]
    pub(super) fn bucket(&self, hash: u64, is: impl Fn(&R::Key) -> bool) -> Option<usize> {
        self.table.find_bucket_index(own(hash), |(key, _)| is(key))
    }

    /// The bucket of this hash whose key it is, or an empty one for it.
    #[inline(always)]
    pub(super) fn entry(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
    ) -> (hash_table::Entry<'_, Row<R, V>>, &mut Marks) {
        (self.table.entry(own(hash), |(key, _)| is(key), own_of::<R, V>), &mut self.marks)
    }

    /// The keys of this hash.
    pub(super) fn keys_of(&self, hash: u64) -> impl Iterator<Item = &R::Key> {
        self.table.iter_hash(own(hash)).map(|(key, _)| key).filter(move |key| R::hash(key.view()) == hash)
    }

    /// Puts in a row that is not there, and says in which bucket. There must be room.
    #[inline(always)]
    pub(super) fn insert(&mut self, hash: u64, row: Row<R, V>) -> usize {
        self.table.insert_unique(own(hash), row, own_of::<R, V>).bucket_index()
    }

    /// Puts in a row that is not there, as it was marked elsewhere. There must be room.
    pub(super) fn put(&mut self, hash: u64, row: Row<R, V>, mark: Mark) {
        let bucket = self.insert(hash, row);
        self.marks.set(bucket, mark);
    }

    /// Gives all rows away, with their marks, in the order of the buckets.
    pub(super) fn for_each(mut self, mut take: impl FnMut(Row<R, V>, Mark)) {
        for bucket in 0..self.table.num_buckets() {
            if let Ok(entry) = self.table.get_bucket_entry(bucket) {
                take(entry.remove().0, self.marks.get(bucket));
            }
        }
    }

    /// Asks the processor to load the row of a hash and what is known of its bucket.
    #[inline(always)]
    pub(super) fn prefetch(&self, hash: u64) {
        let own = own(hash);
        self.marks.prefetch(own as usize & (self.table.num_buckets() - 1)); // where the row is sought first; most lie near
        if let Some(row) = self.table.find(own, |_| true) {
            prefetch(row);
        }
    }

    /// How many rows all buckets could take, had none been removed.
    pub(super) fn full_capacity(&self) -> usize {
        let buckets = self.table.num_buckets();
        if self.table.capacity() == 0 { 0 } else { buckets - buckets.div_ceil(8) }
    }

    /// What they take in memory, in bytes, without what keys and values own elsewhere.
    pub(super) fn size_bytes(&self) -> usize {
        self.table.allocation_size() + self.marks.size_bytes()
    }
}
