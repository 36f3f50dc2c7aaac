//! [`Avg`]: the average value of all records.

use std::marker::PhantomData;

use super::{Addend, Aggregate, Merging, Number};
use crate::{record::Record, time::Timestamp};

/// The average of a value of each record, as `f64`. Made by [`Of::avg`](super::Of::avg). The sum is kept as by [`Sum`](super::Sum), so the
/// average depends as little on the order.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure.
#[derive(Debug, Clone)]
pub struct Avg<F, V> {
    value: F,
    returns: PhantomData<fn() -> V>,
}

impl<F, V> Avg<F, V> {
    pub(super) fn new(value: F) -> Self {
        Self { value, returns: PhantomData }
    }
}

/// A total, and of how many numbers it is.
type Counted<N> = (<N as Number>::Total, u64);

impl<F, V> Merging for Avg<F, V> {}

impl<T: Record, F, V: Addend> Aggregate<T> for Avg<F, V>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    type Acc = Counted<V::Number>;
    type Out = V::Mean;

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> Counted<V::Number> {
        (V::Number::zero(), 0)
    }

    #[inline(always)]
    fn add(&self, (total, count): &mut Counted<V::Number>, record: T::View<'_>, _: Timestamp) {
        if let Some(number) = (self.value)(record).number() {
            number.add(total);
            *count += 1;
        }
    }

    #[inline(always)]
    fn merge(&self, (total, count): &mut Counted<V::Number>, other: <Counted<V::Number> as Record>::View<'_>) {
        V::Number::merge(total, other.0);
        *count += other.1;
    }

    #[inline(always)]
    fn finish(&self, (total, count): &Counted<V::Number>) -> V::Mean {
        V::mean((*count > 0).then(|| V::Number::sum_f64(total) / *count as f64))
    }

    const SUBTRACTS: bool = <V::Number as Number>::SUBTRACTS;

    #[inline(always)]
    fn subtract(&self, (total, count): &mut Counted<V::Number>, other: <Counted<V::Number> as Record>::View<'_>) {
        V::Number::subtract(total, other.0);
        *count -= other.1;
    }
}
