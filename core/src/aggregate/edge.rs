//! [`First`] and [`Last`]: the earliest and the latest value. One aggregate in two directions.

use std::marker::PhantomData;

use super::{Aggregate, Merging};
use crate::{record::Record, time::Timestamp};

/// The value of the earliest record. Made by [`Of::first`](super::Of::first).
pub type First<F, V> = Edge<F, V, false>;

/// The value of the latest record. Made by [`Of::last`](super::Of::last).
pub type Last<F, V> = Edge<F, V, true>;

/// The value at one edge of time. Records of one time are taken in the order in which they came.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure.
#[derive(Debug)]
pub struct Edge<F, V, const LAST: bool> {
    value: F,
    returns: PhantomData<fn() -> V>,
}

impl<F: Clone, V, const LAST: bool> Clone for Edge<F, V, LAST> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), returns: PhantomData }
    }
}

/// The value that is kept, after its time.
type Kept<V> = Option<(Timestamp, V)>;

impl<F, V: Record, const LAST: bool> Edge<F, V, LAST> {
    pub(super) fn new(value: F) -> Self {
        Self { value, returns: PhantomData }
    }

    /// True if a value of this time replaces the one that is kept, unless it is missing.
    #[inline(always)]
    fn replaces(kept: &Kept<V>, at: Timestamp) -> bool {
        let wins = |since| if LAST { at >= since } else { at < since };
        kept.as_ref().is_none_or(|(since, value)| wins(*since) || V::is_none(value.view()))
    }
}

impl<F, V, const LAST: bool> Merging for Edge<F, V, LAST> {}

impl<T: Record, F, V: Record, const LAST: bool> Aggregate<T> for Edge<F, V, LAST>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    type Acc = Kept<V>;
    type Out = V;

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> Kept<V> {
        None
    }

    #[inline(always)]
    fn add(&self, kept: &mut Kept<V>, record: T::View<'_>, at: Timestamp) {
        // The value may have to be allocated, so the time is looked at first.
        if Self::replaces(kept, at) {
            let value = (self.value)(record);
            if kept.is_none() || !V::is_none(value.view()) {
                *kept = Some((at, value));
            }
        }
    }

    #[inline(always)]
    fn merge(&self, kept: &mut Kept<V>, other: Option<(Timestamp, V::View<'_>)>) {
        if let Some((at, value)) = other
            && Self::replaces(kept, at)
            && (kept.is_none() || !V::is_none(value))
        {
            *kept = Some((at, V::from_view(value)));
        }
    }

    #[inline(always)]
    fn finish(&self, kept: &Kept<V>) -> V {
        let (_, value) = kept.as_ref().expect("an accumulator is finished only after a record was added");
        V::from_view(value.view())
    }
}
