//! Triggers that fire at a window's end, by one clock or the other, at that of the input, or never.

use millstream_core::{key::Key, record::Record, time::Timestamp};

use crate::{
    stream::{self, NoTime},
    windows::{Clock, MergingTrigger, Trigger, TriggerContext, TriggerResult},
};

/// See [`event_time`].
#[derive(Debug, Clone, Copy)]
pub struct EventTime;

/// Fires when the watermark has passed the window's last millisecond; then, as long as lateness is allowed, at every element that comes late. The default of windows by event time.
pub fn event_time() -> EventTime {
    EventTime
}

impl<T: Record> Trigger<T> for EventTime {
    type State = ();
    type Time = stream::EventTime;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        _: T::View<'_>,
        _: Timestamp,
        (): &mut (),
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        let end = cx.window().max_timestamp();
        if end <= cx.watermark() {
            return TriggerResult::Fire;
        }
        cx.event_timer(end);
        TriggerResult::Continue
    }

    fn on_event_time<K: Key>(&self, at: Timestamp, (): &mut (), cx: &mut TriggerContext<'_, '_, K>) -> TriggerResult {
        if at == cx.window().max_timestamp() { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn clear<K: Key>(&self, (): &mut (), cx: &mut TriggerContext<'_, '_, K>) {
        cx.delete_event_timer(cx.window().max_timestamp());
    }
}

impl<T: Record> MergingTrigger<T> for EventTime {
    fn merge(&self, (): &mut (), (): &()) {}

    fn on_merge<K: Key>(&self, (): &mut (), cx: &mut TriggerContext<'_, '_, K>) {
        // If the watermark is there already, the element that made the windows merge fires the result.
        let end = cx.window().max_timestamp();
        if end > cx.watermark() {
            cx.event_timer(end);
        }
    }
}

/// See [`processing_time`].
#[derive(Debug, Clone, Copy)]
pub struct ProcessingTime;

/// Fires when the clock on the wall has passed the window's last millisecond. The default of windows by processing time.
pub fn processing_time() -> ProcessingTime {
    ProcessingTime
}

impl<T: Record> Trigger<T> for ProcessingTime {
    type State = ();
    type Time = NoTime;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        _: T::View<'_>,
        _: Timestamp,
        (): &mut (),
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        cx.processing_timer(cx.window().max_timestamp());
        TriggerResult::Continue
    }

    fn on_processing_time<K: Key>(
        &self,
        _: Timestamp,
        (): &mut (),
        _: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        TriggerResult::Fire
    }

    fn clear<K: Key>(&self, (): &mut (), cx: &mut TriggerContext<'_, '_, K>) {
        cx.delete_processing_timer(cx.window().max_timestamp());
    }
}

impl<T: Record> MergingTrigger<T> for ProcessingTime {
    fn merge(&self, (): &mut (), (): &()) {}

    fn on_merge<K: Key>(&self, (): &mut (), cx: &mut TriggerContext<'_, '_, K>) {
        let end = cx.window().max_timestamp();
        if end > cx.wall() {
            cx.processing_timer(end);
        }
    }
}

/// Fires at the end of the window by the windows' own clock: the default trigger of aligned windows, of sessions and of global ones.
#[derive(Debug, Clone, Copy)]
pub struct WindowEnd(Clock);

pub(crate) fn window_end(clock: Clock) -> WindowEnd {
    WindowEnd(clock)
}

impl<T: Record> Trigger<T> for WindowEnd {
    type State = ();
    type Time = NoTime;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        record: T::View<'_>,
        at: Timestamp,
        state: &mut (),
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        match self.0 {
            Clock::Event => Trigger::<T>::on_element(&EventTime, record, at, state, cx),
            Clock::Processing => Trigger::<T>::on_element(&ProcessingTime, record, at, state, cx),
        }
    }

    fn on_event_time<K: Key>(
        &self,
        at: Timestamp,
        state: &mut (),
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        match self.0 {
            Clock::Event => Trigger::<T>::on_event_time(&EventTime, at, state, cx),
            Clock::Processing => TriggerResult::Continue,
        }
    }

    fn on_processing_time<K: Key>(
        &self,
        at: Timestamp,
        state: &mut (),
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        match self.0 {
            Clock::Event => TriggerResult::Continue,
            Clock::Processing => Trigger::<T>::on_processing_time(&ProcessingTime, at, state, cx),
        }
    }

    fn clear<K: Key>(&self, state: &mut (), cx: &mut TriggerContext<'_, '_, K>) {
        match self.0 {
            Clock::Event => Trigger::<T>::clear(&EventTime, state, cx),
            Clock::Processing => Trigger::<T>::clear(&ProcessingTime, state, cx),
        }
    }
}

impl<T: Record> MergingTrigger<T> for WindowEnd {
    fn merge(&self, (): &mut (), (): &()) {}

    fn on_merge<K: Key>(&self, state: &mut (), cx: &mut TriggerContext<'_, '_, K>) {
        match self.0 {
            Clock::Event => MergingTrigger::<T>::on_merge(&EventTime, state, cx),
            Clock::Processing => MergingTrigger::<T>::on_merge(&ProcessingTime, state, cx),
        }
    }
}

/// See [`end_of_input`].
#[derive(Debug, Clone, Copy)]
pub struct EndOfInput;

/// Fires at the end of a bounded input, unless the window has ended before. With `global()` it is the default.
pub fn end_of_input() -> EndOfInput {
    EndOfInput
}

impl<T: Record> Trigger<T> for EndOfInput {
    type State = ();
    type Time = NoTime;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        _: T::View<'_>,
        _: Timestamp,
        (): &mut (),
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        // A window that has ended and is kept for late elements does not wait for the end of the input.
        if cx.window().max_timestamp() > cx.watermark() {
            cx.event_timer(cx.window().max_timestamp());
        }
        TriggerResult::Continue
    }

    fn on_event_time<K: Key>(&self, at: Timestamp, (): &mut (), cx: &mut TriggerContext<'_, '_, K>) -> TriggerResult {
        let ended = cx.watermark() == Timestamp::MAX && at == cx.window().max_timestamp();
        if ended { TriggerResult::Fire } else { TriggerResult::Continue }
    }

    fn clear<K: Key>(&self, (): &mut (), cx: &mut TriggerContext<'_, '_, K>) {
        cx.delete_event_timer(cx.window().max_timestamp());
    }
}

impl<T: Record> MergingTrigger<T> for EndOfInput {
    fn merge(&self, (): &mut (), (): &()) {}

    fn on_merge<K: Key>(&self, (): &mut (), cx: &mut TriggerContext<'_, '_, K>) {
        if cx.window().max_timestamp() > cx.watermark() {
            cx.event_timer(cx.window().max_timestamp());
        }
    }
}

/// See [`never()`].
#[derive(Debug, Clone, Copy)]
pub struct Never;

/// Never fires.
pub fn never() -> Never {
    Never
}

impl<T: Record> Trigger<T> for Never {
    type State = ();
    type Time = NoTime;

    #[inline(always)]
    fn on_element<K: Key>(
        &self,
        _: T::View<'_>,
        _: Timestamp,
        (): &mut (),
        _: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        TriggerResult::Continue
    }
}

impl<T: Record> MergingTrigger<T> for Never {
    fn merge(&self, (): &mut (), (): &()) {}

    fn on_merge<K: Key>(&self, (): &mut (), _: &mut TriggerContext<'_, '_, K>) {}
}
