//! [`MinBy`] and [`MaxBy`]: the record with the least and the greatest key. One aggregate in two directions.

use std::marker::PhantomData;

use super::{Aggregate, End, Greatest, Least, Merging, Ordered, ordered::rank};
use crate::{record::Record, time::Timestamp};

/// The record with the least key. Made by [`Of::min_by`](super::Of::min_by). [`Ordered`] tells what is compared and how.
pub type MinBy<F, V> = ExtremeBy<F, V, Least>;

/// The record with the greatest key. Made by [`Of::max_by`](super::Of::max_by). [`Ordered`] tells what is compared and how.
pub type MaxBy<F, V> = ExtremeBy<F, V, Greatest>;

/// The record at one end of the order. Of records with equal keys it is the earliest, and of those that are as early the one that came first.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure. `E` says which end.
#[derive(Debug, Clone)]
pub struct ExtremeBy<F, V, E> {
    key: F,
    returns: PhantomData<fn() -> (V, E)>,
}

impl<F, V, E> ExtremeBy<F, V, E> {
    pub(super) fn new(key: F) -> Self {
        Self { key, returns: PhantomData }
    }
}

/// The record that is kept, after its key and its time.
type Kept<V, T> = Option<(V, Timestamp, T)>;

/// True if a record with this key and time replaces the one that is kept.
#[inline(always)]
fn replaces<V: Ordered, T, E: End>(kept: &Kept<V, T>, key: V::View<'_>, at: Timestamp) -> bool {
    kept.as_ref().is_none_or(|(best, since, _)| rank::<V, E>(key, best.view()).then(at.cmp(since)).is_lt())
}

impl<F, V, E> Merging for ExtremeBy<F, V, E> {}

impl<T: Record, F, V: Ordered, E: End> Aggregate<T> for ExtremeBy<F, V, E>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    type Acc = Kept<V, T>;
    type Out = T;

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> Kept<V, T> {
        None
    }

    #[inline(always)]
    fn add(&self, kept: &mut Kept<V, T>, record: T::View<'_>, at: Timestamp) {
        let key = (self.key)(record);
        if replaces::<V, T, E>(kept, key.view(), at) {
            *kept = Some((key, at, T::from_view(record)));
        }
    }

    #[inline(always)]
    fn merge(&self, kept: &mut Kept<V, T>, other: <Kept<V, T> as Record>::View<'_>) {
        if let Some((key, at, record)) = other
            && replaces::<V, T, E>(kept, key, at)
        {
            *kept = Some((V::from_view(key), at, T::from_view(record)));
        }
    }

    #[inline(always)]
    fn finish(&self, kept: &Kept<V, T>) -> T {
        let (_, _, record) = kept.as_ref().expect("an accumulator is finished only after a record was added");
        T::from_view(record.view())
    }
}
