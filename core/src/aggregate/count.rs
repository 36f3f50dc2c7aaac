//! [`Count`]: how many records there are.

use super::{Aggregate, Merging};
use crate::{record::Record, time::Timestamp};

/// Counts records. Made by [`Of::count`](super::Of::count).
#[derive(Debug, Clone, Copy)]
pub struct Count;

impl Merging for Count {}

impl<T: Record> Aggregate<T> for Count {
    type Acc = u64;
    type Out = u64;

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> u64 {
        0
    }

    #[inline(always)]
    fn add(&self, count: &mut u64, _: T::View<'_>, _: Timestamp) {
        *count += 1;
    }

    #[inline(always)]
    fn merge(&self, count: &mut u64, other: u64) {
        *count += other;
    }

    #[inline(always)]
    fn finish(&self, count: &u64) -> u64 {
        *count
    }

    const SUBTRACTS: bool = true;

    #[inline(always)]
    fn subtract(&self, count: &mut u64, other: u64) {
        *count -= other;
    }
}
