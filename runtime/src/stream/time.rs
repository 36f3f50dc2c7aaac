//! What says when a record happened: its own field, or a function.

use millstream_core::{event_time::EventTime, record::Record, time::Timestamp};

use crate::operator::Shippable;

/// Says when a record happened.
pub trait TimeFn<T: Record>: Shippable {
    /// When it happened.
    fn time(&self, record: T::View<'_>) -> Timestamp;
}

/// The field marked with `#[record(event_time)]`.
#[derive(Debug, Clone, Copy)]
pub struct OwnTime;

impl<T: EventTime> TimeFn<T> for OwnTime {
    #[inline(always)]
    fn time(&self, record: T::View<'_>) -> Timestamp {
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
    fn time(&self, record: T::View<'_>) -> Timestamp {
        (self.0)(record)
    }
}
