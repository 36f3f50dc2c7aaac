//! Window assigners: which window a record falls into. Semantics are Flink's; windows are aligned to the epoch, whatever the first element.

use std::{marker::PhantomData, time::Duration};

use millstream_core::time::{Timestamp, Window};

use crate::{
    settings::show_duration,
    stream::{EventTime, TimeDomain},
};

/// By which clock windows open and close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// By the records' timestamps; a window fires when the watermark has passed its last millisecond.
    Event,
    /// By the clock on the wall, when the record is taken. At the end of a bounded input pending windows fire at once (Flink drops them).
    Processing,
}

/// Puts records into aligned windows that do not overlap.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not put records into windows",
    label = "not windows",
    note = "`.window(..)` takes `tumbling(1.minutes())`, `global()`, or a type of yours that implements `Assigner`"
)]
pub trait Assigner: Clone + Send + 'static {
    /// By which clock.
    const CLOCK: Clock;
    /// The window that holds this time.
    fn window(&self, at: Timestamp) -> Window;
    /// For plans: `tumbling 1min`.
    fn describe(&self) -> String;
    /// What is wrong with these windows, if anything is; the job is then not started.
    fn mistake(&self) -> Option<String> {
        None
    }
}

/// The check of `.window(..)`: windows by event time need a stream with event time.
#[diagnostic::on_unimplemented(
    message = "windows by event time on a stream without event time",
    label = "these windows need event time",
    note = "give the stream event time first: `.event_time(out_of_order(5.seconds()))`, or `.event_time_by(|record| .., ..)`",
    note = "or make them windows by the clock on the wall: `tumbling(1.minutes()).processing_time()`",
    note = "a helper that returns `impl Stream<Out = T>` hides event time: write `impl Stream<Out = T, Time = EventTime>`"
)]
pub trait WindowsOn<Time> {}

/// Marks [`Tumbling`] windows by event time.
#[derive(Debug, Clone, Copy)]
pub struct ByEventTime;
/// Marks [`Tumbling`] windows by processing time.
#[derive(Debug, Clone, Copy)]
pub struct ByProcessingTime;

/// Which clock a marker stands for.
pub trait ClockMarker: Send + Sync + 'static {
    #[doc(hidden)]
    const CLOCK: Clock;
}

impl ClockMarker for ByEventTime {
    const CLOCK: Clock = Clock::Event;
}

impl ClockMarker for ByProcessingTime {
    const CLOCK: Clock = Clock::Processing;
}

/// Windows of one size, one after the other, aligned to the epoch: `[n * size, (n + 1) * size)`. See [`tumbling`].
#[derive(Debug)]
pub struct Tumbling<C = ByEventTime> {
    /// At least 1, or 0 for windows without size, with which no job starts.
    size_ms: i64,
    offset_ms: i64,
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
    let size_ms = i64::try_from(size.as_millis()).unwrap_or(i64::MAX);
    Tumbling { size_ms, offset_ms: 0, clock: PhantomData }
}

impl Tumbling {
    /// The same windows by the clock on the wall. At the end of a bounded input those that are pending fire at once (in Flink they are lost).
    pub fn processing_time(self) -> Tumbling<ByProcessingTime> {
        Tumbling { size_ms: self.size_ms, offset_ms: self.offset_ms, clock: PhantomData }
    }
}

impl<C> Tumbling<C> {
    /// Windows that begin this much after the epoch and its multiples: `tumbling(1.days()).offset(5.hours())` for days that begin at 5:00 UTC.
    #[must_use]
    pub fn offset(mut self, by: Duration) -> Self {
        self.offset_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX).checked_rem(self.size_ms).unwrap_or(0);
        self
    }
}

impl<C: ClockMarker> Assigner for Tumbling<C> {
    const CLOCK: Clock = C::CLOCK;

    #[inline(always)]
    fn window(&self, at: Timestamp) -> Window {
        let at = at.millis();
        let start = at.saturating_sub(at.saturating_sub(self.offset_ms).rem_euclid(self.size_ms));
        Window { start: Timestamp::from_millis(start), end: Timestamp::from_millis(start.saturating_add(self.size_ms)) }
    }

    fn describe(&self) -> String {
        let clock = if C::CLOCK == Clock::Processing { " processing time" } else { "" };
        format!("tumbling {}{clock}", show_duration(Duration::from_millis(self.size_ms as u64)))
    }

    fn mistake(&self) -> Option<String> {
        (self.size_ms == 0).then(|| "these windows have no size: `tumbling(..)` takes a millisecond or more".to_owned())
    }
}

impl WindowsOn<EventTime> for Tumbling<ByEventTime> {}
impl<Time: TimeDomain> WindowsOn<Time> for Tumbling<ByProcessingTime> {}

/// One window for everything; it fires at the end of a bounded input. See [`global`].
#[derive(Debug, Clone, Copy)]
pub struct Global;

/// One window per key for the whole input. It fires once, at the end of a bounded input (as Flink's global windows with the end-of-stream trigger).
pub fn global() -> Global {
    Global
}

impl Assigner for Global {
    const CLOCK: Clock = Clock::Event;

    #[inline(always)]
    fn window(&self, _: Timestamp) -> Window {
        Window { start: Timestamp::MIN, end: Timestamp::MAX }
    }

    fn describe(&self) -> String {
        "global".into()
    }
}

impl<Time: TimeDomain> WindowsOn<Time> for Global {}
