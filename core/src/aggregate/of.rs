//! [`Of`]: what aggregates are built from.

use std::marker::PhantomData;

use super::{
    Addend, Aggregate, Avg, BottomK, Collect, Count, CountDistinct, CountDistinctApprox, Distinct, First, Fold, Last,
    Max, MaxBy, Min, MinBy, Ordered, Quantiles, Reduce, StdDev, Sum, TopK, Variance,
};
use crate::{proof::When, record::Record};

/// Builds aggregates of records of type `T`. It knows the record, so the closures need no types:
/// `.aggregate(|of| (of.count(), of.avg(|trade| trade.price)))`. A tuple of up to eight aggregates is an aggregate.
///
/// | aggregate | what it gives | result | merges |
/// |---|---|---|---|
/// | [`count`](Of::count) | how many records | `u64` | yes |
/// | [`sum`](Of::sum) | what the values add up to | `i128` of integers, exact; `f64` of floats, within 1e-15 of the magnitudes | yes |
/// | [`avg`](Of::avg) | the average value | `f64`, as exact as the sum | yes |
/// | [`variance`](Of::variance), [`std_dev`](Of::std_dev) | how far from the average, of a sample; also `_population` | `Option<f64>`, stable | yes |
/// | [`min`](Of::min), [`max`](Of::max) | the least, the greatest value | the value's type | yes |
/// | [`min_by`](Of::min_by), [`max_by`](Of::max_by) | the record with the least, the greatest key | `T` | yes |
/// | [`top_k`](Of::top_k), [`bottom_k`](Of::bottom_k) | the `k` records with the greatest, the least keys | `Vec<T>`, sorted | yes |
/// | [`first`](Of::first), [`last`](Of::last) | the earliest, the latest value | the value's type | yes |
/// | [`quantiles`](Of::quantiles) | the values below which given parts of all lie | `[f64; N]`, within 1 % or what is asked for | yes |
/// | [`count_distinct`](Of::count_distinct) | how many different values | `u64`, exact | yes |
/// | [`count_distinct_approx`](Of::count_distinct_approx) | the same in at most 16 KiB | `u64`, standard error 0.81 % | yes |
/// | [`reduce`](Of::reduce) | one record out of all, two by two | `T` | yes |
/// | [`collect`](Of::collect) | all values, in the order in which they come | `Vec` of the value's type | no |
/// | [`fold`](Of::fold) | records one by one into a value | the value's type | no |
/// | [`with`](Of::with) | an aggregate of your own | what it says | as it says |
///
/// What *merges* is combined before it is sent, so that much less is sent. A tuple merges if all of its aggregates do.
///
/// Values that are options may be missing: each `None` is left out. If nothing is left, the result is what it is of nothing: a count of 0, an empty
/// list, otherwise `None` (results that can be missing are options, if the values are).
///
/// ```
/// use millstream_core::{aggregate::{Aggregate, Of}, record::Record, time::Timestamp};
///
/// let of = Of::<(String, u64)>::new();
/// let aggregate = (of.count(), of.sum(|(_, n)| n), of.max_by(|(_, n)| n));
///
/// // What a stream does for each key:
/// fn fold<T: Record, A: Aggregate<T>>(aggregate: A, records: &[T]) -> A::Out {
///     let mut acc = aggregate.create();
///     for record in records {
///         aggregate.add(&mut acc, record.view(), Timestamp::MIN);
///     }
///     aggregate.finish(&acc)
/// }
/// let records = [("mill", 3_u64), ("stone", 5), ("wheel", 4)].map(|(name, n)| (name.to_owned(), n));
/// assert_eq!(fold(aggregate, &records), (3, 12, ("stone".to_owned(), 5)));
/// ```
#[derive(Debug)]
pub struct Of<T>(PhantomData<fn(T)>);

impl<T: Record> Default for Of<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Record> Of<T> {
    /// Builds aggregates of `T`.
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// How many records there are, as `u64`.
    pub fn count(&self) -> Count {
        Count
    }

