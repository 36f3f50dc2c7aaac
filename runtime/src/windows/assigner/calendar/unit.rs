//! [`Unit`]: the periods of the calendar, on clocks that are never changed.
//!
//! Moments are milliseconds since the clocks showed 1970-01-01T00:00.

use jiff::{civil::Date, tz::TimeZone};

use super::zone::instant;
use crate::windows::assigner::grid::Grid;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// From the beginning of 1970, a Thursday, to the first Monday.
const MONDAY_MS: i64 = 4 * DAY_MS;

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Hour,
    Day,
    /// From Monday on.
    Week,
    /// 1, 3 or 12, which are counted from January.
    Months(i32),
}

impl Unit {
    /// When the period of a moment begins.
    pub(super) fn floor(self, at: i64) -> i64 {
        match self {
            Self::Hour => Grid { step_ms: HOUR_MS, offset_ms: 0 }.floor(at),
            Self::Day => Grid { step_ms: DAY_MS, offset_ms: 0 }.floor(at),
            Self::Week => Grid { step_ms: 7 * DAY_MS, offset_ms: MONDAY_MS }.floor(at),
            Self::Months(count) => {
                let month = month_of(at);
                first_of(month - month.rem_euclid(count))
            }
        }
    }

    /// When the period behind one ends that begins at `start`.
    pub(super) fn next(self, start: i64) -> i64 {
        match self {
            Self::Hour => start + HOUR_MS,
            Self::Day => start + DAY_MS,
            Self::Week => start + 7 * DAY_MS,
            Self::Months(count) => first_of(month_of(start) + count),
        }
    }

    /// The least length of such a period.
    pub(super) fn shortest_ms(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
            Self::Week => 7 * DAY_MS,
            Self::Months(1) => 28 * DAY_MS,
            Self::Months(3) => 90 * DAY_MS,
            Self::Months(_) => 365 * DAY_MS,
        }
    }

    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::Hour => "hours",
            Self::Day => "days",
            Self::Week => "weeks",
            Self::Months(1) => "months",
            Self::Months(3) => "quarters",
            Self::Months(_) => "years",
        }
    }
}

/// The month of a moment, counted from January of the year 0.
fn month_of(at: i64) -> i32 {
    let date = TimeZone::UTC.to_datetime(instant(at)).date();
    i32::from(date.year()) * 12 + i32::from(date.month()) - 1
}

/// The beginning of a month. The calendar's own ends stand for what is beyond them.
fn first_of(month: i32) -> i64 {
    let year = i16::try_from(month.div_euclid(12)).ok();
    let date = year.and_then(|year| Date::new(year, month.rem_euclid(12) as i8 + 1, 1).ok());
    let date = date.unwrap_or(if month < 0 { Date::MIN } else { Date::MAX });
    let edge = if month < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    TimeZone::UTC.to_timestamp(date.into()).unwrap_or(edge).as_millisecond()
}
