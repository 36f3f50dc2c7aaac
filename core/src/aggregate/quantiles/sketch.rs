//! The sketch behind quantiles: counts of values by bucket, and behind them those that have yet to be sorted in.

use std::borrow::Cow;

/// How many values fell into a bucket.
type Count = (i32, u64);

/// The counts by bucket, ascending; and counts as they came, in which a bucket may occur often. Values are gathered there, and sorted in many at a time: to
/// look for the bucket of each would miss the caches several times, and to insert it would move half of the others.
pub(super) type Sketch = (Vec<Count>, Vec<Count>);

/// The most buckets of a sketch. Beyond it the lowest are counted in one.
const BUCKETS_LIMIT: usize = 16 << 10;

/// The least number of counts that are gathered.
const GATHERED_MIN: usize = 64;
/// How many times fewer counts are gathered than there are buckets, where that is more: sorting them in passes over all buckets.
const BUCKETS_PER_GATHERED: usize = 8;

/// Bits of a float's mantissa.
const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;

/// How wide buckets are: `2^precision` of them, of equal width, lie between a power of two and the next.
///
/// A bucket is numbered by the upper bits of the values in it, which for floats ascend as the values do; those of negative values by the negative
/// number. So finding it takes a shift.
#[derive(Debug, Clone, Copy)]
pub(super) struct Widths {
    precision: u32,
}

impl Widths {
    /// The widest with which the middle of a bucket is within this relative error of all values in it.
    pub(super) fn within(error: f64) -> Self {
        // Relative to its values the first bucket behind a power of two is the widest: it goes from 1 to 1 + w. The value that is equally far
        // from both ends is 2 (1 + w) / (2 + w), and its error w / (2 + w).
        let error_of = |precision: u32| 1.0 / (f64::from(1 << (precision + 1)) + 1.0);
        let precision = (0..=19).find(|precision| error_of(*precision) <= error);
        Self { precision: precision.expect("an error of a millionth takes 2^19 buckets to a power of two") }
    }

    #[inline(always)]
    fn shift(self) -> u32 {
        MANTISSA_BITS - self.precision
    }

    /// The bucket of a number, which is not `NaN`. Numbers too small for a full mantissa are in that of zero.
    #[inline(always)]
    pub(super) fn bucket(self, number: f64) -> i32 {
        let magnitude = number.abs();
        if magnitude < f64::MIN_POSITIVE {
            return 0;
        }
        // At most 31 bits: eleven of the exponent, of which not all are set but for infinity, and 19 of the mantissa.
        let bucket = (magnitude.to_bits() >> self.shift()) as i32;
        if number < 0.0 { -bucket } else { bucket }
    }

    /// The number that stands for all in a bucket: relative to it, both ends are equally far.
    pub(super) fn middle(self, bucket: i32) -> f64 {
        if bucket == 0 {
            return 0.0;
        }
        let bits = u64::from(bucket.unsigned_abs()) << self.shift();
        let low = f64::from_bits(bits);
        // Both ends as if they lay between 1 and 2, where nothing overflows. To infinity there is no other end.
        let mantissa = f64::from_bits(bits & ((1 << MANTISSA_BITS) - 1) | 1.0_f64.to_bits());
        let next = mantissa + 1.0 / f64::from(1 << self.precision);
        let magnitude = low * (2.0 * next / (mantissa + next));
        if bucket < 0 { -magnitude } else { magnitude }
    }
}

/// Counts values in their bucket.
#[inline(always)]
pub(super) fn add((buckets, gathered): &mut Sketch, bucket: i32, count: u64) {
    gathered.push((bucket, count));
    if gathered.len() >= GATHERED_MIN && gathered.len() * BUCKETS_PER_GATHERED >= buckets.len() {
        sort_in(buckets, gathered);
    }
}

/// Adds the counts of another sketch.
pub(super) fn merge(
    sketch: &mut Sketch,
    sorted: impl ExactSizeIterator<Item = Count>,
    gathered: impl ExactSizeIterator<Item = Count>,
) {
    if sorted.len() < GATHERED_MIN {
        sorted.for_each(|(bucket, count)| add(sketch, bucket, count));
    } else {
        sketch.0 = merged(&sketch.0, sorted);
    }
    gathered.for_each(|(bucket, count)| add(sketch, bucket, count));
}

/// Sorts the gathered counts in.
#[inline(never)]
fn sort_in(buckets: &mut Vec<Count>, gathered: &mut Vec<Count>) {
    gathered.sort_unstable_by_key(|(bucket, _)| *bucket);
    *buckets = merged(buckets, gathered.drain(..));
}

/// Two runs of counts as one. Both ascend; in the second a bucket may occur often.
fn merged(buckets: &[Count], others: impl ExactSizeIterator<Item = Count>) -> Vec<Count> {
    let mut merged = Vec::<Count>::with_capacity(buckets.len() + others.len());
    let mut push = |(bucket, count): Count| match merged.last_mut() {
        Some((last, total)) if *last == bucket => *total += count,
        _ => merged.push((bucket, count)),
    };
    let mut at = 0;
    for other in others {
        let before = buckets[at..].iter().take_while(|(bucket, _)| *bucket <= other.0).count();
        buckets[at..at + before].iter().for_each(|count| push(*count));
        at += before;
        push(other);
    }
    buckets[at..].iter().for_each(|count| push(*count));
    keep_within_limit(&mut merged);
    merged
}

/// Counts the lowest buckets in the lowest that may stay.
///
/// The buckets that stay are always the highest of all that were ever counted in, whatever the order; and what was counted in one that does not stay
/// moves up, in the end into the lowest that does. So this does not depend on the order either.
fn keep_within_limit(buckets: &mut Vec<Count>) {
    let excess = buckets.len().saturating_sub(BUCKETS_LIMIT);
    if excess > 0 {
        let below: u64 = buckets.drain(..excess).map(|(_, count)| count).sum();
        buckets[0].1 += below;
    }
}

/// All counts by bucket, ascending.
pub(super) fn sorted((buckets, gathered): &Sketch) -> Cow<'_, [Count]> {
    if gathered.is_empty() {
        return Cow::Borrowed(buckets);
    }
    let mut gathered = gathered.clone();
    gathered.sort_unstable_by_key(|(bucket, _)| *bucket);
    Cow::Owned(merged(buckets, gathered.into_iter()))
}

/// How many values there are.
pub(super) fn total(buckets: &[Count]) -> u64 {
    buckets.iter().map(|(_, count)| count).sum()
}

/// The bucket of a quantile of `total` values; `None` if there are none.
pub(super) fn at(buckets: &[Count], total: u64, quantile: f64) -> Option<i32> {
    let position = (quantile * total.checked_sub(1)? as f64) as u64;
    let mut seen = 0;
    let holds = |(_, count): &&(i32, u64)| {
        seen += count;
        seen > position
    };
    // More values than a float counts exactly may round the position past the last.
    buckets.iter().find(holds).or(buckets.last()).map(|(bucket, _)| *bucket)
}
