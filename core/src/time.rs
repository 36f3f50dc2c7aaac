//! Event time: [`Timestamp`], [`Window`] and durations by name ([`DurationExt`]).

mod text;

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

use crate::error::ParseError;

/// A point in time: milliseconds since 1970-01-01T00:00:00Z.
///
/// Its text is RFC 3339 in UTC, with milliseconds only where there are any: `2024-05-01T12:00:00Z`, `2024-05-01T12:00:00.250Z`.
/// [`Timestamp::MIN`] and [`Timestamp::MAX`] are `-infinity` and `infinity`; what lies outside the years 0 to 9999 is the plain number of
/// milliseconds. [`Timestamp::parse`] reads all of these.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// Before everything: the watermark of a stream that has seen nothing.
    pub const MIN: Self = Self(i64::MIN);
    /// After everything: the watermark of a stream that has ended.
    pub const MAX: Self = Self(i64::MAX);

    /// The time so many milliseconds after the epoch (before it, if negative).
    #[inline(always)]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[inline(always)]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The last moment at or before this one that is a whole number of steps from the epoch: `at.round_down(1.minutes())` is the beginning of its minute;
    /// [`Timestamp::MIN`] if there is none. Parts of a millisecond are cut off the step; a step of less than one leaves the time as it is.
    pub fn round_down(self, step: Duration) -> Self {
        match i64::try_from(millis_of(step)) {
            Ok(0) => self,
            Ok(step) => Self(self.0.saturating_sub(self.0.rem_euclid(step))),
            Err(_) => Self(if self.0 < 0 { i64::MIN } else { 0 }),
        }
    }

    /// The first moment at or after this one that is a whole number of steps from the epoch; [`Timestamp::MAX`] if there is none. As
    /// [`round_down`](Self::round_down) in other respects.
    ///
    /// A key has one timer for a time at most, so timers for times that are rounded up are fewer: `cx.event_timer((at + timeout).round_up(1.seconds()))`.
    pub fn round_up(self, step: Duration) -> Self {
        match i64::try_from(millis_of(step)) {
            Ok(0) => self,
            Ok(step) => match self.0.rem_euclid(step) {
                0 => self,
                past => Self(self.0.saturating_add(step - past)),
            },
            Err(_) => Self(if self.0 > 0 { i64::MAX } else { 0 }),
        }
    }

    /// Reads a time from text: RFC 3339 with `Z` or an offset (`2024-05-01T14:00:00+02:00`), a whole number of milliseconds since the
    /// epoch, `infinity` or `-infinity`. Digits beyond milliseconds are cut off.
    ///
    /// # Errors
    ///
    /// Fails if the text is none of these, or if the date does not exist.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        text::parse(text)
    }

    /// What a text must be that [`Timestamp::parse`] takes, for messages.
    pub(crate) const WANTED: &str = text::WANTED;

    /// Gives its text to a function, without going through `fmt`.
    #[inline]
    pub(crate) fn with_text<R>(self, use_text: impl FnOnce(&str) -> R) -> R {
        use_text(text::Text::of(self).as_str())
    }

    /// Appends the text to a vector, without going through `fmt`.
    pub fn append_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(text::Text::of(self).as_str().as_bytes());
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(text::Text::of(*self).as_str())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Timestamp {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text.as_bytes())
    }
}

fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Stops at [`Timestamp::MAX`]. Parts of a millisecond are cut off.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(millis_of(duration)))
    }
}

/// Stops at [`Timestamp::MIN`]. Parts of a millisecond are cut off.
impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(millis_of(duration)))
    }
}

/// The time since `earlier`; zero if that is later, as with `std::time::Instant`.
impl Sub for Timestamp {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        Duration::from_millis(if self > earlier { self.0.abs_diff(earlier.0) } else { 0 })
    }
}

/// A span of time: from `start` up to, but without, `end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window {
    /// The first moment in it.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

impl Window {
    /// The window from `start` up to, but without, `end`.
    #[inline(always)]
    pub const fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start, end }
    }

    /// The last moment in it: a window is complete when the watermark gets here.
    #[inline(always)]
    pub const fn max_timestamp(self) -> Timestamp {
        Timestamp(self.end.0.saturating_sub(1))
    }

    /// True if the moment lies in it.
    #[inline(always)]
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }
}

/// `[2024-05-01T12:00:00Z, 2024-05-01T12:01:00Z)`: the end does not belong to it.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {})", self.start, self.end)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Durations by name: `5.seconds()`. Implemented for `u64` alone, so that a bare number needs no type. Durations stop at `u64::MAX` seconds.
pub trait DurationExt {
    /// So many milliseconds.
    fn milliseconds(self) -> Duration;
    /// So many seconds.
    fn seconds(self) -> Duration;
    /// So many minutes.
    fn minutes(self) -> Duration;
    /// So many hours.
    fn hours(self) -> Duration;
    /// So many days of 24 hours.
    fn days(self) -> Duration;
}

impl DurationExt for u64 {
    fn milliseconds(self) -> Duration {
        Duration::from_millis(self)
    }

    fn seconds(self) -> Duration {
        Duration::from_secs(self)
    }

    fn minutes(self) -> Duration {
        Duration::from_secs(self.saturating_mul(60))
    }

    fn hours(self) -> Duration {
        Duration::from_secs(self.saturating_mul(60 * 60))
    }

    fn days(self) -> Duration {
        Duration::from_secs(self.saturating_mul(24 * 60 * 60))
    }
}
