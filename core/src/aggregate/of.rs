//! [`Of`]: what aggregates are built from.

use std::marker::PhantomData;

use super::{Addend, Aggregate, Avg, Count, Max, Min, Ordered, Reduce, Sum};
use crate::{proof::When, record::Record};

/// Builds aggregates of records of type `T`. It knows the record, so the closures need no types:
/// `.aggregate(|of| (of.count(), of.avg(|trade| trade.price)))`. A tuple of aggregates is an aggregate.
///
/// Values that are options may be missing: `sum`, `avg`, `min` and `max` leave out each `None`, and their result is an option too.
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
    pub fn min<F, V: Ordered>(&self, value: F) -> When<V::Archived, Min<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Min::new(value)
    }

    /// The greatest of a value of each record, of the value's type (see [`Ordered`]).
    pub fn max<F, V: Ordered>(&self, value: F) -> When<V::Archived, Max<F, V>>
    where
        F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
    {
        Max::new(value)
    }

    /// One record out of all, by an associative function that joins two.
    pub fn reduce<F>(&self, join: F) -> Reduce<F>
    where
        F: for<'a, 'b> Fn(T::View<'a>, T::View<'b>) -> T + Clone + Send + 'static,
    {
        Reduce::new::<T>(join)
    }

    /// An aggregate of your own.
    pub fn with<A: Aggregate<T>>(&self, aggregate: A) -> A {
        aggregate
    }
}
