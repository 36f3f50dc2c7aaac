//! [`Min`]: the least value of all records.

use std::{cmp::Ordering, marker::PhantomData};

use super::{Aggregate, Ordered, ordered::replaces};
use crate::{record::Record, time::Timestamp};

/// The least of a value of each record. Made by [`Of::min`](super::Of::min). [`Ordered`] tells what is compared and how.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure.
#[derive(Debug, Clone)]
pub struct Min<F, V> {
    value: F,
    returns: PhantomData<fn() -> V>,
}

impl<F, V> Min<F, V> {
    pub(super) fn new(value: F) -> Self {
        Self { value, returns: PhantomData }
    }
}

impl<T: Record, F, V: Ordered> Aggregate<T> for Min<F, V>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    type Acc = Option<V>;
    type Out = V;

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> Option<V> {
        None
    }

    #[inline(always)]
    fn add(&self, least: &mut Option<V>, record: T::View<'_>, _: Timestamp) {
        let value = (self.value)(record);
        if least.as_ref().is_none_or(|least| replaces::<V>(value.view(), least.view(), Ordering::Less)) {
            *least = Some(value);
        }
    }

    #[inline(always)]
    fn merge(&self, least: &mut Option<V>, other: Option<V::View<'_>>) {
        if let Some(value) = other
            && least.as_ref().is_none_or(|least| replaces::<V>(value, least.view(), Ordering::Less))
        {
            *least = Some(V::from_view(value));
        }
    }

    #[inline(always)]
    fn finish(&self, least: &Option<V>) -> V {
        least.clone().expect("an accumulator is finished only after a record was added")
    }
}