    /// What a value of each record adds up to: `i128` for integers, which cannot overflow, `f64` for floats, which hardly depends on the
    /// order of records (see [`Number`](super::Number)).
    pub fn sum<F, V: Addend>(&self, value: F) -> When<V::Sum, Sum<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Sum::new(value)
    }

    /// The average of a value of each record, as `f64`.
    pub fn avg<F, V: Addend>(&self, value: F) -> When<V::Sum, Avg<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Avg::new(value)
    }

    /// The least of a value of each record, of the value's type (see [`Ordered`]).
    pub fn min<F, V: Ordered>(&self, value: F) -> When<V::OrderProof, Min<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Min::new(value)
    }

    /// The greatest of a value of each record, of the value's type (see [`Ordered`]).
    pub fn max<F, V: Ordered>(&self, value: F) -> When<V::OrderProof, Max<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Max::new(value)
    }

    /// The record with the least key (see [`Ordered`]): `of.min_by(|trade| trade.price)`. Of records with equal keys it is the earliest, and of those
    /// that are as early the one that came first.
    pub fn min_by<F, V: Ordered>(&self, key: F) -> When<V::OrderProof, MinBy<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        MinBy::new(key)
    }

    /// The record with the greatest key (see [`Ordered`]): `of.max_by(|trade| trade.price)`. Of records with equal keys it is the earliest, and of
    /// those that are as early the one that came first.
    pub fn max_by<F, V: Ordered>(&self, key: F) -> When<V::OrderProof, MaxBy<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        MaxBy::new(key)
    }

    /// The `k` records with the greatest keys (see [`Ordered`]), from the greatest down; fewer if there are fewer. Of records with equal keys the
    /// earliest come first. It is meant for lists that someone would read: a record that gets into it costs a step for each one behind it.
    pub fn top_k<F, V: Ordered>(&self, k: usize, key: F) -> When<V::OrderProof, TopK<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        TopK::new(k, key)
    }

    /// The `k` records with the least keys (see [`Ordered`]), from the least up; otherwise as [`Of::top_k`].
    pub fn bottom_k<F, V: Ordered>(&self, k: usize, key: F) -> When<V::OrderProof, BottomK<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        BottomK::new(k, key)
    }

    /// The value of the earliest record by event time: `of.first(|trade| trade.price)`; for the record itself, `of.first(|trade| Trade::from_view(trade))`.
    /// Of records of one time, and in a stream without event time, it is that of the one that came first.
    pub fn first<F, V: Record>(&self, value: F) -> When<V::Archived, First<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        First::new(value)
    }

    /// The value of the latest record by event time; for the record itself, `of.last(|trade| Trade::from_view(trade))`. Of records of one time, and in a
    /// stream without event time, it is that of the one that came last.
    pub fn last<F, V: Record>(&self, value: F) -> When<V::Archived, Last<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Last::new(value)
    }

    /// A value of each record, as a list in the order in which they come. The list is in memory, and a result may not be larger than the job's largest
    /// record.
    pub fn collect<F, V: Record>(&self, value: F) -> When<V::Archived, Collect<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Collect::new(value)
    }

    /// How many different values there are, as `u64`. All of them are kept; where they are many, see [`Of::count_distinct_approx`].
    pub fn count_distinct<F, V: Distinct>(&self, value: F) -> When<V::DistinctProof, CountDistinct<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        CountDistinct::new(value)
    }

    /// About how many different values there are, as `u64`, with a standard error of 0.81 % and in at most 16 KiB (see [`CountDistinctApprox`]).
    pub fn count_distinct_approx<F, V: Distinct>(&self, value: F) -> When<V::DistinctProof, CountDistinctApprox<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        CountDistinctApprox::new(value)
    }

    /// The variance of a value of each record, taken as a sample of more: the sum of squared distances from the average, divided by one less than the
    /// number of values. `None` where there are fewer than two.
    pub fn variance<F, V: Addend>(&self, value: F) -> When<V::Sum, Variance<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Variance::of_sample(value)
    }

    /// The variance of a value of each record, taken as all there are: the sum of squared distances from the average, divided by the number of values.
    /// `None` where there are none.
    pub fn variance_population<F, V: Addend>(&self, value: F) -> When<V::Sum, Variance<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Variance::of_population(value)
    }

    /// The standard deviation, the square root of [`Of::variance`].
    pub fn std_dev<F, V: Addend>(&self, value: F) -> When<V::Sum, StdDev<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        StdDev::of_sample(value)
    }

    /// The standard deviation, the square root of [`Of::variance_population`].
    pub fn std_dev_population<F, V: Addend>(&self, value: F) -> When<V::Sum, StdDev<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        StdDev::of_population(value)
    }

    /// Quantiles of a value of each record, as an array of `f64`: `of.quantiles([0.5, 0.99], |call| call.millis)` gives the median and the 99th
    /// percentile, each within 1 % of the value; for another error see [`Quantiles::relative_error`], for what exactly is given [`Quantiles`].
    ///
    /// # Panics
    ///
    /// If a quantile is not from 0 to 1.
    #[track_caller]
    pub fn quantiles<F, V: Addend, const N: usize>(
        &self,
        quantiles: [f64; N],
        value: F,
    ) -> When<V::Sum, Quantiles<F, V, N>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Quantiles::new(quantiles, value)
    }

    /// One record out of all, by an associative function that joins two.
    pub fn reduce<F>(&self, join: F) -> Reduce<F>
    where
        F: for<'a, 'b> Fn(T::View<'a>, T::View<'b>) -> T + Clone + Send + 'static,
    {
        Reduce::new::<T>(join)
    }

    /// Folds records into a value, in the order in which they come: the function gets what was folded so far, at first `init`, and the next record,
    /// and returns what is folded then. `of.fold(String::new(), |all, trade| all + trade.symbol)`
    pub fn fold<B: Record + Clone, F>(&self, init: B, step: F) -> Fold<F, B>
    where
        F: for<'a> Fn(B, T::View<'a>) -> B + Clone + Send + 'static,
    {
        Fold::new::<T>(init, step)
    }

    /// An aggregate of your own.
    pub fn with<A: Aggregate<T>>(&self, aggregate: A) -> A {
        aggregate
    }
}
