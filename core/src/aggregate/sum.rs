//! [`Sum`]: what the values of all records add up to.

use std::marker::PhantomData;

use super::{Addend, Aggregate, Merging};
use crate::{record::Record, time::Timestamp};

/// Adds up a value of each record. Made by [`Of::sum`](super::Of::sum). [`Number`](super::Number) tells what the sum is and how exact.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure.
#[derive(Debug, Clone)]
pub struct Sum<F, V> {
    value: F,
    returns: PhantomData<fn() -> V>,
}

impl<F, V> Sum<F, V> {
    pub(super) fn new(value: F) -> Self {
        Self { value, returns: PhantomData }
    }
}

impl<F, V> Merging for Sum<F, V> {}

impl<T: Record, F, V: Addend> Aggregate<T> for Sum<F, V>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    type Acc = V::Total;
    type Out = V::Sum;

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> V::Total {
        V::start()
    }

    #[inline(always)]
    fn add(&self, total: &mut V::Total, record: T::View<'_>, _: Timestamp) {
        (self.value)(record).add_to(total);
    }

    #[inline(always)]
    fn merge(&self, total: &mut V::Total, other: <V::Total as Record>::View<'_>) {
        V::join(total, other);
    }

    #[inline(always)]
    fn finish(&self, total: &V::Total) -> V::Sum {
        V::result(total)
    }

    const SUBTRACTS: bool = V::SUBTRACTS;

    #[inline(always)]
    fn subtract(&self, total: &mut V::Total, other: <V::Total as Record>::View<'_>) {
        V::leave(total, other);
    }
}
