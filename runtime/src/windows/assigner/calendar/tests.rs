//! Windows of the calendar beside the library's own dates, around changes of the clocks and far from today.

use std::time::Duration;

use jiff::{
    Zoned,
    civil::{Date, date},
    tz::{TimeZone, TimeZoneDatabase},
};
use millstream_core::time::{DurationExt, Timestamp, Window};
use proptest::prelude::*;

use super::{Calendar, FIRST_MS, LAST_MS, days, hours, months, quarters, weeks, years};
use crate::windows::Assigner;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn span(start: &str, end: &str) -> Window {
    Window::new(at(start), at(end))
}

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).expect("a zone")
}

/// The windows from the one of `from` to the one of `to`: they follow each other, and what is in them finds them.
fn windows(calendar: &Calendar, from: Timestamp, to: Timestamp) -> Vec<Window> {
    assert_eq!(calendar.mistake(), None);
    let mut all = vec![calendar.slice(from)];
    while let Some(&last) = all.last().filter(|window| !window.contains(to)) {
        all.push(calendar.slice(last.end));
    }
    for window in &all {
        for inside in [window.start, window.start + (window.end - window.start) / 2, window.max_timestamp()] {
            assert_eq!(calendar.clone().slice(inside), *window, "{inside:?}");
        }
    }
    assert!(all.is_sorted_by(|a, b| a.end == b.start), "{all:?}");
    all
}

/// How long they are.
fn minutes(calendar: &Calendar, from: &str, to: &str) -> Vec<u64> {
    windows(calendar, at(from), at(to)).iter().map(|window| (window.end - window.start).as_secs() / 60).collect()
}

#[test]
fn days_are_as_long_as_the_clocks_make_them() {
    let berlin = days("Europe/Berlin");
    assert_eq!(minutes(&berlin, "2024-03-30T12:00:00Z", "2024-04-01T12:00:00Z"), [24 * 60, 23 * 60, 24 * 60]);
    assert_eq!(minutes(&berlin, "2024-10-26T12:00:00Z", "2024-10-28T12:00:00Z"), [24 * 60, 25 * 60, 24 * 60]);
    assert_eq!(
        berlin.slice(at("2024-03-31T05:00:00Z")),
        span("2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00")
    );
    // Half an hour is put forward and back.
    let island = days("Australia/Lord_Howe");
    assert_eq!(minutes(&island, "2024-10-05T00:00:00Z", "2024-10-06T00:00:00Z"), [24 * 60, 23 * 60 + 30]);
    assert_eq!(minutes(&island, "2024-04-06T00:00:00Z", "2024-04-07T00:00:00Z"), [24 * 60, 24 * 60 + 30]);
    // Before the epoch, and with seconds: local mean time was 53 minutes and 28 seconds ahead.
    assert_eq!(berlin.slice(at("1893-03-31T22:00:00Z")), span("1893-03-30T23:06:32Z", "1893-03-31T23:06:32Z"));
}

#[test]
fn a_day_without_midnight_begins_when_the_clocks_first_show_it() {
    // 0:00 to 1:00 was skipped.
    let day = days("America/Sao_Paulo").slice(at("2018-11-04T12:00:00Z"));
    assert_eq!(day, span("2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"));
    // 23:30 to 0:30.
    let day = days("America/Toronto").slice(at("1919-03-31T12:00:00Z"));
    assert_eq!(day, span("1919-03-31T00:30:00-04:00", "1919-04-01T00:00:00-04:00"));
    assert_eq!(days("America/Toronto").slice(day.start - 1.milliseconds()).end, day.start);
}

#[test]
fn a_day_that_was_skipped_has_no_window() {
    let apia = days("Pacific/Apia");
    let days = windows(&apia, at("2011-12-29T12:00:00-10:00"), at("2011-12-31T12:00:00+14:00"));
    let change = "2011-12-30T10:00:00Z";
    assert_eq!(days, [span("2011-12-29T00:00:00-10:00", change), span(change, "2012-01-01T00:00:00+14:00")]);
    // A week is a day short.
    assert_eq!(minutes(&weeks("Pacific/Apia"), change, change), [6 * 24 * 60]);
}

#[test]
fn what_is_repeated_across_midnight_stays_with_the_day_that_has_begun() {
    // At 0:01 the clocks were put back to 23:01.
    let st_johns = days("America/St_Johns");
    let sunday = span("2006-10-29T00:00:00-02:30", "2006-10-30T00:00:00-03:30");
    assert_eq!(windows(&st_johns, at("2006-10-29T12:00:00Z"), at("2006-10-29T12:00:00Z")), [sunday]);
    for repeated in ["2006-10-28T23:01:00-03:30", "2006-10-28T23:59:59-03:30", "2006-10-29T00:00:00-03:30"] {
        assert_eq!(st_johns.slice(at(repeated)), sunday);
    }
    // At midnight, which they did not show before, to 23:00.
    let saturday = days("America/Sao_Paulo").slice(at("2018-02-17T23:30:00-03:00"));
    assert_eq!(saturday, span("2018-02-17T00:00:00-02:00", "2018-02-18T00:00:00-03:00"));
}

