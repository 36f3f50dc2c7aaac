//! [`Max`]: the greatest value of all records.

use std::{cmp::Ordering, marker::PhantomData};

use super::{Aggregate, Ordered, ordered::replaces};
use crate::{record::Record, time::Timestamp};

/// The greatest of a value of each record. Made by [`Of::max`](super::Of::max). [`Ordered`] tells what is compared and how.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure.
#[derive(Debug, Clone)]
pub struct Max<F, V> {
    value: F,
    returns: PhantomData<fn() -> V>,
}

impl<F, V> Max<F, V> {
    pub(super) fn new(value: F) -> Self {
        Self { value, returns: PhantomData }
    }
}

impl<T: Record, F, V: Ordered> Aggregate<T> for Max<F, V>
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
    fn add(&self, greatest: &mut Option<V>, record: T::View<'_>, _: Timestamp) {
        let value = (self.value)(record);
        if greatest.as_ref().is_none_or(|greatest| replaces::<V>(value.view(), greatest.view(), Ordering::Greater)) {
            *greatest = Some(value);
        }
    }

    #[inline(always)]
    fn merge(&self, greatest: &mut Option<V>, other: Option<V::View<'_>>) {
        if let Some(value) = other
            && greatest.as_ref().is_none_or(|greatest| replaces::<V>(value, greatest.view(), Ordering::Greater))
        {
            *greatest = Some(V::from_view(value));
        }
    }

    #[inline(always)]
    fn finish(&self, greatest: &Option<V>) -> V {
        greatest.clone().expect("an accumulator is finished only after a record was added")
    }
}
