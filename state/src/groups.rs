//! Key groups: the unit in which keyed state is stored and moved. A subtask owns a range of them.

use std::ops::Range;

use millstream_core::key::key_group;
use serde::{Deserialize, Serialize};

/// A range of key groups, out of all that a chain has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRange {
    /// The first group.
    pub start: u32,
    /// One behind the last group.
    pub end: u32,
    /// How many groups there are in all: the chain's maximal parallelism.
    pub of: u32,
}

impl GroupRange {
    /// All groups.
    pub fn all(of: u32) -> Self {
        Self { start: 0, end: of, of }
    }

    /// The groups that a subtask owns: those whose [`owner_of`](millstream_core::key::owner_of) it is.
    ///
    /// ```
    /// use millstream_state::groups::GroupRange;
    /// assert_eq!(GroupRange::owned_by(0, 3, 128).groups(), 0..43);
    /// assert_eq!(GroupRange::owned_by(2, 3, 128).groups(), 86..128);
    /// ```
    pub fn owned_by(subtask: u32, parallelism: u32, of: u32) -> Self {
        let start = |subtask: u32| (u64::from(subtask) * u64::from(of)).div_ceil(u64::from(parallelism)) as u32;
        Self { start: start(subtask), end: start(subtask + 1), of }
    }

    /// The groups.
    pub fn groups(self) -> Range<u32> {
        self.start..self.end
    }

    /// True if it has the group of this hash.
    #[inline(always)]
    pub fn holds(self, hash: u64) -> bool {
        self.groups().contains(&key_group(hash, self.of))
    }

    /// What two ranges have in common; may be empty.
    pub fn intersection(self, other: Self) -> Self {
        debug_assert_eq!(self.of, other.of, "ranges of one chain");
        let start = self.start.max(other.start);
        Self { start, end: self.end.min(other.end).max(start), of: self.of }
    }

    /// True if it has no group.
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// Cuts the hashes of a range into powers of two of slots, in their order.
///
/// A subtask's hashes lie close together if there are many subtasks; counted from the start of their range, they take up at least half of the slots all the
/// same.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slots {
    /// The smallest hash of the range.
    base: u64,
    /// How many upper bits are zero in all distances from `base`.
    lead: u32,
}

impl Slots {
    pub(crate) fn of(range: GroupRange) -> Self {
        // Group `g` begins at the first `h` for which `h * of >> 32` is `g`.
        let first = |group: u32| (u64::from(group) << 32).div_ceil(u64::from(range.of.max(1)));
        let (start, end) = (first(range.start), first(range.end));
        let furthest = end.saturating_sub(start + 1); // in steps of 2^32, below 2^32
        Self { base: start << 32, lead: furthest.leading_zeros() - 32 }
    }

    /// The slot of a hash, of `2^depth`.
    #[inline(always)]
    pub(crate) fn slot(self, hash: u64, depth: u32) -> usize {
        // In two steps, since all 64 bits are shifted out as long as there is one slot for all hashes.
        (hash.wrapping_sub(self.base) >> 1 >> (63 - self.lead - depth)) as usize
    }

    /// The greatest hash of a slot, of `2^depth`.
    pub(crate) fn last(self, slot: usize, depth: u32) -> u64 {
        let behind = u128::from(self.base) + ((slot as u128 + 1) << (64 - self.lead - depth));
        u64::try_from(behind - 1).unwrap_or(u64::MAX)
    }

    /// Which share of all hashes a slot has, of `2^depth`.
    pub(crate) fn share(self, depth: u32) -> f64 {
        0.5_f64.powi((self.lead + depth) as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use millstream_core::key::owner_of;

    #[test]
    fn every_group_is_owned_by_the_subtask_that_its_records_are_sent_to() {
        for of in [1, 2, 7, 128, 1000] {
            for parallelism in 1..=of.min(130) {
                for group in 0..of {
                    let owner = owner_of(group, of, parallelism);
                    assert!(GroupRange::owned_by(owner, parallelism, of).groups().contains(&group));
                }
                let total: usize =
                    (0..parallelism).map(|i| GroupRange::owned_by(i, parallelism, of).groups().len()).sum();
                assert_eq!(total, of as usize);
            }
        }
    }

    #[test]
    fn slots_cut_a_range_without_gaps() {
        for (subtask, parallelism, of) in [(0, 1, 128), (1, 3, 128), (127, 128, 128), (0, 1, 1), (6, 7, 1000)] {
            let slots = Slots::of(GroupRange::owned_by(subtask, parallelism, of));
            assert_eq!(slots.slot(slots.base, 0), 0);
            for depth in [0, 1, 8, 16] {
                for slot in (0..1_usize << depth).step_by(7) {
                    let last = slots.last(slot, depth);
                    if last == u64::MAX {
                        break;
                    }
                    assert_eq!((slots.slot(last, depth), slots.slot(last + 1, depth)), (slot, slot + 1), "{depth}");
                }
            }
        }
    }
}
