//! [`HeldSlices`]: what a sender has aggregated of windows by slices.

use millstream_core::{
    aggregate::Aggregate,
    key::Key,
    record::Record,
    table::{IntoEntries, Table},
    time::{Timestamp, Window},
};

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
    /// What is left of one that is being sent.
    going: Option<(Window, IntoEntries<K, V>)>,
    /// How many entries there are.
    len: usize,
}

impl<W, K: Key, V> HeldSlices<W, K, V> {
    pub(crate) fn new(windows: W) -> Self {
        Self { windows, slices: Slices::default(), going: None, len: 0 }
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
        let Self { windows, slices, len, .. } = self;
        let slice = match slices.find(windows, at) {
            Ok(slice) => slice,
            Err(slice) if slice.max_timestamp() <= watermark => return Added::Refused,
            // What is in no window is as good as late.
            Err(slice) if windows.window_after(slice, Timestamp::MIN).is_none() => return Added::Refused,
            Err(slice) => slices.open(slice, slice.max_timestamp(), Table::of_sender),
        };
        let before = slice.table.len();
        aggregate.add(slice.table.entry(hash, key, || aggregate.create()), record, at);
        if slice.table.len() == before {
            return Added::Absorbed;
        }
        *len += 1;
        Added::New
    }

    fn drain(
        &mut self,
        until: Timestamp,
        limit: usize,
        mut send: impl FnMut(u64, <Partial<K, A::Acc> as Record>::View<'_>),
    ) -> bool {
        let mut left = limit;
        loop {
            if self.going.is_none() {
                let over = self.slices.over(until).min(1);
                self.going = self.slices.close(over).next().map(|slice| (slice.window, slice.table.into_entries()));
            }
            let Some((window, entries)) = &mut self.going else { return true };
            for (key, accumulator) in entries.by_ref().take(left) {
                self.len -= 1;
                left -= 1;
                send(K::hash(key.view()), (key.view(), *window, accumulator.view()));
            }
            if left == 0 {
                return false;
            }
            self.going = None;
        }
    }

    #[inline(always)]
    fn len(&self) -> usize {
        self.len
    }
}
