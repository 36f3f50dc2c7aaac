//! [`Table`]: the keyed table behind aggregates, pre-aggregation and state.
//!
//! Entries lie densely one behind the other, in the order in which their keys came; a separate index of open addressing leads to them. The index is made of
//! groups of the size of a cache line: eight tags (32 bits of the hash) that are compared at once, and the numbers of their eight entries. So a look-up
//! reads one line of the index and touches one entry, without a branch that depends on where in the group the key lies; the index grows without looking at
//! the entries; and walking all entries is walking a vector. For tables larger than the caches the keys of a batch are hashed first and their groups and
//! entries [prefetched](Table::prefetch), which hides the misses.

use crate::{key::Key, processor::{equal_words, prefetch}};

/// Keys to values. Look-ups take the view of a key and its hash and never allocate; only a new key does, if owning it does.
pub struct Table<K, V> {
    /// A power of two of groups, or none.
    groups: Vec<Group>,
    entries: Vec<(K, V)>,
}

const GROUP_SLOTS: usize = 8;
/// The table grows when this share of the slots of its groups is taken, in 16ths.
const LOAD_LIMIT_16THS: usize = 13;
/// Below this many bytes of index a table is taken to lie in the processor's caches, where prefetching only costs.
const CACHED_BYTES: usize = 256 << 10;

/// Slots that are compared at once. They are taken in order, so a group whose last slot is empty has sent no key on to the next group.
///
/// The tag is the low half of a hash (the high half has chosen the key group), and its low bits are the group's place, so growing needs nothing but the
/// groups. The number is that of the entry plus one; 0 is an empty slot.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Group {
    tags: [u32; GROUP_SLOTS],
    numbers: [u32; GROUP_SLOTS],
}

impl Group {
    const EMPTY: Group = Group { tags: [0; GROUP_SLOTS], numbers: [0; GROUP_SLOTS] };

    /// A bit for each slot with this tag (and, if the tag is 0, for each empty one).
    #[inline(always)]
    fn tagged(&self, tag: u32) -> u32 {
        equal_words(&self.tags, tag)
    }

    /// The number of a slot's entry, if the slot is not empty.
    #[inline(always)]
    fn number(&self, slot: usize) -> Option<usize> {
        self.numbers[slot % GROUP_SLOTS].checked_sub(1).map(|number| number as usize)
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.numbers[GROUP_SLOTS - 1] != 0
    }

    /// Takes the first empty slot; false if there is none.
    #[inline(always)]
    fn take(&mut self, tag: u32, number: u32) -> bool {
        match self.numbers.iter().position(|taken| *taken == 0) {
            Some(slot) => {
                (self.tags[slot], self.numbers[slot]) = (tag, number);
                true
            }
            None => false,
        }
    }
}

impl<K: Key, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { groups: Vec::new(), entries: Vec::new() }
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
        self.groups.capacity() * size_of::<Group>() + self.entries.capacity() * size_of::<(K, V)>()
    }

    /// True if the table is so large that [`Table::prefetch`] pays.
    #[inline(always)]
    pub fn wants_prefetch(&self) -> bool {
        self.groups.len() * size_of::<Group>() >= CACHED_BYTES
    }

    /// Asks the processor to load the slots of a hash; to be called for a batch of hashes.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if let Some(group) = self.first_group(hash as u32) {
            prefetch(group);
        }
    }

    /// Asks the processor to load the entry of a hash whose slots have been prefetched; to be called for the batch before its look-ups.
    #[inline(always)]
    pub fn prefetch_entry(&self, hash: u64) {
        // Few keys lie beyond their first group; looking there would cost more than their misses.
        let Some(group) = self.first_group(hash as u32) else { return };
        let tagged = group.tagged(hash as u32);
        if tagged != 0
            && let Some(number) = group.number(tagged.trailing_zeros() as usize)
        {
            prefetch(&self.entries[number]);
        }
    }

    #[inline(always)]
    fn first_group(&self, tag: u32) -> Option<&Group> {
        self.groups.get(tag as usize & self.groups.len().wrapping_sub(1))
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, hash: u64, key: K::View<'_>) -> Option<&V> {
        if self.groups.is_empty() {
            return None;
        }
        self.find(hash as u32, key).ok().map(|number| &self.entries[number].1)
    }

    /// The value of a key, made by `value` if the key is new.
    ///
    /// # Panics
    ///
    /// If the table would hold 2^32 keys: far more than fits into the memory of a subtask.
    #[inline(always)]
    pub fn entry(&mut self, hash: u64, key: K::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        if self.entries.len() * 16 >= self.groups.len() * (GROUP_SLOTS * LOAD_LIMIT_16THS) {
            self.grow();
        }
        let tag = hash as u32;
        let number = match self.find(tag, key) {
            Ok(number) => number,
            Err(place) => {
                let number = self.entries.len();
                assert!(number < u32::MAX as usize, "a table holds fewer than 2^32 keys");
                self.groups[place].take(tag, number as u32 + 1);
                self.entries.push((K::from_view(key), value()));
                number
            }
        };
        &mut self.entries[number].1
    }

    /// The number of a key's entry; or the group with an empty slot where it would go. There always is one.
    #[inline(always)]
    fn find(&self, tag: u32, key: K::View<'_>) -> Result<usize, usize> {
        let mask = self.groups.len() - 1;
        let mut place = tag as usize & mask;
        loop {
            let group = &self.groups[place];
            let mut tagged = group.tagged(tag);
            while tagged != 0 {
                match group.number(tagged.trailing_zeros() as usize) {
                    Some(number) if K::same(self.entries[number].0.view(), key) => return Ok(number),
                    _ => tagged &= tagged - 1,
                }
            }
            if !group.is_full() {
                return Err(place);
            }
            place = (place + 1) & mask;
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let groups = (self.groups.len() * 2).max(1);
        let before = std::mem::replace(&mut self.groups, vec![Group::EMPTY; groups]);
        for group in &before {
            for (tag, number) in group.tags.into_iter().zip(group.numbers).filter(|(_, number)| *number != 0) {
                let mut place = tag as usize & (groups - 1);
                while !self.groups[place].take(tag, number) {
                    place = (place + 1) & (groups - 1);
                }
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
