//! [`Zone`]: what the clocks of a time zone show, and when they show something first.
//!
//! Moments are milliseconds since the epoch, `shown` ones milliseconds since the clocks showed 1970-01-01T00:00. Changes of clocks are at full seconds.

use jiff::{
    Timestamp,
    tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase},
};

use crate::settings::edits;

/// A time zone of the database that is part of the binary.
#[derive(Clone)]
pub(super) struct Zone(TimeZone);

impl Zone {
    pub(super) fn named(name: &str) -> Option<Self> {
        TimeZoneDatabase::bundled().get(name).ok().map(Self)
    }

    /// What the clocks show at a moment.
    pub(super) fn shown(&self, at: i64) -> i64 {
        at + millis(self.0.to_offset(instant(at)))
    }

    /// The first moment at which the clocks show this, or something later because they were put forward across it.
    pub(super) fn first_showing(&self, shown: i64) -> i64 {
        let clocks = TimeZone::UTC.to_datetime(instant(shown));
        match self.0.to_ambiguous_timestamp(clocks).offset() {
            AmbiguousOffset::Unambiguous { offset } => shown - millis(offset),
            // They are put back later on, and show it again.
            AmbiguousOffset::Fold { before, .. } => shown - millis(before),
            // They never show it. By the time that they go by later on, it would have been before they were put forward.
            AmbiguousOffset::Gap { before, after } => {
                let change = self.0.following(instant(shown - millis(after))).next();
                change.map_or(shown - millis(before), |change| change.timestamp().as_millisecond())
            }
        }
    }

    /// What there is of a stretch of time around a moment without a change of the clocks.
    pub(super) fn unchanged(&self, at: i64, (mut start, mut end): (i64, i64)) -> (i64, i64) {
        let offset_ms = self.shown(at) - at;
        if self.shown(start) - start != offset_ms {
            // `preceding` leaves out what is at its argument.
            let change = self.0.preceding(instant(at + 1)).next();
            start = change.map_or(start, |change| change.timestamp().as_millisecond().max(start));
        }
        if self.shown(end - 1) - (end - 1) != offset_ms {
            let change = self.0.following(instant(at)).next();
            end = change.map_or(end, |change| change.timestamp().as_millisecond().min(end));
        }
        (start, end)
    }
}

/// The zone that was probably meant, if one is near.
pub(super) fn nearest(name: &str) -> Option<String> {
    let name = name.to_lowercase();
    let database = TimeZoneDatabase::bundled();
    let zones = database.available().map(|zone| (edits(&name, &zone.as_str().to_lowercase()), zone));
    let (edits, zone) = zones.min_by_key(|(edits, _)| *edits)?;
    (edits <= zone.as_str().len() / 3).then(|| zone.as_str().to_owned())
}

fn millis(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * 1000
}

/// A moment of the library. Its own ends stand for what is beyond them.
pub(super) fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
