//! [`TopK`] and [`BottomK`]: the records with the greatest and the least keys. One aggregate in two directions.

use std::marker::PhantomData;

use super::{Aggregate, End, Greatest, Least, Merging, Ordered, ordered::rank};
use crate::{record::Record, time::Timestamp};

/// The records with the greatest keys, from the greatest down. Made by [`Of::top_k`](super::Of::top_k).
pub type TopK<F, V> = Top<F, V, Greatest>;

/// The records with the least keys, from the least up. Made by [`Of::bottom_k`](super::Of::bottom_k).
pub type BottomK<F, V> = Top<F, V, Least>;

/// A number of records at one end of the order, sorted. Of records with equal keys the earliest come first, and of those that are as early
/// the ones that came first. Keys that are absent (see [`Ordered`]) are left out.
///
/// A record that does not belong to them costs one comparison; one that does is put in its place, past those behind it.
///
/// `V` is what the closure returns; it is named so that the compiler can tell it from the closure. `E` says which end.
#[derive(Debug, Clone)]
pub struct Top<F, V, E> {
    limit: usize,
    key: F,
    returns: PhantomData<fn() -> (V, E)>,
}

/// The records that are kept, each after its key and its time: a sorted list, since equal keys keep the order in which they came.
type Kept<V, T> = Vec<(V, Timestamp, T)>;

impl<F, V: Ordered, E: End> Top<F, V, E> {
    pub(super) fn new(limit: usize, key: F) -> Self {
        Self { limit, key, returns: PhantomData }
    }

    /// How many records are kept.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Where a record belongs, and its key; `None` if it does not belong to those that are kept.
    #[inline(always)]
    pub fn place_of<T: Record>(
        &self,
        kept: &[(V, Timestamp, T)],
        record: T::View<'_>,
        at: Timestamp,
    ) -> Option<(usize, V)>
    where
        F: for<'a> Fn(T::View<'a>) -> V,
    {
        let key = (self.key)(record);
        let place = self.place(kept, key.view(), at)?;
        Some((place, key))
    }

    /// Where a record with this key and time belongs; `None` if it does not.
    #[inline(always)]
    fn place<T>(&self, kept: &[(V, Timestamp, T)], key: V::View<'_>, at: Timestamp) -> Option<usize> {
        if V::is_absent(key) {
            return None;
        }
        let stays =
            |(other, since, _): &(V, Timestamp, T)| rank::<V, E>(other.view(), key).then(since.cmp(&at)).is_le();
        if kept.len() >= self.limit && kept.last().is_none_or(stays) {
            return None;
        }
        Some(kept.partition_point(stays))
    }

    /// Puts a record in its place, and the last one out if there is one too many.
    pub fn insert<T>(&self, kept: &mut Vec<(V, Timestamp, T)>, place: usize, entry: (V, Timestamp, T)) {
        if kept.len() >= self.limit {
            kept.pop();
        }
        kept.insert(place, entry);
    }
}

impl<F, V, E> Merging for Top<F, V, E> {}

impl<T: Record, F, V: Ordered, E: End> Aggregate<T> for Top<F, V, E>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    type Acc = Kept<V, T>;
    type Out = Vec<T>;

    const MERGES: bool = true;

    #[inline(always)]
    fn create(&self) -> Kept<V, T> {
        Vec::new()
    }

    #[inline(always)]
    fn add(&self, kept: &mut Kept<V, T>, record: T::View<'_>, at: Timestamp) {
        if let Some((place, key)) = self.place_of::<T>(kept, record, at) {
            self.insert(kept, place, (key, at, T::from_view(record)));
        }
    }

    #[inline]
    fn merge(&self, kept: &mut Kept<V, T>, other: <Kept<V, T> as Record>::View<'_>) {
        for (key, at, record) in other {
            // They are sorted: where one does not belong, those behind it do not either.
            let Some(place) = self.place(kept, key, at) else { break };
            self.insert(kept, place, (V::from_view(key), at, T::from_view(record)));
        }
    }

    fn finish(&self, kept: &Kept<V, T>) -> Vec<T> {
        kept.iter().map(|(_, _, record)| T::from_view(record.view())).collect()
    }
}
