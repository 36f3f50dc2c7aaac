//! [`Sample`]: keeps a share of the records, the same ones whenever they come.

use std::{convert::Infallible, marker::PhantomData};

use millstream_core::{fingerprint::Fingerprints, key::mix, record::Record, time::Timestamp};

use crate::operator::{Operator, Push};

/// The operator of [`Stream::sample`](crate::stream::Stream::sample). It goes by a hash of the record, so it has nothing to remember and to restore.
pub struct Sample<T> {
    fraction: f64,
    seed: u64,
    prints: Fingerprints,
    record: PhantomData<fn(T)>,
}

impl<T> Sample<T> {
    /// Two with one seed keep the same records.
    pub(crate) fn new(fraction: f64, seed: u64) -> Self {
        Self { fraction, seed, prints: Fingerprints::default(), record: PhantomData }
    }

    /// What is wrong with a share of the records.
    pub(crate) fn mistake(fraction: f64) -> Option<String> {
        let is_share = (0.0..=1.0).contains(&fraction);
        (!is_share).then(|| {
            format!("`sample({fraction})` is no share of the records: it is from 0 to 1, as 0.01 for one in a hundred")
        })
    }
}

impl<T> Clone for Sample<T> {
    fn clone(&self) -> Self {
        Self::new(self.fraction, self.seed)
    }
}

impl<T: Record> Operator<T> for Sample<T> {
    type Out = T;
    type Error = Infallible;
    const KIND: &'static str = "sample";
    const WATERMARK_MAY_FAIL: bool = false;

    #[inline(always)]
    fn process<N: Push<T>>(&mut self, record: T::View<'_>, at: Timestamp, out: &mut N) -> Result<(), Infallible> {
        // What cannot be encoded goes on, to where it is to be sent, and who sends it says what is wrong with it.
        let print = self.prints.of::<T>(record, self.seed).unwrap_or_default();
        if is_below(mix(print ^ mix(at.millis() as u64)), self.fraction) {
            out.push(record, at);
        }
        Ok(())
    }
}

/// True of as large a share of all hashes: by the upper 53 bits, which are as many as a float can tell apart.
#[inline(always)]
fn is_below(hash: u64, fraction: f64) -> bool {
    const BITS: u32 = f64::MANTISSA_DIGITS;
    ((hash >> (u64::BITS - BITS)) as f64) < fraction * (1_u64 << BITS) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_what_it_says() {
        for hash in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(is_below(hash, 1.0) && !is_below(hash, 0.0), "{hash}");
        }
        assert!(is_below(u64::MAX / 4, 0.25) && !is_below(u64::MAX / 4 + (1 << 12), 0.25));
    }

    #[test]
    fn what_is_no_share_is_a_mistake() {
        for fraction in [0.0, 0.3, 1.0] {
            assert_eq!(Sample::<u64>::mistake(fraction), None);
        }
        for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Sample::<u64>::mistake(fraction).is_some(), "{fraction}");
        }
    }
}
