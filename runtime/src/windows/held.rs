//! [`HeldSlices`]: what a sender has aggregated of windows by slices.

use millstream_core::{aggregate::Aggregate, key::Key, record::Record, table::Table, time::Timestamp};

use super::{
    assigner::{Assigner, Clock},
    head::Partial,
    preaggregate::{Added, Partials},
    slices::Slices,
};

/// A table for each slice that is open at a sender.
pub(crate) struct HeldSlices<W, K: Key, V> {
    windows: W,
    slices: Slices<Table<K, V>>,
    /// How many entries the tables have.
    len: usize,
}

impl<W, K: Key, V> HeldSlices<W, K, V> {
    pub(crate) fn new(windows: W) -> Self {
        Self { windows, slices: Slices::default(), len: 0 }
    }
}

impl<T, W, K, A> Partials<T, K, A> for HeldSlices<W, K, A::Acc>
where
    T: Record,
    W: Assigner,
    K: Key,
    A: Aggregate<T>,
{
    const POSSIBLE: bool = matches!(W::CLOCK, Clock::Event);

    #[inline(always)]
    fn add(
        &mut self,
        aggregate: &A,
        (hash, key): (u64, K::View<'_>),
        (record, at): (T::View<'_>, Timestamp),
        watermark: Timestamp,
        _: impl FnMut(<Partial<K, A::Acc> as Record>::View<'_>),
    ) -> Added {
        let Self { windows, slices, len } = self;
        let slice = match slices.find(windows, at) {
            Ok(slice) => slice,
            Err(slice) if slice.max_timestamp() <= watermark => return Added::Refused,
            // What is in no window is as good as late.
            Err(slice) if windows.window_after(slice, Timestamp::MIN).is_none() => return Added::Refused,
            Err(slice) => slices.open(slice, slice.max_timestamp(), Table::of_sender),
        };
        let before = slice.table.len();
        aggregate.add(slice.table.entry(hash, key, || aggregate.create()), record, at);
        *len += slice.table.len() - before;
        Added::Absorbed
    }

    fn drain(&mut self, until: Timestamp, mut send: impl FnMut(u64, <Partial<K, A::Acc> as Record>::View<'_>)) {
        for slice in self.slices.close_until(until) {
            self.len -= slice.table.len();
            for (key, accumulator) in slice.table.into_entries() {
                send(K::hash(key.view()), (key.view(), slice.window, accumulator.view()));
            }
        }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }
}
