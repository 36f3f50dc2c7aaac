//! [`Cumulate`]: windows that begin together and grow step by step.

use std::{marker::PhantomData, time::Duration};

use millstream_core::time::{Timestamp, Window};

use super::{
    Assigner, ByEventTime, ByProcessingTime, Clock, ClockMarker, Growing, WindowsOn, clock_suffix,
    grid::{Grid, millis, shown},
};
use crate::stream::{EventTime, TimeDomain};

/// Windows that begin together and end one step after the other, up to a largest one, behind which the next begin. See [`cumulate`].
#[derive(Debug)]
pub struct Cumulate<C = ByEventTime> {
    step_ms: i64,
    /// Where windows begin.
    largest: Grid,
    clock: PhantomData<fn() -> C>,
}

impl<C> Clone for Cumulate<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Cumulate<C> {}

/// Windows by event time that all begin where the largest does and end a `step` after each other: `cumulate(1.days(), 1.hours())` gives at each hour what
/// there was since midnight (UTC). The size is a multiple of the step, and both are in whole milliseconds; otherwise the job is not started. Flink has
/// them in SQL, as `CUMULATE`.
pub fn cumulate(size: Duration, step: Duration) -> Cumulate {
    Cumulate { step_ms: millis(step), largest: Grid::new(size), clock: PhantomData }
}

impl Cumulate {
    /// The same windows by the clock on the wall. At the end of a bounded input those that are pending fire at once (in Flink they are lost).
    pub fn processing_time(self) -> Cumulate<ByProcessingTime> {
        Cumulate { step_ms: self.step_ms, largest: self.largest, clock: PhantomData }
    }
}

impl<C> Cumulate<C> {
    /// Windows of which the largest begins this much after the epoch and the multiples of its size. It has to be less than that.
    #[must_use]
    pub fn offset(mut self, by: Duration) -> Self {
        self.largest.offset_ms = millis(by);
        self
    }

    /// Where the windows of a moment begin, and how the first slices behind it are found: steps are counted from there.
    fn steps(&self, start: i64) -> Grid {
        Grid { step_ms: self.step_ms, offset_ms: start }
    }
}

impl<C: ClockMarker> Assigner for Cumulate<C> {
    const CLOCK: Clock = C::CLOCK;
    type Layout = Growing;

    fn slice(&self, at: Timestamp) -> Window {
        let at = at.millis();
        let start = self.steps(self.largest.floor(at)).floor(at);
        Window::new(Timestamp::from_millis(start), Timestamp::from_millis(start.saturating_add(self.step_ms)))
    }

    fn window_after(&self, slice: Window, after: Timestamp) -> Option<Window> {
        let start = self.largest.floor(slice.start.millis());
        let end = self.steps(start).ceil(after.millis().saturating_add(1)).max(slice.end.millis());
        let window = Window::new(Timestamp::from_millis(start), Timestamp::from_millis(end));
        (end <= start.saturating_add(self.largest.step_ms)).then_some(window)
    }

    fn describe(&self) -> String {
        format!("cumulate {} by {}{}", shown(self.largest.step_ms), shown(self.step_ms), clock_suffix::<C>())
    }

    fn mistake(&self) -> Option<String> {
        let size_ms = self.largest.step_ms;
        if size_ms == 0 || self.step_ms == 0 {
            return Some(
                "these windows have no size: `cumulate(..)` takes a size and a step of a millisecond or more"
                    .to_owned(),
            );
        }
        if size_ms % self.step_ms != 0 {
            return Some(format!(
                "windows up to {} cannot grow by {}: the size, which `cumulate(..)` takes first, is a multiple of the step",
                shown(size_ms),
                shown(self.step_ms)
            ));
        }
        self.largest.offset_mistake(size_ms)
    }
}

impl WindowsOn<EventTime> for Cumulate<ByEventTime> {}
impl<Time: TimeDomain> WindowsOn<Time> for Cumulate<ByProcessingTime> {}