#[test]
fn hours_end_where_the_clocks_are_changed() {
    let berlin = hours("Europe/Berlin");
    assert_eq!(minutes(&berlin, "2024-03-30T22:00:00Z", "2024-03-31T03:00:00Z"), [60; 6]);
    assert_eq!(minutes(&berlin, "2024-10-26T22:00:00Z", "2024-10-27T03:00:00Z"), [60; 6]);
    let india = hours("Asia/Kolkata").slice(at("2024-05-01T12:00:00Z"));
    assert_eq!(india, span("2024-05-01T11:30:00Z", "2024-05-01T12:30:00Z"));
    // From 2:00 to 2:30, and from 2:00 back to 1:30.
    let island = hours("Australia/Lord_Howe");
    assert_eq!(minutes(&island, "2024-10-05T14:30:00Z", "2024-10-05T16:00:00Z"), [60, 30, 60]);
    assert_eq!(minutes(&island, "2024-04-06T14:00:00Z", "2024-04-06T16:00:00Z"), [60, 30, 60]);
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let week = weeks("Europe/Berlin").slice(at("2024-03-31T12:00:00Z"));
    assert_eq!(week, span("2024-03-25T00:00:00+01:00", "2024-04-01T00:00:00+02:00"));
    let american = weeks("America/New_York").offset(6.days()).slice(at("2024-03-10T12:00:00Z"));
    assert_eq!(american, span("2024-03-10T00:00:00-05:00", "2024-03-17T00:00:00-04:00"));
    let month = months("America/New_York").slice(at("2024-02-29T23:59:59-05:00"));
    assert_eq!(month, span("2024-02-01T00:00:00-05:00", "2024-03-01T00:00:00-05:00"));
    let middle = months("UTC").offset(14.days()).slice(at("1968-03-01T00:00:00Z"));
    assert_eq!(middle, span("1968-02-15T00:00:00Z", "1968-03-15T00:00:00Z"));
    let quarter = quarters("Europe/Berlin").slice(at("1999-12-31T23:30:00Z"));
    assert_eq!(quarter, span("2000-01-01T00:00:00+01:00", "2000-04-01T00:00:00+02:00"));
    let year = years("Asia/Tokyo").slice(at("2023-12-31T15:00:00Z"));
    assert_eq!(year, span("2024-01-01T00:00:00+09:00", "2025-01-01T00:00:00+09:00"));
}

#[test]
fn an_offset_is_one_on_the_clocks() {
    let shift = days("Europe/Berlin").offset(5.hours());
    assert_eq!(shift.slice(at("2024-03-30T12:00:00Z")), span("2024-03-30T05:00:00+01:00", "2024-03-31T05:00:00+02:00"));
    assert_eq!(shift.slice(at("2024-10-27T03:59:59Z")), span("2024-10-26T05:00:00+02:00", "2024-10-27T05:00:00+01:00"));
    // 2:30 is skipped, so that day begins at 3:00.
    let skipped = days("Europe/Berlin").offset(150.minutes());
    assert_eq!(
        skipped.slice(at("2024-03-31T12:00:00Z")),
        span("2024-03-31T03:00:00+02:00", "2024-04-01T02:30:00+02:00")
    );
}

/// When the library says that the period of a time begins.
fn begins(calendar: &Calendar, of: &Zoned) -> Zoned {
    let date = of.date();
    let first = match calendar.describe().split(' ').next() {
        Some("days") => date,
        Some("weeks") => {
            date.checked_sub(jiff::Span::new().days(date.weekday().to_monday_zero_offset())).expect("a date")
        }
        Some("months") => date.first_of_month(),
        Some("quarters") => Date::new(date.year(), (date.month() - 1) / 3 * 3 + 1, 1).expect("a date"),
        _ => date.first_of_year(),
    };
    first.to_zoned(of.time_zone().clone()).and_then(|zoned| zoned.start_of_day()).expect("a date")
}

#[test]
fn every_day_of_many_years_begins_as_the_library_says() {
    for name in
        ["Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kathmandu", "Africa/Casablanca", "UTC"]
    {
        let (calendar, zone) = (days(name), zone(name));
        let mut day = date(1880, 1, 1);
        while day < date(2060, 1, 1) {
            let next = day.tomorrow().expect("a date");
            let [start, end] = [day, next].map(|day| {
                let start = day.to_zoned(zone.clone()).and_then(|zoned| zoned.start_of_day()).expect("a date");
                Timestamp::from_millis(start.timestamp().as_millisecond())
            });
            assert_eq!(calendar.slice(start), Window::new(start, end), "{day} of {name}");
            day = next;
        }
    }
}

