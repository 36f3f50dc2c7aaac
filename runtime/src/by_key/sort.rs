//! `.sort_by_time()`: the records of each key in the order of event time.

use std::convert::Infallible;

use millstream_core::{key::Key, record::Record, time::Timestamp};

use super::{DropsLate, KeyedLogic, LateOnly, Single, late::LateRecords};
use crate::{
    operator::{OpenContext, Push},
    process::{KeyedContext, MapState, StateOf},
};

/// Keeps records until the watermark has reached their time.
///
/// A key's records are a map by time and, for those of one time, by arrival. Each time has one timer, so a record costs no more than its place in the map.
#[derive(Clone, Default)]
pub struct SortByTime {
    late: LateRecords,
}

impl<T: Record> DropsLate<T> for SortByTime {}

impl<T: Record> KeyedLogic<T> for SortByTime {
    const KIND: &'static str = "sort_by_time";
    const HAS_ON_TIMER: bool = true;

    type State = Single<MapState<(Timestamp, u64), T>>;
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
        waiting: &mut StateOf<'_, '_, Self::State, K>,
        cx: &mut KeyedContext<'_, '_, K, T, N, LateOnly<T>>,
    ) -> Result<(), Infallible> {
        if self.late.take(record, cx) {
            return Ok(());
        }
        let at = cx.timestamp();
        let last = waiting.range((at, 0)..=(at, u64::MAX)).next_back();
        let number = last.map_or(0, |((_, number), _)| number + 1);
        if number == 0 {
            cx.event_timer(at);
        }
        waiting.insert((at, number), T::from_view(record));
        Ok(())
    }

    fn on_timer<K: Key, N: Push<T>>(
        &mut self,
        waiting: &mut StateOf<'_, '_, Self::State, K>,
        cx: &mut KeyedContext<'_, '_, K, T, N, LateOnly<T>>,
    ) {
        let at = cx.timestamp();
        // Those of a time are numbered without gaps, since they go all together.
        for number in 0.. {
            let Some(record) = waiting.remove((at, number)) else { break };
            cx.emit(record.view());
        }
    }
}
