//! The sketch behind quantiles: counts of values by bucket, sorted by bucket.

/// How many values fell into each bucket; the buckets ascend.
pub(super) type Sketch = Vec<(i32, u64)>;

/// The most buckets of a sketch. Beyond it the lowest are counted in one.
const BUCKETS_LIMIT: usize = 16 << 10;

/// A sketch that has so many times fewer buckets than the one it is merged into is added bucket by bucket.
const SMALL: usize = 8;

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
#[inline]
pub(super) fn add(sketch: &mut Sketch, bucket: i32, count: u64) {
    match sketch.binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
        Ok(at) => sketch[at].1 += count,
        Err(at) => insert(sketch, at, bucket, count),
    }
}

/// Buckets are new rarely: there are only so many.
#[cold]
fn insert(sketch: &mut Sketch, at: usize, bucket: i32, count: u64) {
    // What lies below the lowest bucket of a sketch that is full belongs to it.
    if sketch.len() >= BUCKETS_LIMIT && at == 0 {
        sketch[0].1 += count;
        return;
    }
    sketch.insert(at, (bucket, count));
    keep_within_limit(sketch);
}

/// Adds the counts of another sketch.
pub(super) fn merge(sketch: &mut Sketch, other: impl ExactSizeIterator<Item = (i32, u64)>) {
    if other.len() * SMALL < sketch.len() {
        other.for_each(|(bucket, count)| add(sketch, bucket, count));
        return;
    }
    sketch.extend(other);
    // Two ascending runs, which a stable sort merges in one pass.
    sketch.sort_by_key(|(bucket, _)| *bucket);
    sketch.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    keep_within_limit(sketch);
}

/// Counts the lowest buckets in the lowest that may stay.
///
/// The buckets that stay are always the highest of all that were ever counted in, whatever the order; and what was counted in one that does not stay
/// moves up, in the end into the lowest that does. So this does not depend on the order either.
fn keep_within_limit(sketch: &mut Sketch) {
    let excess = sketch.len().saturating_sub(BUCKETS_LIMIT);
    if excess > 0 {
        let below: u64 = sketch.drain(..excess).map(|(_, count)| count).sum();
        sketch[0].1 += below;
    }
}

/// How many values there are.
pub(super) fn total(sketch: &Sketch) -> u64 {
    sketch.iter().map(|(_, count)| count).sum()
}

/// The bucket of a quantile of `total` values; `None` if there are none.
pub(super) fn at(sketch: &Sketch, total: u64, quantile: f64) -> Option<i32> {
    let position = (quantile * total.checked_sub(1)? as f64) as u64;
    let mut seen = 0;
    let holds = |(_, count): &&(i32, u64)| {
        seen += count;
        seen > position
    };
    // More values than a float counts exactly may round the position past the last.
    sketch.iter().find(holds).or(sketch.last()).map(|(bucket, _)| *bucket)
}
