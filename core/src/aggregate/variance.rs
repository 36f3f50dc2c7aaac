//! [`Variance`] and [`StdDev`]: how far values lie from their average.

use std::marker::PhantomData;

use super::{Addend, Aggregate, Merging, Number};
use crate::{record::Record, time::Timestamp};

/// The mean squared distance from the average. Made by [`Of::variance`](super::Of::variance) and
/// [`Of::variance_population`](super::Of::variance_population).
pub type Variance<F, V> = Spread<F, V, false>;

/// The square root of the variance. Made by [`Of::std_dev`](super::Of::std_dev) and
/// [`Of::std_dev_population`](super::Of::std_dev_population).
pub type StdDev<F, V> = Spread<F, V, true>;

/// How far values lie from their average, as `Option<f64>`: `None` where there are too few of them. A `NaN` or an infinity among the values
/// makes it `NaN`.
///
/// It is taken by the method of Welford, and merged by that of Chan, Golub and LeVeque: no large sums of squares are subtracted from each
/// other, so values far from zero lose no digits.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure.
#[derive(Debug, Clone)]
pub struct Spread<F, V, const ROOT: bool> {
    value: F,
    /// What the number of values is lessened by before the sum of squares is divided by it: 1 for a sample, 0 for a population.
    correction: u64,
    returns: PhantomData<fn() -> V>,
}

impl<F, V, const ROOT: bool> Spread<F, V, ROOT> {
    pub(super) fn of_sample(value: F) -> Self {
        Self { value, correction: 1, returns: PhantomData }
    }

    pub(super) fn of_population(value: F) -> Self {
        Self { value, correction: 0, returns: PhantomData }
    }
}

/// How many values there are, their average, and the sum of the squares of their distances from it.
type Moments = (u64, f64, f64);

impl<F, V, const ROOT: bool> Merging for Spread<F, V, ROOT> {}

impl<T: Record, F, V: Addend, const ROOT: bool> Aggregate<T> for Spread<F, V, ROOT>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    type Acc = Moments;
    type Out = Option<f64>;

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> Moments {
        (0, 0.0, 0.0)
    }

    #[inline(always)]
    fn add(&self, (count, mean, squares): &mut Moments, record: T::View<'_>, _: Timestamp) {
        if let Some(number) = (self.value)(record).number() {
            let number = number.to_f64();
            *count += 1;
            let before = number - *mean;
            *mean += before / *count as f64;
            *squares += before * (number - *mean);
        }
    }

    #[inline(always)]
    fn merge(&self, (count, mean, squares): &mut Moments, (others, other_mean, other_squares): Moments) {
        if others == 0 {
            return;
        }
        let (own, both) = (*count as f64, (*count + others) as f64);
        let apart = other_mean - *mean;
        let weight = others as f64 / both;
        *squares += other_squares + apart * apart * own * weight;
        *mean += apart * weight;
        *count += others;
    }

    #[inline(always)]
    fn finish(&self, (count, _, squares): &Moments) -> Option<f64> {
        let variance = (*count > self.correction).then(|| squares / (count - self.correction) as f64);
        if ROOT { variance.map(f64::sqrt) } else { variance }
    }
}
