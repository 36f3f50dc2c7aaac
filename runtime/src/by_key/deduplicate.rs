//! `.deduplicate_first()` and its kin: of the records of each key one, by event time or by arrival.

use std::{convert::Infallible, time::Duration};

use millstream_core::{aggregate::Rolling, key::Key, record::Record, time::Timestamp};

use super::{DropsLate, KeyedLogic, LateOnly, Single, late::LateRecords};
use crate::{
    operator::{OpenContext, Push},
    process::{KeyedContext, StateOf, ValueState},
};

/// What remembers each key, and may be told when to forget it.
#[diagnostic::on_unimplemented(
    message = "this cannot be told when to forget a key",
    label = "forgets no keys",
    note = "`.forget_after(..)` stands behind `.deduplicate_first()` or `.deduplicate_arrived()`"
)]
pub trait Forgets {
    #[doc(hidden)]
    fn forget_after(&mut self, after: Duration);
}

/// Keeps the earliest record of a key until the watermark has reached its time, and from then on the fact that it was put out.
#[derive(Clone, Default)]
pub struct DeduplicateFirst {
    forget_after: Option<Duration>,
    late: LateRecords,
}

impl<T: Record> DropsLate<T> for DeduplicateFirst {}

impl Forgets for DeduplicateFirst {
    fn forget_after(&mut self, after: Duration) {
        self.forget_after = Some(after);
    }
}

impl<T: Record> KeyedLogic<T> for DeduplicateFirst {
    const KIND: &'static str = "deduplicate_first";
    const HAS_ON_TIMER: bool = true;

    /// `None` once the record was put out.
    type State = Single<ValueState<Option<(Timestamp, T)>>>;
    type Out<K: Key> = T;
    type Sides = LateOnly<T>;
    type Error = Infallible;

    fn open(&mut self, cx: &OpenContext<'_>) {
        self.late = LateRecords::open(cx);
    }

    #[inline(always)]
    fn on_record<K: Key, N: Push<T>>(
        &mut self,
        record: T::View<'_>,
        earliest: &mut StateOf<'_, '_, Self::State, K>,
        cx: &mut KeyedContext<'_, '_, K, T, N, LateOnly<T>>,
    ) -> Result<(), Infallible> {
        if self.late.take(record, cx) {
            return Ok(());
        }
        let at = cx.timestamp();
        match &**earliest {
            Some((before, _)) if at < *before => cx.delete_event_timer(*before),
            None if earliest.is_absent() => {}
            _ => return Ok(()),
        }
        **earliest = Some((at, T::from_view(record)));
        cx.event_timer(at);
        Ok(())
    }

    fn on_timer<K: Key, N: Push<T>>(
        &mut self,
        earliest: &mut StateOf<'_, '_, Self::State, K>,
        cx: &mut KeyedContext<'_, '_, K, T, N, LateOnly<T>>,
    ) {
        let Some((at, record)) = earliest.take() else { return earliest.clear() };
        cx.emit(record.view());
        if let Some(after) = self.forget_after {
            cx.event_timer(at + after);
        }
    }
}

/// Keeps for each key that it was there.
#[derive(Clone, Default)]
pub struct DeduplicateArrived {
    forget_after: Option<Duration>,
}

impl Forgets for DeduplicateArrived {
    fn forget_after(&mut self, after: Duration) {
        self.forget_after = Some(after);
    }
}

impl<T: Record> KeyedLogic<T> for DeduplicateArrived {
    const KIND: &'static str = "deduplicate_arrived";
    const HAS_ON_TIMER: bool = true;

    type State = Single<ValueState<bool>>;
    type Out<K: Key> = T;
    type Sides = ();
    type Error = Infallible;

    #[inline(always)]
    fn on_record<K: Key, N: Push<T>>(
        &mut self,
        record: T::View<'_>,
        seen: &mut StateOf<'_, '_, Self::State, K>,
        cx: &mut KeyedContext<'_, '_, K, T, N>,
    ) -> Result<(), Infallible> {
        if !**seen {
            **seen = true;
            cx.emit(record);
            if let Some(after) = self.forget_after {
                cx.processing_timer(cx.wall() + after);
            }
        }
        Ok(())
    }

    fn on_timer<K: Key, N: Push<T>>(
        &mut self,
        seen: &mut StateOf<'_, '_, Self::State, K>,
        _: &mut KeyedContext<'_, '_, K, T, N>,
    ) {
        seen.clear();
    }
}

/// Keeps the time of the latest record of each key.
#[derive(Clone, Default)]
pub struct DeduplicateLast;

impl<T: Record> KeyedLogic<T> for DeduplicateLast {
    const KIND: &'static str = "deduplicate_last";

    type State = Single<ValueState<Option<Timestamp>>>;
    type Out<K: Key> = Rolling<T>;
    type Sides = ();
    type Error = Infallible;

    #[inline(always)]
    fn on_record<K: Key, N: Push<Rolling<T>>>(
        &mut self,
        record: T::View<'_>,
        latest: &mut StateOf<'_, '_, Self::State, K>,
        cx: &mut KeyedContext<'_, '_, K, Rolling<T>, N>,
    ) -> Result<(), Infallible> {
        let at = cx.timestamp();
        if latest.is_none_or(|latest| latest <= at) {
            **latest = Some(at);
            cx.emit(Rolling(record));
        }
        Ok(())
    }
}
