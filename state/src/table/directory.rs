//! [`Directory`]: which shard of a table a hash belongs to, by the upper bits of its distance from the start of the table's range.
//!
//! It is that of extendible hashing, a power of two of slots. The order of the slots is the order of hashes, so that of key groups.

use crate::groups::{GroupRange, Slots};

/// The most bits that choose a slot: 65,536 slots, for as many shards.
pub(super) const DEPTH_LIMIT: u32 = 16;

pub(super) struct Directory {
    range: Slots,
    depth: u32,
    /// The number of each slot's shard; none before the first row.
    slots: Vec<u32>,
}

impl Directory {
    /// Without shards.
    pub(super) fn new(range: GroupRange) -> Self {
        Self { range: Slots::of(range), depth: 0, slots: Vec::new() }
    }

    /// The slot of a hash. Below [`Directory::slots`] if the hash is of the range and there are shards.
    #[inline(always)]
    pub(super) fn slot(&self, hash: u64) -> usize {
        self.range.slot(hash, self.depth)
    }

    /// The shard of a hash.
    #[inline(always)]
    pub(super) fn find(&self, hash: u64) -> Option<usize> {
        self.slots.get(self.slot(hash)).map(|shard| *shard as usize)
    }

    /// The shard of a slot.
    pub(super) fn shard(&self, slot: usize) -> Option<usize> {
        self.slots.get(slot).map(|shard| *shard as usize)
    }

    /// How many slots there are.
    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    /// How many slots a shard takes that is told apart by so many bits.
    pub(super) fn slots_of(&self, depth: u32) -> usize {
        1 << (self.depth - depth)
    }

    /// The bit that tells apart what a split of a shard of this depth makes of it.
    #[inline(always)]
    pub(super) fn is_upper(&self, hash: u64, depth: u32) -> bool {
        self.range.slot(hash, depth + 1) & 1 == 1
    }

    /// Of all hashes of the range, the share that falls into one of `2^depth` shards that lies wholly in it.
    pub(super) fn share(&self, depth: u32, range: GroupRange) -> f64 {
        let groups = f64::from(range.end.saturating_sub(range.start).max(1)) / f64::from(range.of.max(1));
        (self.range.share(depth) / groups).min(1.0)
    }

    /// The greatest hash of a shard of this depth, whose first slot this is.
    pub(super) fn last(&self, slot: usize, depth: u32) -> u64 {
        self.range.last(slot >> (self.depth - depth), depth)
    }

    /// The greatest hash of a slot.
    pub(super) fn last_of_slot(&self, slot: usize) -> u64 {
        self.range.last(slot, self.depth)
    }

    /// Takes in the first shard.
    pub(super) fn begin(&mut self) {
        self.slots = vec![0];
    }

    /// Gives the upper half of the slots of a shard of this depth, to which `slot` belongs, to the shard `upper`; true if there had to be twice as many
    /// slots for it.
    pub(super) fn split(&mut self, mut slot: usize, depth: u32, upper: usize) -> bool {
        let doubled = depth == self.depth;
        if doubled {
            self.slots = self.slots.iter().flat_map(|shard| [*shard; 2]).collect();
            self.depth += 1;
            slot *= 2;
        }
        let all = self.slots_of(depth);
        let start = slot & !(all - 1);
        self.slots[start + all / 2..start + all].fill(upper as u32);
        doubled
    }

    /// What the slots take in memory, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }
}
