//! Arithmetic of times, and their text against `jiff` as an oracle.

use std::time::Duration;

use millstream_core::time::{DurationExt, Timestamp, Window};
use proptest::prelude::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn arithmetic_stops_at_the_ends() {
    assert_eq!(at(1000) + 5.seconds(), at(6000));
    assert_eq!(at(1000) - 5.seconds(), at(-4000));
    assert_eq!(at(0) + Duration::from_micros(1999), at(1));
    assert_eq!(Timestamp::MAX + 1.milliseconds(), Timestamp::MAX);
    assert_eq!(Timestamp::MIN - 1.milliseconds(), Timestamp::MIN);
    assert_eq!(Timestamp::MIN + Duration::MAX, Timestamp::MAX);
    assert_eq!(Timestamp::MAX - Duration::MAX, Timestamp::MIN);
}

#[test]
fn differences_are_durations() {
    assert_eq!(at(6000) - at(1000), 5.seconds());
    assert_eq!(at(1000) - at(6000), Duration::ZERO);
    assert_eq!(Timestamp::MAX - Timestamp::MIN, Duration::from_millis(u64::MAX));
}

#[test]
fn durations_by_name() {
    assert_eq!(1500.milliseconds(), Duration::new(1, 500_000_000));
    assert_eq!((2.minutes(), 2.hours(), 2.days()), (120.seconds(), 7200.seconds(), 172_800.seconds()));
    assert_eq!(u64::MAX.days(), Duration::from_secs(u64::MAX));
}

#[test]
fn windows_have_no_end_of_their_own() {
    let window = Window::new(at(0), at(60_000));
    assert_eq!(window.max_timestamp(), at(59_999));
    assert_eq!([-1, 0, 59_999, 60_000].map(|millis| window.contains(at(millis))), [false, true, true, false]);
    assert_eq!(window.to_string(), "[1970-01-01T00:00:00Z, 1970-01-01T00:01:00Z)");
    assert_eq!(format!("{window:?}"), window.to_string());
    assert_eq!(Window::new(Timestamp::MIN, Timestamp::MIN).max_timestamp(), Timestamp::MIN);
}

#[test]
fn text_is_padded_as_asked() {
    assert_eq!(format!("{:<25}|", at(0)), "1970-01-01T00:00:00Z     |");
    assert_eq!(format!("{:?}", at(1)), "1970-01-01T00:00:00.001Z");
    assert_eq!("0".parse(), Ok(at(0)));
}

#[test]
fn a_wrong_time_says_what_a_right_one_looks_like() {
    let error = Timestamp::parse(b"01.05.2024 12:00").expect_err("not RFC 3339").to_string();
    assert!(error.starts_with("`01.05.2024 12:00` is not a time: RFC 3339 (as `2024-05-01T12:00:00Z`"), "{error}");
}

proptest! {
    #[test]
    fn every_time_reads_back(millis: i64) {
        prop_assert_eq!(at(millis).to_string().parse(), Ok(at(millis)));
        let mut out = Vec::new();
        at(millis).append_to(&mut out);
        prop_assert_eq!(out, at(millis).to_string().into_bytes());
    }

    #[test]
    fn times_of_the_years_0_to_9999_read_and_print_as_by_jiff(millis in -62_167_219_200_000..253_402_207_200_000_i64) {
        let oracle = jiff::Timestamp::from_millisecond(millis).expect("within jiff's years");
        prop_assert_eq!(Timestamp::parse(oracle.to_string().as_bytes()), Ok(at(millis)));
        prop_assert_eq!(at(millis).to_string().parse::<jiff::Timestamp>().ok(), Some(oracle));
        if millis % 1000 == 0 {
            prop_assert_eq!(at(millis).to_string(), oracle.to_string());
        }
    }

    /// Where the parser by hand may decide alone, it decides as `jiff` does.
    #[test]
    fn texts_of_the_usual_form_read_as_by_jiff(
        text in "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{3})?(Z|[+-][01][0-9]:[0-5][0-9])"
    ) {
        let oracle = text.parse::<jiff::Timestamp>().map(|at| at.as_nanosecond().div_euclid(1_000_000) as i64);
        prop_assert_eq!(Timestamp::parse(text.as_bytes()).map(Timestamp::millis).ok(), oracle.ok());
    }
}

#[test]
fn times_are_rounded_to_steps_from_the_epoch() {
    let rounded = |at: i64, step: Duration| {
        let at = Timestamp::from_millis(at);
        (at.round_down(step).millis(), at.round_up(step).millis())
    };
    for step in 1..=7 {
        for at in -30..=30_i64 {
            let wanted = ((at - step + 1..=at).find(|t| t % step == 0), (at..at + step).find(|t| t % step == 0));
            let got = rounded(at, Duration::from_millis(step as u64));
            assert_eq!((Some(got.0), Some(got.1)), wanted, "{at} by {step}");
        }
    }
    assert_eq!(rounded(1234, Duration::ZERO), (1234, 1234));
    assert_eq!(rounded(1234, Duration::from_micros(1500)), (1234, 1234));
    assert_eq!(rounded(1500, Duration::from_micros(1_000_900)), (1000, 2000));
    // Where there is no such time.
    let (min, max) = (i64::MIN, i64::MAX);
    assert_eq!(rounded(max, Duration::from_secs(1)).1, max);
    assert_eq!(rounded(min, Duration::from_secs(1)).0, min);
    assert_eq!(rounded(5, Duration::MAX), (0, max));
    assert_eq!(rounded(-5, Duration::MAX), (min, 0));
}
