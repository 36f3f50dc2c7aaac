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
}
