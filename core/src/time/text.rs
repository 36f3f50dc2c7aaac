//! The text of a [`Timestamp`]: by hand for the forms that files are full of, by `jiff` for all others.

use std::{io::Write, str};

use super::Timestamp;
use crate::error::ParseError;

pub(super) const WANTED: &str =
    "a time: RFC 3339 (as `2024-05-01T12:00:00Z` or `2024-05-01T14:00:00.5+02:00`) or whole milliseconds since 1970";

const MIN: &str = "-infinity";
const MAX: &str = "infinity";

const DAY_SECONDS: i64 = 86_400;
const YEAR_LIMIT: i64 = 10_000;
/// Days from 0000-03-01, where this calendar counts from, to 1970-01-01.
const EPOCH_DAY: i64 = 719_468;
/// Days in the 400 years after which the calendar repeats.
const CYCLE_DAYS: i64 = 146_097;

pub(super) fn parse(text: &[u8]) -> Result<Timestamp, ParseError> {
    if let Some(at) = parse_fixed(text) {
        return Ok(at);
    }
    let wrong = || ParseError::new(text, WANTED);
    let text = str::from_utf8(text).map_err(|_| wrong())?;
    match text {
        MIN => return Ok(Timestamp::MIN),
        MAX => return Ok(Timestamp::MAX),
        _ => {}
    }
    if let Ok(millis) = text.parse() {
        return Ok(Timestamp::from_millis(millis));
    }
    let at: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    let millis = at.as_nanosecond().div_euclid(1_000_000);
    // Within the years that jiff knows this is far from the ends of an `i64`.
    i64::try_from(millis).map(Timestamp::from_millis).map_err(|_| wrong())
}

/// Reads exactly `YYYY-MM-DDTHH:MM:SSZ` and `YYYY-MM-DDTHH:MM:SS.mmmZ`; anything else, valid or not, is left to others.
fn parse_fixed(text: &[u8]) -> Option<Timestamp> {
    let (seconds, millis) = match text {
        [seconds @ .., b'Z'] if seconds.len() == 19 => (seconds, 0),
        [seconds @ .., b'.', a, b, c, b'Z'] if seconds.len() == 19 => (seconds, digits(&[*a, *b, *c])?),
        _ => return None,
    };
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', min1, min2, b':', s1, s2] = seconds else {
        return None;
    };
    let (year, month, day) = (digits(&[y1, y2, y3, y4])?, digits(&[m1, m2])?, digits(&[d1, d2])?);
    let (hour, minute, second) = (digits(&[h1, h2])?, digits(&[min1, min2])?, digits(&[s1, s2])?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    // A leap second (`:60`) is rare enough for the general parser.
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = day_number(year, month, day) * DAY_SECONDS + hour * 3600 + minute * 60 + second;
    Some(Timestamp::from_millis(seconds * 1000 + millis))
}

#[inline(always)]
fn digits(text: &[u8]) -> Option<i64> {
    let mut number = 0;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number * 10 + i64::from(digit);
    }
    Some(number)
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar. The year is taken to begin in March, so that the leap day is its
/// last: then the months before one have `(153 * month + 2) / 5` days together.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (cycle, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    cycle * CYCLE_DAYS + year * 365 + year / 4 - year / 100 + day_of_year - EPOCH_DAY
}

