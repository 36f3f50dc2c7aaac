//! [`Table`]: the keyed table behind aggregates, pre-aggregation and state.
//!
//! Open addressing with entries in line and linear probing, so that a look-up touches one cache line; the keys of a batch are hashed first
//! and their slots [prefetched](Table::prefetch), which hides the misses of a table larger than the caches.

use std::num::NonZeroU64;

use crate::{key::Key, prefetch::prefetch};

/// Keys to values. Look-ups take the view of a key and its hash and never allocate; only a new key does, if owning it does.
pub struct Table<K, V> {
    slots: Vec<Option<Slot<K, V>>>,
    len: usize,
}

struct Slot<K, V> {
    /// Never zero, so that an empty slot costs no extra word.
    hash: NonZeroU64,
    key: K,
    value: V,
}

const FIRST_SLOTS: usize = 16;

#[inline(always)]
fn nonzero(hash: u64) -> NonZeroU64 {
    NonZeroU64::new(hash).unwrap_or(NonZeroU64::MIN)
}

impl<K: Key, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { slots: Vec::new(), len: 0 }
    }
}

impl<K: Key, V> Table<K, V> {
    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True if it holds no key.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What it takes in memory, in bytes, without what keys and values own elsewhere.
    pub fn size_bytes(&self) -> usize {
        self.slots.len() * size_of::<Option<Slot<K, V>>>()
    }

    /// Asks the processor to load the slot of a hash, ahead of its look-up.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        if !self.slots.is_empty() {
            prefetch(&self.slots[hash as usize & (self.slots.len() - 1)]);
        }
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, hash: u64, key: K::View<'_>) -> Option<&V> {
        if self.slots.is_empty() {
            return None;
        }
        let index = self.find(nonzero(hash), key);
        self.slots[index].as_ref().map(|slot| &slot.value)
    }

    /// The value of a key, made by `value` if the key is new.
    #[inline(always)]
    pub fn entry(&mut self, hash: u64, key: K::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        if self.len >= self.slots.len() / 4 * 3 {
            self.grow();
        }
        let hash = nonzero(hash);
        let index = self.find(hash, key);
        let slot = &mut self.slots[index];
        if slot.is_none() {
            self.len += 1;
        }
        &mut slot.get_or_insert_with(|| Slot { hash, key: K::from_view(key), value: value() }).value
    }

    /// The slot of a key, or the empty slot where it would go. There is always an empty slot.
    #[inline(always)]
    fn find(&self, hash: NonZeroU64, key: K::View<'_>) -> usize {
        let mask = self.slots.len() - 1;
        let mut index = hash.get() as usize & mask;
        loop {
            match &self.slots[index] {
                Some(slot) if slot.hash != hash || !K::same(slot.key.view(), key) => index = (index + 1) & mask,
                _ => return index,
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(FIRST_SLOTS);
        let mut grown: Vec<Option<Slot<K, V>>> = Vec::new();
        grown.resize_with(slots, || None);
        for slot in std::mem::replace(&mut self.slots, grown).into_iter().flatten() {
            let mut index = slot.hash.get() as usize & (slots - 1);
            while self.slots[index].is_some() {
                index = (index + 1) & (slots - 1);
            }
            self.slots[index] = Some(slot);
        }
    }

    /// All keys with their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.slots.iter().flatten().map(|slot| (&slot.key, &slot.value))
    }

    /// Empties the table and gives what was in it with each key's hash, in no order; the memory is released as the iterator goes away.
    pub fn drain(&mut self) -> Drain<K, V> {
        Drain { slots: std::mem::take(self).slots.into_iter() }
    }

    /// Empties the table but keeps its memory, giving each key with its hash and value to `each`.
    pub fn drain_in_place(&mut self, mut each: impl FnMut(u64, K, V)) {
        self.len = 0;
        for slot in &mut self.slots {
            if let Some(slot) = slot.take() {
                each(slot.hash.get(), slot.key, slot.value);
            }
        }
    }
}

/// The entries of a table that was emptied: hash, key, value.
pub struct Drain<K, V> {
    slots: std::vec::IntoIter<Option<Slot<K, V>>>,
}

impl<K, V> Iterator for Drain<K, V> {
    type Item = (u64, K, V);

    fn next(&mut self) -> Option<Self::Item> {
        self.slots.by_ref().flatten().next().map(|slot| (slot.hash.get(), slot.key, slot.value))
    }
}
