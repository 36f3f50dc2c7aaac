//! [`Sliding`]: windows of one size that begin at equal distances.

use std::{marker::PhantomData, time::Duration};

use millstream_core::time::{Timestamp, Window};

use super::{
    Assigner, ByEventTime, ByProcessingTime, Clock, ClockMarker, Overlapping, WindowsOn, clock_suffix,
    grid::{Grid, millis, shown},
};
use crate::stream::{EventTime, TimeDomain};

/// Windows of one size that begin at equal distances: `[n * slide, n * slide + size)`. See [`sliding`].
#[derive(Debug)]
pub struct Sliding<C = ByEventTime> {
    size_ms: i64,
    /// Where windows begin.
    starts: Grid,
    clock: PhantomData<fn() -> C>,
}

impl<C> Clone for Sliding<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Sliding<C> {}

/// Windows of this size by event time, of which one begins every `slide`, aligned to the epoch: `sliding(1.hours(), 1.minutes())`. Both are in whole
/// milliseconds, and a job with less than one is not started.
///
/// Where the slide is less than the size windows overlap, and a record is in several. That does not cost more for each record: the accumulators are
/// kept by *slice*, a stretch of time in which no window begins or ends, and brought together when a window fires. Where the slide is above the size, what
/// happens between two windows is in none, and left out.
pub fn sliding(size: Duration, slide: Duration) -> Sliding {
    Sliding { size_ms: millis(size), starts: Grid::new(slide), clock: PhantomData }
}

impl Sliding {
    /// The same windows by the clock on the wall. At the end of a bounded input those that are pending fire at once (in Flink they are lost).
    pub fn processing_time(self) -> Sliding<ByProcessingTime> {
        Sliding { size_ms: self.size_ms, starts: self.starts, clock: PhantomData }
    }
}

impl<C> Sliding<C> {
    /// Windows that begin this much after the epoch and the multiples of the slide. It has to be less than the slide.
    #[must_use]
    pub fn offset(mut self, by: Duration) -> Self {
        self.starts.offset_ms = millis(by);
        self
    }
}

impl<C: ClockMarker> Assigner for Sliding<C> {
    const CLOCK: Clock = C::CLOCK;
    type Layout = Overlapping;

    /// Windows begin once in a slide, and end once: at most two slices each.
    fn slice(&self, at: Timestamp) -> Window {
        let Self { size_ms, starts, .. } = *self;
        let (at, start) = (at.millis(), starts.floor(at.millis()));
        let next = start.saturating_add(starts.step_ms);
        let end = start.saturating_add(if size_ms > starts.step_ms { size_ms % starts.step_ms } else { size_ms });
        let (from, to) = match at < end {
            true => (start, end),
            false => (end, next),
        };
        Window::new(Timestamp::from_millis(from), Timestamp::from_millis(to))
    }

    fn window_after(&self, slice: Window, after: Timestamp) -> Option<Window> {
        let latest = slice.end.max(Timestamp::from_millis(after.millis().saturating_add(1)));
        let start = self.starts.ceil(latest.millis().saturating_sub(self.size_ms));
        let window =
            Window::new(Timestamp::from_millis(start), Timestamp::from_millis(start.saturating_add(self.size_ms)));
        (start <= slice.start.millis()).then_some(window)
    }

    fn describe(&self) -> String {
        format!("sliding {} by {}{}", shown(self.size_ms), shown(self.starts.step_ms), clock_suffix::<C>())
    }

    fn mistake(&self) -> Option<String> {
        if self.size_ms == 0 {
            return Some("these windows have no size: `sliding(..)` takes a size of a millisecond or more".to_owned());
        }
        if self.starts.step_ms == 0 {
            return Some(
                "these windows never begin: `sliding(..)` takes a slide of a millisecond or more, behind the size"
                    .to_owned(),
            );
        }
        self.starts.offset_mistake(self.starts.step_ms)
    }
}

impl WindowsOn<EventTime> for Sliding<ByEventTime> {}
impl<Time: TimeDomain> WindowsOn<Time> for Sliding<ByProcessingTime> {}
