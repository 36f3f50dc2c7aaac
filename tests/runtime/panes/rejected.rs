//! Windows that the closure of `.apply(..)` rejects when they fire: they are skipped, or diverted with their keys; all else is as if they had been put out.

use std::time::Duration;

use millstream::prelude::*;

use crate::{
    script::Script,
    spy::Spy,
    support::{fails, ms, parallel, run, seeds, sorted},
};

/// How many keys there are, and how many windows of a second with a record of each key.
const KEYS: u64 = 40;
const WINDOWS: u64 = 5;

/// The time of a number in milliseconds; its key is the number modulo `KEYS`.
fn time_of(n: u64) -> Timestamp {
    ms((n / KEYS * 1_000 + n % KEYS) as i64)
}

fn is_rejected(n: u64) -> bool {
    n.is_multiple_of(3)
}

/// The windows of all numbers, some of which are rejected.
macro_rules! windows {
    ($job:expr) => {{
        let numbers = $job.source(Script::records(vec![(0..WINDOWS * KEYS).collect()]));
        let numbers =
            numbers.event_time_by(time_of, punctuated(|n, at| (n % KEYS == 0).then(|| at - 1.milliseconds())));
        numbers.key_by(|n| n % KEYS).window(tumbling(1.seconds())).apply(|_, _, numbers| {
            let n = numbers.iter().next().expect("a window that fires holds something");
            if is_rejected(n) { Err(format!("{n} is a multiple of three")) } else { Ok(Some(n)) }
        })
    }};
}

fn put_out() -> Vec<u64> {
    (0..WINDOWS * KEYS).filter(|n| !is_rejected(*n)).collect()
}

#[test]
fn they_fail_the_job() {
    let failure = fails(1, parallel(1), |job| windows!(job).sink(collect().sink()));
    assert_eq!(failure.operator(), Some("window"), "{failure}");
    let text = failure.message();
    assert!(text.contains("is a multiple of three\n  key: ") && text.contains(", window: "), "{text}");
    assert!(text.contains("`.skip_errors()` or `.divert_errors()` behind `.apply(..)`"), "{text}");
}

#[test]
fn they_are_skipped_and_counted() {
    for seed in seeds() {
        let results = collect();
        let job = run(seed, parallel(1 + seed as usize % 3), |job| windows!(job).skip_errors().sink(results.sink()));
        assert_eq!(sorted(results.take()), put_out(), "seed {seed}");
        assert_eq!(job.counted("records_skipped"), WINDOWS * KEYS - put_out().len() as u64, "seed {seed}");
    }
}

#[test]
fn they_are_diverted_with_key_window_and_time() {
    for seed in seeds() {
        let (results, rejected) = (collect(), collect());
        let job = run(seed, parallel(1 + seed as usize % 3), |job| {
            let (windows, errors) = windows!(job).divert_errors();
            windows.sink(results.sink());
            // They have the times of their windows, and the watermarks that these have fired by are behind them.
            errors
                .key_by(|(_, window, _)| window.start.millis())
                .window(tumbling(1.seconds()))
                .aggregate(|of| of.collect(|(key, _, error)| (key, error.to_owned())))
                .map(|(start, window, errors)| (start, window.start.millis(), errors.to_vec()))
                .sink(rejected.sink());
        });
        assert_eq!(sorted(results.take()), put_out(), "seed {seed}");
        let expected = (0..WINDOWS).map(|window| {
            let numbers = (window * KEYS..(window + 1) * KEYS).filter(|n| is_rejected(*n));
            let errors = numbers.map(|n| (n % KEYS, format!("{n} is a multiple of three")));
            (window as i64 * 1_000, window as i64 * 1_000, sorted(errors.collect()))
        });
        let rejected = rejected.take().into_iter().map(|(at, start, errors)| (at, start, sorted(errors)));
        assert_eq!(sorted(rejected.collect()), expected.collect::<Vec<_>>(), "seed {seed}");
        assert_eq!(job.counted("records_diverted"), WINDOWS * KEYS - put_out().len() as u64, "seed {seed}");
        assert_eq!(job.counted("late_records"), 0, "seed {seed}");
    }
}

/// Otherwise what is diverted would go beyond the credit of its channel, as far as that an operator has to wait in place.
#[test]
fn a_slow_reader_of_them_holds_the_windows_up() {
    for seed in seeds() {
        let spy = Spy::slow(Duration::from_millis(1));
        let job = run(seed, parallel(1), |job| {
            let text = "x".repeat(64 << 10);
            let (windows, errors) = windows!(job).divert_errors_with(move |(key, _), _| (key, text.clone()));
            windows.sink(collect().sink());
            errors.new_chain().map(|(key, _)| key).sink(spy.clone());
        });
        assert_eq!(spy.seen().committed, WINDOWS * KEYS - put_out().len() as u64, "seed {seed}");
        assert_eq!(job.counted("overdraft_waits"), 0, "seed {seed}");
    }
}

/// What fires is forgotten if the trigger says so, also where it is rejected.
#[test]
fn a_purge_forgets_what_was_rejected() {
    let results = collect();
    run(1, parallel(1), |job| {
        job.source(Script::records(vec![(0..6_u64).collect()]))
            .key_by(|_| 0_u8)
            .window(global())
            .trigger(triggers::purging(triggers::count(2)))
            .apply(|_, _, numbers| {
                let numbers: Vec<u64> = numbers.iter().collect();
                if numbers.contains(&2) { Err("two") } else { Ok(Some(numbers)) }
            })
            .skip_errors()
            .sink(results.sink());
    });
    assert_eq!(results.take(), [vec![0, 1], vec![4, 5]]);
}
