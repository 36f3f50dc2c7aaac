//! What says when a record happened: its own field, or a function.

use millstream_core::{event_time::EventTime, record::Record, time::Timestamp};

use crate::operator::Shippable;

/// Says when a record happened.
pub trait TimeFn<T: Record>: Shippable {
    /// When it happened; `at` is the time that the stream has for it so far, [`Timestamp::MIN`] if it has none.
    fn time(&self, record: T::View<'_>, at: Timestamp) -> Timestamp;
}

/// The time that the source gave the record.
#[derive(Debug, Clone, Copy)]
pub struct GivenTime;

impl<T: Record> TimeFn<T> for GivenTime {
    #[inline(always)]
    fn time(&self, _: T::View<'_>, at: Timestamp) -> Timestamp {
        at
    }
}

/// The check of `.watermarks(..)`.
#[diagnostic::on_unimplemented(
    message = "the records of this stream have no time yet",
    label = "needs a stream whose source gives its records times",
    note = "use `.event_time(..)` for a record with a field marked `#[record(event_time)]`, or `.event_time_by(|record| .., ..)`"
)]
pub trait HasTimes {}
impl HasTimes for super::EventTime {}

/// The check of what is said of a stream and belongs to its watermark strategy. Never implemented.
#[diagnostic::on_unimplemented(
    message = "alignment and idleness are a matter of the watermark strategy, not of the stream",
    label = "a stream, not a watermark strategy",
    note = "write it into the parentheses before, behind the strategy: `.event_time(out_of_order(5.seconds()).aligned(\"orders\", 20.seconds()))`"
)]
pub trait IsStrategy {
    #[doc(hidden)]
    type Proof;
}

/// The check of what goes by event time.
#[diagnostic::on_unimplemented(
    message = "this goes by event time, and the stream has none",
    label = "needs event time",
    note = "give the stream event time first: `.event_time(out_of_order(5.seconds()))`, or `.event_time_by(|record| .., ..)`",
    note = "a helper that returns `impl Stream<Out = T>` hides event time: write `impl Stream<Out = T, Time = EventTime>`"
)]
pub trait IsTimed {
    #[doc(hidden)]
    type TimeProof;
}
impl IsTimed for super::EventTime {
    type TimeProof = ();
}

/// The field marked with `#[record(event_time)]`.
#[derive(Debug, Clone, Copy)]
pub struct OwnTime;

impl<T: EventTime> TimeFn<T> for OwnTime {
    #[inline(always)]
    fn time(&self, record: T::View<'_>, _: Timestamp) -> Timestamp {
        T::event_time(record)
    }
}

/// A closure.
#[derive(Debug, Clone)]
pub struct ByTime<F>(pub(crate) F);

impl<T: Record, F: Shippable> TimeFn<T> for ByTime<F>
where
    F: for<'a> Fn(T::View<'a>) -> Timestamp,
{
    #[inline(always)]
    fn time(&self, record: T::View<'_>, _: Timestamp) -> Timestamp {
        (self.0)(record)
    }
}
