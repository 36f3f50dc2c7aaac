//! Windows of the calendar in a time zone: hours, days, weeks, months, quarters and years as its clocks show them.
//!
//! ```
//! use millstream_core::time::{DurationExt, Timestamp};
//! use millstream_runtime::windows::{Assigner, calendar};
//!
//! let day = calendar::days("Europe/Berlin").slice("2024-03-31T12:00:00+02:00".parse()?);
//! assert_eq!(day.end - day.start, 23.hours()); // the clock was put forward in the night
//! # Ok::<(), millstream_core::error::ParseError>(())
//! ```

#[cfg(test)]
mod tests;
mod unit;
mod zone;

use std::{cell::Cell, fmt, marker::PhantomData, time::Duration};

use millstream_core::time::{Timestamp, Window};

use self::{unit::Unit, zone::Zone};
use super::{
    Apart, Assigner, ByEventTime, ByProcessingTime, Clock, ClockMarker, WindowsOn, clock_suffix,
    grid::{millis, shown},
};
use crate::stream::{EventTime, TimeDomain};

/// The first moment that is looked up: July 1st of the year -9998, 0:00 UTC.
const FIRST_MS: i64 = -377_657_942_400_000;
/// The last moment that is looked up: July 1st of the year 9998, 0:00 UTC.
const LAST_MS: i64 = 253_354_867_200_000;

/// Windows of the calendar in a time zone, one after the other. See [`days`].
pub struct Calendar<C = ByEventTime> {
    unit: Unit,
    offset_ms: i64,
    /// The zone's name, as it was given.
    name: String,
    /// `None` if there is none of this name; with that no job starts.
    zone: Option<Zone>,
    /// The window that was asked for last, mostly the one that is asked for next: zones are not cheap to look into.
    last: Cell<Window>,
    clock: PhantomData<fn() -> C>,
}

impl<C> Clone for Calendar<C> {
    fn clone(&self) -> Self {
        self.with_clock()
    }
}

impl<C> fmt::Debug for Calendar<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calendar").field("unit", &self.unit).field("zone", &self.name).finish_non_exhaustive()
    }
}

/// Windows by event time of an hour on the clocks of a zone. They are those of UTC, but where the zone is half an hour off. Where its clocks are changed, a
/// window ends and another begins, so that none is longer than an hour. In other respects as [`days`].
pub fn hours(zone: &str) -> Calendar {
    Calendar::new(Unit::Hour, zone)
}

/// Windows by event time of a day in a time zone, from midnight to midnight: `calendar::days("Europe/Berlin")`.
///
/// Days follow the zone's clocks: where these are changed a day has 23 or 25 hours. A window begins with the first moment at which the clocks
/// of the zone show its day, be it 1:00 because they are put forward at midnight, and ends where the next begins. So a day that a zone has skipped has no window, and
/// where the clocks are put back across midnight the moments that are repeated stay with the day that had begun.
///
/// Zones are those of the IANA time zone database, by their names (`Europe/Berlin`, `America/New_York`, `UTC`), whose case does not matter. If there is none of
/// this name, the job is not started. The database is part of the binary, and that of the machine is not looked at, so the windows are the same wherever a job
/// runs. A window that is open when a job goes on with another version of the database stays as it is.
///
/// The windows that hold July 1st of the years -9998 and 9998 hold all that is before or after, too.
pub fn days(zone: &str) -> Calendar {
    Calendar::new(Unit::Day, zone)
}

/// Windows by event time of a week in a time zone, from Monday to Sunday, as in ISO 8601. For weeks that begin on Sunday: `.offset(6.days())`. In other
/// respects as [`days`].
pub fn weeks(zone: &str) -> Calendar {
    Calendar::new(Unit::Week, zone)
}

/// Windows by event time of a month in a time zone. In other respects as [`days`].
pub fn months(zone: &str) -> Calendar {
    Calendar::new(Unit::Months(1), zone)
}

/// Windows by event time of a quarter of a year in a time zone, the first of which begins with January. In other respects as [`days`].
pub fn quarters(zone: &str) -> Calendar {
    Calendar::new(Unit::Months(3), zone)
}

