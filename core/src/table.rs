//! [`Table`]: the keyed table behind aggregates, pre-aggregation and state.
//!
//! A `hashbrown` table without the hashes: groups of control bytes are compared at once, so that a look-up hardly ever mispredicts a branch, and an
//! entry takes a byte more than its key and value. The keys of a batch are hashed first and their slots [prefetched](Table::prefetch), which hides
//! the misses of a table larger than the caches.

use hashbrown::{HashTable, hash_table};

use crate::{key::Key, processor::prefetch};

/// Keys to values. Look-ups take the view of a key and its hash and never allocate; only a new key does, if owning it does.
pub struct Table<K, V> {
    entries: HashTable<(K, V)>,
    /// By how many bits a key's hash is rotated for this table.
    rotation: u32,
}

/// See [`Table::into_entries`].
pub type IntoEntries<K, V> = hash_table::IntoIter<(K, V)>;

/// Below this many bytes of entries a table is taken to lie in the processor's caches, where prefetching only costs.
const CACHED_BYTES: usize = 512 << 10;

/// The highest bits choose the owner of a key and are alike in all that is in a table: they become neither slot nor control byte, which are
/// the lowest and the highest bits of what the table takes for a hash.
const ROTATION: u32 = 8;

impl<K: Key, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { entries: HashTable::new(), rotation: ROTATION }
    }
}

impl<K: Key, V> Table<K, V> {
    /// A table for entries that go on to other tables: its order has nothing to do with theirs.
    ///
    /// A table gives its entries in the order of its slots. Put into another table by the same bits of their hashes, and one that has yet to grow,
    /// they would crowd at its beginning, and every look-up would pass all of them.
    pub fn of_sender() -> Self {
        Self { entries: HashTable::new(), rotation: ROTATION + 16 }
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if it holds no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What it takes in memory, in bytes, without what keys and values own elsewhere.
    pub fn size_bytes(&self) -> usize {
        self.entries.allocation_size()
    }

    #[inline(always)]
    fn own(&self, hash: u64) -> u64 {
        hash.rotate_right(self.rotation)
    }

    /// True if the table is so large that [`Table::prefetch`] pays.
    #[inline(always)]
    pub fn wants_prefetch(&self) -> bool {
        self.entries.capacity() * size_of::<(K, V)>() > CACHED_BYTES
    }

    /// Asks the processor to load the entry of a hash, ahead of its look-up.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if let Some(entry) = self.entries.find(self.own(hash), |_| true) {
            prefetch(entry);
        }
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, hash: u64, key: K::View<'_>) -> Option<&V> {
        self.entries.find(self.own(hash), |(found, _)| K::same(found.view(), key)).map(|(_, value)| value)
    }

    /// The value of a key, made by `value` if the key is new.
    #[inline(always)]
    pub fn entry(&mut self, hash: u64, key: K::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        self.entry_and_key(hash, key, value).1
    }

    /// The value of a key, made by `value` if the key is new, behind the key as the table owns it.
    #[inline(always)]
    pub fn entry_and_key(&mut self, hash: u64, key: K::View<'_>, value: impl FnOnce() -> V) -> (&K, &mut V) {
        if size_of::<K>() == 0 && !self.entries.is_empty() {
            let (key, value) = self.entries.iter_mut().next().expect("it is not empty");
            return (key, value); // of a type without bytes there is one key
        }
        let (own, rotation) = (self.own(hash), self.rotation);
        let same = |(found, _): &(K, V)| K::same(found.view(), key);
        let again = |(key, _): &(K, V)| K::hash(key.view()).rotate_right(rotation);
        let (key, value) = match self.entries.entry(own, same, again) {
            hash_table::Entry::Occupied(entry) => entry.into_mut(),
            hash_table::Entry::Vacant(entry) => entry.insert((K::from_view(key), value())).into_mut(),
        };
        (key, value)
    }

    /// Takes out a key and its value.
    pub fn remove(&mut self, hash: u64, key: K::View<'_>) -> Option<(K, V)> {
        let entry = self.entries.find_entry(self.own(hash), |(found, _)| K::same(found.view(), key)).ok()?;
        Some(entry.remove().0)
    }

    /// All keys with their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Takes out all keys with their values, in no order. The memory stays.
    pub fn drain(&mut self) -> impl Iterator<Item = (K, V)> {
        self.entries.drain()
    }

    /// All keys with their values, in no order; the memory is released as the iterator goes away.
    pub fn into_entries(self) -> IntoEntries<K, V> {
        self.entries.into_iter()
    }
}
