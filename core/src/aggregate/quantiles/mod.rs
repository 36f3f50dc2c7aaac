//! [`Quantiles`]: the values below which given parts of all values lie.

mod sketch;

use std::marker::PhantomData;

use super::{Addend, Aggregate, Merging, Number};
use crate::{record::Record, time::Timestamp};

use sketch::{Sketch, Widths};

/// The largest relative error of a quantile unless another is asked for.
const RELATIVE_ERROR: f64 = 0.01;

/// Quantiles of a value of each record, within a relative error. Made by [`Of::quantiles`](super::Of::quantiles).
///
/// Values are counted in buckets whose widths grow with the values, as in DDSketch (Masson, Rim, Lee: *DDSketch: A Fast and
/// Fully-Mergeable Quantile Sketch with Relative-Error Guarantees*). Counts are integers and the bucket of a value is made of its bits, so the
/// result does not depend on the order of records, nor on how they were combined, nor on the machine.
///
/// - The quantile `q` of `n` sorted values is the value at position `⌊q (n - 1)⌋`, so 0 stands for the least and 1 for the greatest. What is
///   given for it differs from it by at most the relative error: 1 %, or what [`Quantiles::relative_error`] says.
/// - Negative values and infinities have their places. `NaN` and `None` are left out; if nothing is left, quantiles of options are `None` and
///   others `NaN`.
/// - Magnitudes below `f64::MIN_POSITIVE` count as zero.
/// - There are at most 16,384 buckets. Should the values need more, the lowest of them are counted in one, and the error holds only for quantiles
///   above it. At 1 % that takes values of one sign that range over 77 decades, or of both over 38; at 0.1 %, over 9 or 4.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure.
#[derive(Debug, Clone)]
pub struct Quantiles<F, V, const N: usize> {
    value: F,
    quantiles: [f64; N],
    widths: Widths,
    returns: PhantomData<fn() -> V>,
}

impl<F, V, const N: usize> Quantiles<F, V, N> {
    #[track_caller]
    pub(super) fn new(quantiles: [f64; N], value: F) -> Self {
        for quantile in quantiles {
            assert!(
                (0.0..=1.0).contains(&quantile),
                "quantiles are from 0 to 1, and {quantile} is not: the median is 0.5"
            );
        }
        Self { value, quantiles, widths: Widths::within(RELATIVE_ERROR), returns: PhantomData }
    }

    /// Asks for this relative error: `of.quantiles([0.99], |call| call.millis).relative_error(0.001)`. The less it is, the more memory a key
    /// may take: half the error, twice the buckets.
    ///
    /// # Panics
    ///
    /// If it is below 0.000001 or not below 1.
    #[track_caller]
    #[must_use]
    pub fn relative_error(mut self, error: f64) -> Self {
        assert!(
            (1e-6..1.0).contains(&error),
            "a relative error is from 0.000001 up to 1, and {error} is not: 1 % is 0.01"
        );
        self.widths = Widths::within(error);
        self
    }
}

impl<F, V, const N: usize> Merging for Quantiles<F, V, N> {}

impl<T: Record, F, V: Addend, const N: usize> Aggregate<T> for Quantiles<F, V, N>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    type Acc = Sketch;
    type Out = [V::Mean; N];

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> Sketch {
        Sketch::default()
    }

    #[inline(always)]
    fn add(&self, sketch: &mut Sketch, record: T::View<'_>, _: Timestamp) {
        if let Some(number) = (self.value)(record).number() {
            let number = number.to_f64();
            if !number.is_nan() {
                sketch::add(sketch, self.widths.bucket(number), 1);
            }
        }
    }

    fn merge(&self, sketch: &mut Sketch, other: <Sketch as Record>::View<'_>) {
        sketch::merge(sketch, other.0.iter(), other.1.iter());
    }

    fn finish(&self, sketch: &Sketch) -> [V::Mean; N] {
        let buckets = sketch::sorted(sketch);
        let total = sketch::total(&buckets);
        self.quantiles.map(|quantile| V::mean(sketch::at(&buckets, total, quantile).map(|at| self.widths.middle(at))))
    }
}
