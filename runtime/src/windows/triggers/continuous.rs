//! Triggers that fire early, at intervals.

use std::time::Duration;

use millstream_core::{key::Key, record::Record, time::Timestamp};

use crate::{
    stream::{EventTime, NoTime},
    windows::{MergingTrigger, Trigger, TriggerContext, TriggerResult},
};

const NO_INTERVAL: &str = "this trigger has no interval: it takes a millisecond or more";

fn interval_ms(interval: Duration) -> i64 {
    i64::try_from(interval.as_millis()).unwrap_or(i64::MAX)
}

/// The multiple of an interval at or before a time.
fn aligned(at: Timestamp, interval_ms: i64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_sub(at.millis().rem_euclid(interval_ms.max(1))))
}

fn after(at: Timestamp, interval_ms: i64) -> Timestamp {
    Timestamp::from_millis(at.millis().saturating_add(interval_ms))
}

/// The earlier of two times at which windows that merge would fire next.
fn earlier(next: &mut Option<Timestamp>, other: Option<Timestamp>) {
    *next = match (*next, other) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
}

/// See [`continuous`].
#[derive(Debug, Clone, Copy)]
pub struct Continuous {
    interval_ms: i64,
}

/// Fires whenever the watermark has passed a multiple of this interval since the window's first element, and at the window's end. Where the watermark passes
/// several at once, it fires as often, as in Flink; but the end of the input fires a window without end only once.
pub fn continuous(interval: Duration) -> Continuous {
    Continuous { interval_ms: interval_ms(interval) }
}

impl Continuous {
    fn set_next<K: Key>(self, since: Timestamp, next: &mut Option<Timestamp>, cx: &mut TriggerContext<'_, '_, K>) {
        let end = cx.window().max_timestamp();
        // Nothing comes between the end of the input and the end of time.
        let is_last = cx.window().end == Timestamp::MAX && cx.watermark() == Timestamp::MAX;
        let at = if is_last { end } else { after(since, self.interval_ms).min(end) };
        *next = Some(at);
        cx.event_timer(at);
    }
}

impl<T: Record> Trigger<T> for Continuous {
    /// When it fires next.
    type State = Option<Timestamp>;
    type Time = EventTime;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        _: T::View<'_>,
        at: Timestamp,
        next: &mut Option<Timestamp>,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        let end = cx.window().max_timestamp();
        if end <= cx.watermark() {
            return TriggerResult::Fire;
        }
        cx.event_timer(end);
        if next.is_none() {
            self.set_next(aligned(at, self.interval_ms), next, cx);
        }
        TriggerResult::Continue
    }

    fn on_event_time<K: Key>(
        &self,
        at: Timestamp,
        next: &mut Option<Timestamp>,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        if at == cx.window().max_timestamp() {
            return TriggerResult::Fire;
        }
        if *next == Some(at) {
            self.set_next(at, next, cx);
            return TriggerResult::Fire;
        }
        TriggerResult::Continue
    }

    fn clear<K: Key>(&self, next: &mut Option<Timestamp>, cx: &mut TriggerContext<'_, '_, K>) {
        if let Some(at) = next.take() {
            cx.delete_event_timer(at);
        }
    }

    fn is_blank(&self, next: &Option<Timestamp>) -> bool {
        next.is_none()
    }

    fn mistake(&self) -> Option<String> {
        (self.interval_ms == 0).then(|| NO_INTERVAL.to_owned())
    }
}

impl<T: Record> MergingTrigger<T> for Continuous {
    fn merge(&self, next: &mut Option<Timestamp>, other: &Option<Timestamp>) {
        earlier(next, *other);
    }

    fn on_merge<K: Key>(&self, next: &mut Option<Timestamp>, cx: &mut TriggerContext<'_, '_, K>) {
        if let Some(at) = *next {
            cx.event_timer(at);
        }
    }
}

/// See [`continuous_processing_time`].
#[derive(Debug, Clone, Copy)]
pub struct ContinuousProcessingTime {
    interval_ms: i64,
}

/// Fires whenever the clock on the wall has passed a multiple of this interval since the window's first element, and at the end of the input. It does not fire
/// at the end of windows by event time: what has come since the last interval is then lost.
pub fn continuous_processing_time(interval: Duration) -> ContinuousProcessingTime {
    ContinuousProcessingTime { interval_ms: interval_ms(interval) }
}

impl ContinuousProcessingTime {
    fn set_next<K: Key>(self, since: Timestamp, next: &mut Option<Timestamp>, cx: &mut TriggerContext<'_, '_, K>) {
        let (at, end) = (after(since, self.interval_ms), cx.window().max_timestamp());
        // The end of a window that has passed by this clock is none to wait for: in event time it may be long ago.
        let at = if end > since { at.min(end) } else { at };
        *next = Some(at);
        cx.processing_timer(at);
    }
}

impl<T: Record> Trigger<T> for ContinuousProcessingTime {
    /// When it fires next.
    type State = Option<Timestamp>;
    type Time = NoTime;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        _: T::View<'_>,
        _: Timestamp,
        next: &mut Option<Timestamp>,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        if next.is_none() {
            self.set_next(aligned(cx.wall(), self.interval_ms), next, cx);
        }
        TriggerResult::Continue
    }

    fn on_processing_time<K: Key>(
        &self,
        at: Timestamp,
        next: &mut Option<Timestamp>,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        if *next != Some(at) {
            return TriggerResult::Continue;
        }
        self.set_next(at, next, cx);
        TriggerResult::Fire
    }

    fn clear<K: Key>(&self, next: &mut Option<Timestamp>, cx: &mut TriggerContext<'_, '_, K>) {
        if let Some(at) = next.take() {
            cx.delete_processing_timer(at);
        }
    }

    fn is_blank(&self, next: &Option<Timestamp>) -> bool {
        next.is_none()
    }

    fn mistake(&self) -> Option<String> {
        (self.interval_ms == 0).then(|| NO_INTERVAL.to_owned())
    }
}

impl<T: Record> MergingTrigger<T> for ContinuousProcessingTime {
    fn merge(&self, next: &mut Option<Timestamp>, other: &Option<Timestamp>) {
        earlier(next, *other);
    }

    fn on_merge<K: Key>(&self, next: &mut Option<Timestamp>, cx: &mut TriggerContext<'_, '_, K>) {
        if let Some(at) = *next {
            cx.processing_timer(at);
        }
    }
}
