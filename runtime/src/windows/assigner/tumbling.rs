//! [`Tumbling`]: windows of one size, one after the other.

use std::{marker::PhantomData, time::Duration};

use millstream_core::time::{Timestamp, Window};

use super::{
    Apart, Assigner, ByEventTime, ByProcessingTime, Clock, ClockMarker, WindowsOn, clock_suffix,
    grid::{Grid, millis, shown},
};
use crate::stream::{EventTime, TimeDomain};

/// Windows of one size, one after the other, aligned to the epoch: `[n * size, (n + 1) * size)`. See [`tumbling`].
#[derive(Debug)]
pub struct Tumbling<C = ByEventTime> {
    grid: Grid,
    clock: PhantomData<fn() -> C>,
}

impl<C> Clone for Tumbling<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Tumbling<C> {}

/// Windows of this size by event time, one after the other, aligned to the epoch. The size is in whole milliseconds; a job with windows
/// of less than one is not started.
pub fn tumbling(size: Duration) -> Tumbling {
    Tumbling { grid: Grid::new(size), clock: PhantomData }
}

impl Tumbling {
    /// The same windows by the clock on the wall. At the end of a bounded input those that are pending fire at once (in Flink they are lost).
    pub fn processing_time(self) -> Tumbling<ByProcessingTime> {
        Tumbling { grid: self.grid, clock: PhantomData }
    }
}

impl<C> Tumbling<C> {
    /// Windows that begin this much after the epoch and its multiples: `tumbling(1.days()).offset(5.hours())` for days that begin at 5:00 UTC. It has
    /// to be less than the size.
    #[must_use]
    pub fn offset(mut self, by: Duration) -> Self {
        self.grid.offset_ms = millis(by);
        self
    }
}

impl<C: ClockMarker> Assigner for Tumbling<C> {
    const CLOCK: Clock = C::CLOCK;
    type Layout = Apart;

    #[inline(always)]
    fn slice(&self, at: Timestamp) -> Window {
        let start = self.grid.floor(at.millis());
        Window::new(Timestamp::from_millis(start), Timestamp::from_millis(start.saturating_add(self.grid.step_ms)))
    }

    fn describe(&self) -> String {
        format!("tumbling {}{}", shown(self.grid.step_ms), clock_suffix::<C>())
    }

    fn mistake(&self) -> Option<String> {
        if self.grid.step_ms == 0 {
            return Some("these windows have no size: `tumbling(..)` takes a millisecond or more".to_owned());
        }
        self.grid.offset_mistake(self.grid.step_ms)
    }
}

impl WindowsOn<EventTime> for Tumbling<ByEventTime> {}
impl<Time: TimeDomain> WindowsOn<Time> for Tumbling<ByProcessingTime> {}
