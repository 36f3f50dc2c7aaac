//! The pace of throttles by a clock of their own: how much comes through at most, and that it is no less.

use std::time::Duration;

use millstream_core::rate::{Rate, RateExt};

use super::Pace;
use crate::env::Instant;

const SECOND: u64 = 1_000_000_000;

/// When records come through, of subtasks that are all looked at whenever one of them may go on; none is ever short of records.
fn times(rate: Rate, parallelism: usize, until: u64) -> Vec<u64> {
    let mut paces: Vec<_> =
        (0..parallelism).map(|subtask| Pace::new(rate, subtask, parallelism, Instant::default())).collect();
    let mut times = Vec::new();
    let mut now = 0;
    while now < until {
        for pace in &mut paces {
            pace.look(Instant::from_nanos(now));
            while pace.lets_through() {
                times.push(now);
            }
        }
        now = paces.iter().map(|pace| pace.next.nanos()).min().expect("there is one");
    }
    times
}

#[test]
fn no_second_has_more_than_the_rate_and_a_slot_of_each_subtask() {
    for (count, parallelism) in [(1, 1), (1, 4), (7, 3), (100, 1), (333, 2), (12_345, 5), (200_000, 3)] {
        let times = times(count.per_second(), parallelism, 5 * SECOND);
        let slot = (count / 100 / parallelism as u64).max(1) * parallelism as u64;
        let mut began = 0;
        let in_second = times.iter().enumerate().map(|(index, time)| {
            while times[began] + SECOND <= *time {
                began += 1;
            }
            (index - began + 1) as u64
        });
        let most = in_second.max().expect("something came through");
        assert!(most <= count + slot, "{count} x{parallelism}: {most} in a second");
        let all = times.len() as u64;
        assert!(all <= 5 * count + slot && all + all / 100 + 2 >= 5 * count, "{count} x{parallelism}: {all} in all");
    }
}

#[test]
fn subtasks_take_turns() {
    assert_eq!(times(2.per_second(), 2, 2 * SECOND), [0, SECOND / 2, SECOND, 3 * SECOND / 2]);
    assert_eq!(times(2.per_minute(), 1, 61 * SECOND), [0, 30 * SECOND, 60 * SECOND]);
}

#[test]
fn nothing_is_saved_up() {
    let mut pace = Pace::new(10.per_second(), 0, 1, Instant::default());
    let at = |nanos| Instant::default() + Duration::from_nanos(nanos);
    let mut through = |now| {
        pace.look(at(now));
        std::iter::repeat_with(|| pace.lets_through()).take_while(|may| *may).count()
    };
    assert_eq!(through(0), 1);
    assert_eq!(through(SECOND / 10 - 1), 0);
    assert_eq!(through(50 * SECOND + SECOND / 20), 1, "though nothing came for long");
    assert_eq!(through(50 * SECOND + SECOND / 10 - 1), 0, "slots stay where they were");
    assert_eq!(through(50 * SECOND + SECOND / 10), 1);
}

#[test]
fn any_rate_has_a_pace() {
    for (rate, parallelism) in [(0.per_hour(), 1), (1.per_hour(), 1 << 20), (u64::MAX.per_second(), 1)] {
        let mut pace = Pace::new(rate, parallelism - 1, parallelism, Instant::from_nanos(u64::MAX - 1));
        pace.look(Instant::from_nanos(u64::MAX));
        pace.lets_through();
    }
}