/// Windows by event time of a year in a time zone. In other respects as [`days`].
pub fn years(zone: &str) -> Calendar {
    Calendar::new(Unit::Months(12), zone)
}

impl Calendar {
    fn new(unit: Unit, zone: &str) -> Self {
        let nothing = Window::new(Timestamp::MIN, Timestamp::MIN);
        let (name, zone) = (zone.to_owned(), Zone::named(zone));
        Self { unit, offset_ms: 0, name, zone, last: Cell::new(nothing), clock: PhantomData }
    }

    /// The same windows by the clock on the wall. At the end of a bounded input those that are pending fire at once (in Flink they are lost).
    pub fn processing_time(self) -> Calendar<ByProcessingTime> {
        self.with_clock()
    }
}

impl<C> Calendar<C> {
    /// Windows that begin this much later on the zone's clocks: `calendar::days("Europe/Berlin").offset(5.hours())` for days that begin at 5:00 there, also those on which the
    /// clocks are changed. It has to be less than the shortest of these windows is by the calendar.
    #[must_use]
    pub fn offset(mut self, by: Duration) -> Self {
        self.offset_ms = millis(by);
        self.last = Cell::new(Window::new(Timestamp::MIN, Timestamp::MIN));
        self
    }

    fn with_clock<D>(&self) -> Calendar<D> {
        let Self { unit, offset_ms, name, zone, last, .. } = self;
        let (name, zone, last) = (name.clone(), zone.clone(), last.clone());
        Calendar { unit: *unit, offset_ms: *offset_ms, name, zone, last, clock: PhantomData }
    }

    /// The window of a moment between [`FIRST_MS`] and [`LAST_MS`].
    fn window(&self, zone: &Zone, at: i64) -> (i64, i64) {
        let Self { unit, offset_ms, .. } = *self;
        let shown = zone.shown(at);
        let mut from = unit.floor(shown - offset_ms);
        if unit == Unit::Hour {
            let back = shown - at - offset_ms; // from the clocks to UTC
            return zone.unchanged(at, (from - back, unit.next(from) - back));
        }
        // The clocks may have been put back out of a period that had begun.
        let mut start = zone.first_showing(from + offset_ms);
        loop {
            from = unit.next(from);
            let end = zone.first_showing(from + offset_ms);
            if end > at {
                return (start, end);
            }
            start = end;
        }
    }
}

impl<C: ClockMarker> Assigner for Calendar<C> {
    const CLOCK: Clock = C::CLOCK;
    type Layout = Apart;

    fn slice(&self, at: Timestamp) -> Window {
        if self.last.get().contains(at) {
            return self.last.get();
        }
        let Some(zone) = &self.zone else { return Window::new(Timestamp::MIN, Timestamp::MAX) };
        let (start, end) = self.window(zone, at.millis().clamp(FIRST_MS, LAST_MS));
        let start = if start <= FIRST_MS { Timestamp::MIN } else { Timestamp::from_millis(start) };
        let end = if end > LAST_MS { Timestamp::MAX } else { Timestamp::from_millis(end) };
        let window = Window::new(start, end);
        self.last.set(window);
        window
    }

    fn describe(&self) -> String {
        format!("{} of {}{}", self.unit.plural(), self.name, clock_suffix::<C>())
    }

    fn mistake(&self) -> Option<String> {
        if self.zone.is_none() {
            let hint = zone::nearest(&self.name).map_or_else(
                || "names are those of the IANA time zone database, such as `Europe/Berlin` or `UTC`".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            return Some(format!("there is no time zone `{}`: {hint}", self.name));
        }
        let shortest_ms = self.unit.shortest_ms();
        (self.offset_ms >= shortest_ms).then(|| {
            let (offset, unit, shortest) = (shown(self.offset_ms), self.unit.plural(), shown(shortest_ms));
            format!("an offset of {offset} where windows are {unit}: `.offset(..)` takes less than {shortest}")
        })
    }
}

impl WindowsOn<EventTime> for Calendar<ByEventTime> {}
impl<Time: TimeDomain> WindowsOn<Time> for Calendar<ByProcessingTime> {}
