//! Window assigners: which window a record falls into. Semantics are Flink's; windows are aligned to the epoch, whatever the first element.

#[cfg(feature = "time-zones")]
pub mod calendar;
mod cumulate;
mod global;
pub(crate) mod grid;
mod sliding;
#[cfg(test)]
mod tests;
mod tumbling;

use millstream_core::{
    aggregate::Merging,
    time::{Timestamp, Window},
};

pub use self::{
    cumulate::{Cumulate, cumulate},
    global::{Global, global},
    sliding::{Sliding, sliding},
    tumbling::{Tumbling, tumbling},
};

/// By which clock windows open and close.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// By the records' timestamps; a window fires when the watermark has passed its last millisecond.
    Event,
    /// By the clock on the wall, when the record is taken. At the end of a bounded input pending windows fire at once (Flink drops them).
    Processing,
}

/// Puts records into windows that are the same for all keys, by their time alone.
///
/// What is kept is kept by *slice*: a stretch of time in which no window begins or ends. Where windows do not overlap slices are windows, and only
/// [`Assigner::slice`] has to be written:
///
/// ```
/// use millstream_core::time::{Timestamp, Window};
/// use millstream_runtime::windows::{Apart, Assigner, Clock, WindowsOn};
/// # use millstream_runtime::stream::EventTime;
///
/// /// The halves of each hour's first ten minutes, and the other fifty.
/// #[derive(Clone)]
/// struct Peaks;
///
/// impl Assigner for Peaks {
///     const CLOCK: Clock = Clock::Event;
///     type Layout = Apart;
///
///     fn slice(&self, at: Timestamp) -> Window {
///         const MINUTE: i64 = 60_000;
///         let hour = at.millis() - at.millis().rem_euclid(60 * MINUTE);
///         let (from, to) = match (at.millis() - hour) / MINUTE {
///             0..5 => (0, 5),
///             5..10 => (5, 10),
///             _ => (10, 60),
///         };
///         Window::new(Timestamp::from_millis(hour + from * MINUTE), Timestamp::from_millis(hour + to * MINUTE))
///     }
///
///     fn describe(&self) -> String {
///         "peaks".into()
///     }
/// }
///
/// impl WindowsOn<EventTime> for Peaks {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not put records into windows that are the same for all keys",
    label = "not windows of this kind",
    note = "streams are joined in `tumbling(1.minutes())`, `sliding(1.hours(), 1.minutes())`, `global()` .., or a type of yours that implements `Assigner`",
    note = "records that happened close to each other are joined without windows: `.between(before(1.minutes()), after(1.minutes()))`"
)]
pub trait Assigner: Clone + Send + 'static {
    /// By which clock.
    const CLOCK: Clock;
    /// How the windows lie to each other.
    type Layout: Layout;

    /// The slice that holds this time.
    fn slice(&self, at: Timestamp) -> Window;

    /// Of the windows that this slice is in, the first by end that ends after `after`; with [`Timestamp::MIN`] the first of all. `None` if there is no
    /// further one. Of two windows the one that ends later must not begin earlier; a job in which one does fails.
    fn window_after(&self, slice: Window, after: Timestamp) -> Option<Window> {
        (slice.end > after).then_some(slice)
    }

    /// Shows the windows that hold a time, in the order of their ends.
    fn each_window(&self, at: Timestamp, mut visit: impl FnMut(Window)) {
        let (slice, mut after) = (self.slice(at), Timestamp::MIN);
        while let Some(window) = self.window_after(slice, after) {
            visit(window);
            after = window.end;
        }
    }

    /// For plans: `tumbling 1min`.
    fn describe(&self) -> String;

    /// What is wrong with these windows, if anything is; the job is then not started.
    fn mistake(&self) -> Option<String> {
        None
    }
}

/// How windows lie to each other: [`Apart`], [`Overlapping`] or [`Growing`].
pub trait Layout: 'static {
    #[doc(hidden)]
    const OVERLAPS: bool;
    #[doc(hidden)]
    const GROWS: bool;
}

/// No two windows share a moment, so each is a slice.
#[derive(Debug)]
pub enum Apart {}

/// A moment may be in several windows.
#[derive(Debug)]
pub enum Overlapping {}

/// A moment may be in several windows, all of which begin together.
#[derive(Debug)]
pub enum Growing {}

impl Layout for Apart {
    const OVERLAPS: bool = false;
    const GROWS: bool = false;
}

impl Layout for Overlapping {
    const OVERLAPS: bool = true;
    const GROWS: bool = false;
}

impl Layout for Growing {
    const OVERLAPS: bool = true;
    const GROWS: bool = true;
}

/// The check that an aggregate can be kept by slices: what is brought together from several has to merge.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be merged, and windows that overlap merge what they have aggregated by slices",
    label = "does not merge",
    note = "windows that overlap need an aggregate with `merge`, as all of `of` but `collect` and `fold` are",
    note = "your own (`#[aggregate]`) gets it by `fn merge(acc: &mut State, other: StateView<'_>)`",
    note = "where all records are needed together, let `.apply(..)` have them"
)]
pub trait FitsWindows<L> {}
#[diagnostic::do_not_recommend]
impl<A> FitsWindows<Apart> for A {}
#[diagnostic::do_not_recommend]
impl<A: Merging> FitsWindows<Overlapping> for A {}
#[diagnostic::do_not_recommend]
impl<A: Merging> FitsWindows<Growing> for A {}

/// The check of `.window(..)`: windows by event time need a stream with event time.
#[diagnostic::on_unimplemented(
    message = "windows by event time on a stream without event time",
    label = "these windows need event time",
    note = "give the stream event time first: `.event_time(out_of_order(5.seconds()))`, or `.event_time_by(|record| .., ..)`",
    note = "or make them windows by the clock on the wall: `tumbling(1.minutes()).processing_time()`",
    note = "a helper that returns `impl Stream<Out = T>` hides event time: write `impl Stream<Out = T, Time = EventTime>`"
)]
pub trait WindowsOn<Time> {}

/// Marks windows by event time.
#[derive(Debug, Clone, Copy)]
pub struct ByEventTime;
/// Marks windows by processing time.
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

/// What plans say of the clock: nothing where it is event time.
pub(super) fn clock_suffix<C: ClockMarker>() -> &'static str {
    match C::CLOCK {
        Clock::Event => "",
        Clock::Processing => " processing time",
    }
}
