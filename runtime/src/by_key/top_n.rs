//! `.top_n(..)`: the records of each key that rank first, as they change.

use std::convert::Infallible;

use millstream_core::{
    aggregate::{End, Ordered, Rolling, Top},
    key::Key,
    record::Record,
    time::Timestamp,
};

use super::{KeyedLogic, Single};
use crate::{
    operator::Push,
    process::{KeyedContext, StateOf, ValueState},
};

/// Keeps the records of each key that rank first, and puts out what has another rank than before.
#[derive(Clone)]
pub struct TopN<F, V, E> {
    pub(crate) top: Top<F, V, E>,
}

impl<T: Record, F, V: Ordered, E: End> KeyedLogic<T> for TopN<F, V, E>
where
    F: for<'a> Fn(T::View<'a>) -> V + Clone + Send + 'static,
{
    const KIND: &'static str = "top_n";

    type State = Single<ValueState<Vec<(V, Timestamp, T)>>>;
    type Out<K: Key> = (K, u64, Rolling<T>);
    type Sides = ();
    type Error = Infallible;

    fn mistake(&self) -> Option<String> {
        (self.top.limit() == 0).then(|| "the first 0 records of each key are none: ask for 1 or more".into())
    }

    #[inline(always)]
    fn on_record<K: Key, N: Push<Self::Out<K>>>(
        &mut self,
        record: T::View<'_>,
        ranked: &mut StateOf<'_, '_, Self::State, K>,
        cx: &mut KeyedContext<'_, '_, K, Self::Out<K>, N>,
    ) -> Result<(), Infallible> {
        // A record that has no rank leaves the state as it is, so that it does not count as written.
        let Some((place, value)) = self.top.place_of(ranked, record, cx.timestamp()) else { return Ok(()) };
        let ranked: &mut Vec<_> = &mut *ranked;
        self.top.insert(ranked, place, (value, cx.timestamp(), T::from_view(record)));
        // A view of the key that lives as long as those of the records.
        let key = K::from_view(cx.key());
        for ((_, _, record), rank) in ranked.iter().zip(1..).skip(place) {
            cx.emit((key.view(), rank, Rolling(record.view())));
        }
        Ok(())
    }
}