/// The date of a day, the inverse of [`day_number`].
fn date(day_number: i64) -> (i64, i64, i64) {
    let days = day_number + EPOCH_DAY;
    let (cycle, days) = (days.div_euclid(CYCLE_DAYS), days.rem_euclid(CYCLE_DAYS));
    // Leaves out the leap days of 4, 100 and 400 years (1461, 36 524 and 146 097 days), so that every year has 365.
    let year = (days - days / 1460 + days / 36_524 - days / 146_096) / 365;
    let day_of_year = days - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = year + cycle * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

/// The text of a timestamp, on the stack.
pub(super) struct Text {
    bytes: [u8; Self::CAPACITY],
    len: usize,
}

impl Text {
    /// As long as `2024-05-01T12:00:00.000Z`; an `i64` has at most 20 characters.
    const CAPACITY: usize = 24;

    pub(super) fn of(at: Timestamp) -> Self {
        let mut text = Self { bytes: [0; Self::CAPACITY], len: 0 };
        let millis = at.millis();
        let (day, time) = (millis.div_euclid(DAY_SECONDS * 1000), millis.rem_euclid(DAY_SECONDS * 1000));
        let (year, month, day) = date(day);
        if !(0..YEAR_LIMIT).contains(&year) {
            match at {
                Timestamp::MIN => text.push(MIN.as_bytes()),
                Timestamp::MAX => text.push(MAX.as_bytes()),
                _ => text.push_number(millis),
            }
            return text;
        }
        let (seconds, millis) = (time / 1000, time % 1000);
        text.push_digits(year, 4);
        for (sign, number) in
            [(b'-', month), (b'-', day), (b'T', seconds / 3600), (b':', seconds / 60 % 60), (b':', seconds % 60)]
        {
            text.push(&[sign]);
            text.push_digits(number, 2);
        }
        if millis != 0 {
            text.push(b".");
            text.push_digits(millis, 3);
        }
        text.push(b"Z");
        text
    }

    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).expect("only ASCII is pushed")
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..][..bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn push_digits(&mut self, mut number: i64, width: usize) {
        for place in self.bytes[self.len..][..width].iter_mut().rev() {
            *place = b'0' + (number % 10) as u8;
            number /= 10;
        }
        self.len += width;
    }

    fn push_number(&mut self, number: i64) {
        let room = &mut self.bytes[self.len..];
        let before = room.len();
        let mut rest = room;
        write!(rest, "{number}").expect("an i64 has at most 20 characters");
        self.len += before - rest.len();
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date as civil;

    use super::*;

    #[track_caller]
    fn by_jiff(text: &str) -> i64 {
        text.parse::<jiff::Timestamp>().expect("a valid time").as_millisecond()
    }

    #[test]
    fn every_day_of_800_years_agrees_with_jiff() {
        let mut day = civil(1600, 1, 1);
        let mut number = (by_jiff("1600-01-01T00:00:00Z")) / 1000 / DAY_SECONDS;
        while day.year() < 2400 {
            let (y, m, d) = (i64::from(day.year()), i64::from(day.month()), i64::from(day.day()));
            assert_eq!((day_number(y, m, d), date(number)), (number, (y, m, d)));
            assert_eq!(days_in_month(y, m), i64::from(day.days_in_month()));
            day = day.tomorrow().expect("within jiff's years");
            number += 1;
        }
    }

    #[test]
    fn the_calendar_repeats_and_inverts_over_all_years() {
        let first = day_number(0, 1, 1);
        let last = day_number(9999, 12, 31);
        for number in first..=last {
            let (y, m, d) = date(number);
            assert!((0..YEAR_LIMIT).contains(&y) && (1..=12).contains(&m) && (1..=days_in_month(y, m)).contains(&d));
            assert_eq!(day_number(y, m, d), number);
        }
    }

    #[test]
    fn every_second_of_a_day_is_read_and_written_as_by_jiff() {
        for second in 0..DAY_SECONDS {
            let at = jiff::Timestamp::from_second(951_782_400 + second).expect("within jiff's years"); // 2000-02-29
            let text = at.to_string();
            assert_eq!(parse_fixed(text.as_bytes()).map(Timestamp::millis), Some(at.as_millisecond()));
            assert_eq!(Text::of(Timestamp::from_millis(at.as_millisecond())).as_str(), text);
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_errors() {
        for text in [
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2024-00-10T00:00:00Z",
            "2024-13-10T00:00:00Z",
            "2024-04-31T00:00:00Z",
            "2024-04-00T00:00:00Z",
            "2024-04-01T24:00:00Z",
            "2024-04-01T00:60:00Z",
            "2024-04-01T00:00:61Z",
            "2024-04-01T00:00:0:Z",
            "2024-04-01T00:00:00.12/Z",
            "2024-04-01T00:00:00",
            "2024-04-01",
            "",
            "yesterday",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(b"\xff").is_err());
    }

    #[test]
    fn all_forms_are_read() {
        for (text, millis) in [
            ("2024-02-29T12:34:56Z", by_jiff("2024-02-29T12:34:56Z")),
            ("2024-02-29T12:34:56.789Z", by_jiff("2024-02-29T12:34:56.789Z")),
            ("2024-02-29T12:34:56.7Z", by_jiff("2024-02-29T12:34:56.700Z")),
            ("2024-02-29T12:34:56.7899999Z", by_jiff("2024-02-29T12:34:56.789Z")),
            ("1969-12-31T23:59:59.9999Z", -1),
            ("2024-02-29T12:34:56+02:00", by_jiff("2024-02-29T10:34:56Z")),
            ("2024-02-29T12:34:56.5-09:30", by_jiff("2024-02-29T22:04:56.500Z")),
            ("0000-01-01T00:00:00Z", by_jiff("0000-01-01T00:00:00Z")),
            ("1714564800000", 1_714_564_800_000),
            ("-1", -1),
            ("infinity", i64::MAX),
            ("-infinity", i64::MIN),
        ] {
            assert_eq!(parse(text.as_bytes()).map(Timestamp::millis), Ok(millis), "{text}");
        }
    }

    #[test]
    fn all_times_are_written_so_that_they_can_be_read() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (50, "1970-01-01T00:00:00.050Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "253402300800000"),
            (i64::MAX, "infinity"),
            (i64::MAX - 1, "9223372036854775806"),
            (i64::MIN, "-infinity"),
            (i64::MIN + 1, "-9223372036854775807"),
        ] {
            let at = Timestamp::from_millis(millis);
            assert_eq!((at.to_string().as_str(), parse(text.as_bytes())), (text, Ok(at)));
        }
    }
}
