//! [`Min`] and [`Max`]: the least and the greatest value of all records. One aggregate in two directions.

use std::{cmp::Ordering, marker::PhantomData};

use super::{Aggregate, Merging, Ordered, ordered::rank};
use crate::{record::Record, time::Timestamp};

/// The least of a value of each record. Made by [`Of::min`](super::Of::min). [`Ordered`] tells what is compared and how.
pub type Min<F, V> = Extreme<F, V, Least>;

/// The greatest of a value of each record. Made by [`Of::max`](super::Of::max). [`Ordered`] tells what is compared and how.
pub type Max<F, V> = Extreme<F, V, Greatest>;

/// The value at one end of the order.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure. `E` says which end.
#[derive(Debug, Clone)]
pub struct Extreme<F, V, E> {
    value: F,
    returns: PhantomData<fn() -> (V, E)>,
}

/// Which end of the order is kept: by [`Extreme`], [`ExtremeBy`](super::ExtremeBy) and [`Top`](super::Top).
pub trait End: Clone + 'static {
    /// How a value compares to the one that it replaces.
    const REPLACES: Ordering;
}

/// The lower end.
#[derive(Debug, Clone)]
pub struct Least;

/// The upper end.
#[derive(Debug, Clone)]
pub struct Greatest;

impl End for Least {
    const REPLACES: Ordering = Ordering::Less;
}

impl End for Greatest {
    const REPLACES: Ordering = Ordering::Greater;
}

impl<F, V, E> Extreme<F, V, E> {
    pub(super) fn new(value: F) -> Self {
        Self { value, returns: PhantomData }
    }
}

impl<F, V, E> Merging for Extreme<F, V, E> {}

impl<T: Record, F, V: Ordered, E: End> Aggregate<T> for Extreme<F, V, E>
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
    fn add(&self, kept: &mut Option<V>, record: T::View<'_>, _: Timestamp) {
        let value = (self.value)(record);
        if kept.as_ref().is_none_or(|kept| rank::<V, E>(value.view(), kept.view()).is_lt()) {
            *kept = Some(value);
        }
    }

    #[inline(always)]
    fn merge(&self, kept: &mut Option<V>, other: Option<V::View<'_>>) {
        if let Some(value) = other
            && kept.as_ref().is_none_or(|kept| rank::<V, E>(value, kept.view()).is_lt())
        {
            *kept = Some(V::from_view(value));
        }
    }

    #[inline(always)]
    fn finish(&self, kept: &Option<V>) -> V {
        kept.clone().expect("an accumulator is finished only after a record was added")
    }
}