#[test]
fn times_that_the_library_does_not_know_are_in_the_first_or_the_last_window() {
    for name in ["Europe/Berlin", "Pacific/Kiritimati", "America/Adak", "UTC"] {
        for calendar in [hours(name), days(name), weeks(name), months(name), quarters(name), years(name)] {
            let (first, last) = (Timestamp::from_millis(FIRST_MS), Timestamp::from_millis(LAST_MS));
            let (before, after) = (calendar.slice(first), calendar.slice(last));
            assert_eq!((before.start, after.end), (Timestamp::MIN, Timestamp::MAX));
            for (at, window) in [(Timestamp::MIN, before), (first - 1.days(), before), (Timestamp::MAX, after)] {
                assert_eq!(calendar.clone().slice(at), window, "{at:?}");
            }
            // What is next to them ends where they begin.
            assert_eq!(calendar.slice(before.end).start, before.end);
            assert_eq!(calendar.slice(after.start - 1.milliseconds()).end, after.start);
        }
    }
    let year = |year, month, day| date(year, month, day).to_zoned(TimeZone::UTC).expect("a date").timestamp();
    assert_eq!(year(-9998, 7, 1).as_millisecond(), FIRST_MS);
    assert_eq!(year(9998, 7, 1).as_millisecond(), LAST_MS);
}

#[test]
fn what_cannot_be_is_said() {
    let mistakes = [
        days("Europe/Berlim"),
        days("Atlantis"),
        days(""),
        hours("UTC").offset(1.hours()),
        days("UTC").offset(1.days()),
        weeks("UTC").offset(7.days()),
        months("UTC").offset(Duration::MAX),
    ];
    let mistakes = mistakes.map(|calendar| calendar.mistake().expect("it is one"));
    assert_eq!(
        mistakes[..6],
        [
            "there is no time zone `Europe/Berlim`: did you mean `Europe/Berlin`?",
            "there is no time zone `Atlantis`: names are those of the IANA time zone database, such as `Europe/Berlin` or `UTC`",
            "there is no time zone ``: names are those of the IANA time zone database, such as `Europe/Berlin` or `UTC`",
            "an offset of 1h where windows are hours: `.offset(..)` takes less than 1h",
            "an offset of 24h where windows are days: `.offset(..)` takes less than 24h",
            "an offset of 168h where windows are weeks: `.offset(..)` takes less than 168h",
        ]
    );
    assert!(mistakes[6].ends_with("where windows are months: `.offset(..)` takes less than 672h"), "{}", mistakes[6]);
    assert_eq!(days("europe/berlin").mistake(), None, "case does not matter");
}

/// Zones with odd clocks, and usual ones.
const ZONES: &[&str] = &[
    "Africa/Casablanca",
    "Africa/Monrovia",
    "America/Adak",
    "America/Havana",
    "America/Juneau",
    "America/New_York",
    "America/Nuuk",
    "America/Sao_Paulo",
    "America/Scoresbysund",
    "America/St_Johns",
    "America/Toronto",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Manila",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Europe/London",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Pacific/Kwajalein",
    "UTC",
];

fn calendars(zone: &str) -> [Calendar; 6] {
    [hours(zone), days(zone), weeks(zone), months(zone), quarters(zone), years(zone)]
}

/// Times near to a change of the clocks, and others.
fn times() -> impl Strategy<Value = (&'static str, i64)> {
    let near = (prop::sample::select(ZONES), -4_000_000_000_000..4_000_000_000_000_i64, -100_000_000..100_000_000_i64);
    let near = near.prop_map(|(name, from, away)| {
        let from = jiff::Timestamp::from_millisecond(from).expect("a time");
        let change = zone(name).following(from).next().map_or(from, |change| change.timestamp());
        (name, change.as_millisecond() + away)
    });
    prop_oneof![4 => near, 1 => (prop::sample::select(ZONES), FIRST_MS..LAST_MS), 1 => (prop::sample::select(ZONES), any::<i64>())]
}

proptest! {
    #[test]
    fn windows_hold_their_times_and_follow_each_other(
        (name, at) in times(), unit in 0..6_usize, minutes in 0..60_u64
    ) {
        let at = Timestamp::from_millis(at.min(i64::MAX - 1));
        let calendar = calendars(name)[unit].clone().offset(minutes.minutes());
        let window = calendar.slice(at);
        prop_assert!(window.contains(at), "{at:?} in {window:?}");
        let fresh = || calendars(name)[unit].clone().offset(minutes.minutes());
        prop_assert_eq!(fresh().slice(window.start), window);
        prop_assert_eq!(fresh().slice(window.max_timestamp()), window);
        if window.start > Timestamp::MIN {
            prop_assert_eq!(fresh().slice(window.start - 1.milliseconds()).end, window.start);
        }
        if window.end < Timestamp::MAX {
            prop_assert_eq!(fresh().slice(window.end).start, window.end);
        }
    }

    #[test]
    fn windows_are_aligned_to_dates((name, at) in times(), unit in 1..6_usize) {
        let at = at.clamp(FIRST_MS + 400 * 86_400_000, LAST_MS - 400 * 86_400_000);
        let calendar = calendars(name)[unit].clone();
        let window = calendar.slice(Timestamp::from_millis(at));
        let start = jiff::Timestamp::from_millisecond(window.start.millis()).expect("a time").to_zoned(zone(name));
        prop_assert_eq!(begins(&calendar, &start), start);
    }
}
