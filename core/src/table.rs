//! [`Table`]: the keyed table behind aggregates, pre-aggregation and state.
//!
//! Entries lie densely one behind the other, in the order in which their keys came; a separate index of open addressing leads to them. A slot of the index
//! is a word: 32 bits of the hash and 32 bits of the entry's number. So a look-up compares tags within one cache line and then touches one entry; the index
//! grows without looking at the entries; and walking all entries is walking a vector. For tables larger than the caches the keys of a batch are hashed
//! first and their slots and entries [prefetched](Table::prefetch), which hides the misses.

use crate::{key::Key, prefetch::prefetch};

/// Keys to values. Look-ups take the view of a key and its hash and never allocate; only a new key does, if owning it does.
pub struct Table<K, V> {
    /// A power of two of slots, at most half of them taken; or none.
    slots: Vec<Slot>,
    entries: Vec<(K, V)>,
}

/// `tag << 32 | number + 1`; 0 is an empty slot. The tag is the low half of the hash (the high half has chosen the key group), and its low bits are the
/// slot's place, so growing needs nothing but the slots.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot(u64);

const FIRST_SLOTS: usize = 16;
/// Below this many bytes of slots a table is taken to lie in the processor's caches, where prefetching only costs.
const CACHED_BYTES: usize = 512 << 10;

impl Slot {
    const EMPTY: Slot = Slot(0);

    #[inline(always)]
    fn new(tag: u32, number: usize) -> Self {
        Self((tag as u64) << 32 | (number as u64 + 1))
    }

    #[inline(always)]
    fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline(always)]
    fn number(self) -> usize {
        self.0 as u32 as usize - 1
    }
}

impl<K: Key, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { slots: Vec::new(), entries: Vec::new() }
    }
}

impl<K: Key, V> Table<K, V> {
    /// How many keys it holds.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if it holds no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What it takes in memory, in bytes, without what keys and values own elsewhere.
    pub fn size_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>() + self.entries.capacity() * size_of::<(K, V)>()
    }

    /// True if the table is so large that [`Table::prefetch`] pays.
    #[inline(always)]
    pub fn wants_prefetch(&self) -> bool {
        self.slots.len() * size_of::<Slot>() > CACHED_BYTES
    }

    /// Asks the processor to load the slot of a hash; to be called for a batch of hashes.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if !self.slots.is_empty() {
            prefetch(&self.slots[hash as usize & (self.slots.len() - 1)]);
        }
    }

    /// Asks the processor to load the entry of a hash whose slot has been prefetched; to be called for the batch before its look-ups.
    #[inline(always)]
    pub fn prefetch_entry(&self, hash: u64) {
        if self.slots.is_empty() {
            return;
        }
        // The first slot is the right one more often than not; looking further would cost more than the misses of the others.
        let slot = self.slots[hash as usize & (self.slots.len() - 1)];
        if let Some(entry) = self.entries.get((slot.0 as u32).wrapping_sub(1) as usize) {
            prefetch(entry);
        }
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, hash: u64, key: K::View<'_>) -> Option<&V> {
        if self.slots.is_empty() {
            return None;
        }
        let (_, number) = self.find(hash as u32, key);
        number.map(|number| &self.entries[number].1)
    }

    /// The value of a key, made by `value` if the key is new.
    ///
    /// # Panics
    ///
    /// If the table would hold 2^32 keys: far more than fits into the memory of a subtask.
    #[inline(always)]
    pub fn entry(&mut self, hash: u64, key: K::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        if self.entries.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let tag = hash as u32;
        let number = match self.find(tag, key) {
            (_, Some(number)) => number,
            (place, None) => {
                let number = self.entries.len();
                assert!(number < u32::MAX as usize, "a table holds fewer than 2^32 keys");
                self.slots[place] = Slot::new(tag, number);
                self.entries.push((K::from_view(key), value()));
                number
            }
        };
        &mut self.entries[number].1
    }

    /// The number of a key's entry; or the empty slot where it would go. There is always an empty slot.
    #[inline(always)]
    fn find(&self, tag: u32, key: K::View<'_>) -> (usize, Option<usize>) {
        let mask = self.slots.len() - 1;
        let mut place = tag as usize & mask;
        loop {
            let slot = self.slots[place & mask];
            if slot == Slot::EMPTY {
                return (place & mask, None);
            }
            if slot.tag() == tag && K::same(self.entries[slot.number()].0.view(), key) {
                return (place & mask, Some(slot.number()));
            }
            place += 1;
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(FIRST_SLOTS);
        let before = std::mem::replace(&mut self.slots, vec![Slot::EMPTY; slots]);
        for slot in before {
            if slot != Slot::EMPTY {
                let mut place = slot.tag() as usize & (slots - 1);
                while self.slots[place] != Slot::EMPTY {
                    place = (place + 1) & (slots - 1);
                }
                self.slots[place] = slot;
            }
        }
    }

    /// All keys with their values, in the order in which the keys came.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// All keys with their values, in the order in which the keys came.
    pub fn into_entries(self) -> std::vec::IntoIter<(K, V)> {
        self.entries.into_iter()
    }
}
