//! [`Reduce`]: two records become one, until one is left.

use super::{Aggregate, Merging};
use crate::{record::Record, time::Timestamp};

/// Joins records two at a time. Made by [`Of::reduce`](super::Of::reduce).
///
/// The function must be associative: records are joined in pieces before they are sent, and the pieces then.
#[derive(Debug, Clone)]
pub struct Reduce<F> {
    join: F,
}

impl<F> Reduce<F> {
    /// Joins records by `join`, which gets what was joined so far and the next.
    pub fn new<T: Record>(join: F) -> Self
    where
        F: for<'a, 'b> Fn(T::View<'a>, T::View<'b>) -> T + Clone + Send + 'static,
    {
        Self { join }
    }

    #[inline(always)]
    fn next<T: Record>(&self, joined: &mut Option<T>, next: T::View<'_>)
    where
        F: for<'a, 'b> Fn(T::View<'a>, T::View<'b>) -> T,
    {
        *joined = Some(match joined {
            None => T::from_view(next),
            Some(joined) => (self.join)(joined.view(), next),
        });
    }
}

impl<F> Merging for Reduce<F> {}

impl<T: Record, F> Aggregate<T> for Reduce<F>
where
    F: for<'a, 'b> Fn(T::View<'a>, T::View<'b>) -> T + Clone + Send + 'static,
{
    type Acc = Option<T>;
    type Out = T;

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> Option<T> {
        None
    }

    #[inline(always)]
    fn add(&self, joined: &mut Option<T>, record: T::View<'_>, _: Timestamp) {
        self.next(joined, record);
    }

    #[inline(always)]
    fn merge(&self, joined: &mut Option<T>, other: Option<T::View<'_>>) {
        if let Some(other) = other {
            self.next(joined, other);
        }
    }

    #[inline(always)]
    fn finish(&self, joined: &Option<T>) -> T {
        T::from_view(joined.as_ref().expect("an accumulator is finished only after a record was added").view())
    }
}
