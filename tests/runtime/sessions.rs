//! Session windows beside the rules of Flink, and beside a sort of each key's records.

use std::{collections::BTreeMap, time::Duration};

use millstream::prelude::*;
use millstream_testkit::rng::Rng;

use crate::{
    overlapping::disordered,
    script::{Script, Step},
    support::{Simulated, ms, parallel, run, seeds, sorted},
    windows::{DISORDER_MS, Event, EventView, drawn, event, splits},
};

/// Count and sum.
type Values = (u64, i128);

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Where a value is `n`, a gap of so many milliseconds may follow.
fn gap_of(value: u64) -> i64 {
    200 + (value % 7) as i64 * 50
}

/// The sessions of all records, whatever order they came in.
fn expected(events: &[Vec<Event>], gap: impl Fn(&Event) -> i64) -> Vec<(u64, Window, Values)> {
    let mut all: Vec<_> = events.iter().flatten().cloned().collect();
    all.sort_by_key(|event| (event.key, event.at));
    let mut sessions: Vec<(u64, Window, Values)> = Vec::new();
    for event in all {
        let end = ms(event.at.millis() + gap(&event));
        match sessions.last_mut().filter(|(key, window, _)| *key == event.key && event.at <= window.end) {
            Some((_, window, values)) => {
                window.end = window.end.max(end);
                *values = (values.0 + 1, values.1 + i128::from(event.value));
            }
            None => sessions.push((event.key, Window::new(event.at, end), (1, i128::from(event.value)))),
        }
    }
    sorted(sessions)
}

#[test]
fn results_depend_on_nothing_but_the_records() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        let (keys, count) = ([3, 40, 400][rng.index(3)], 1 + rng.index(4));
        let events = splits(rng, keys, count, 400);
        let gap = [50, 300, 5_000][rng.index(3)];
        let (fixed, by_record) = (expected(&events, |_| gap), expected(&events, |event| gap_of(event.value)));
        let settings = drawn(rng);
        let what = format!("seed {seed}, gap {gap}, {settings:?}");
        let (a_results, b_results) = (collect(), collect());
        let job = run(seed, settings, |job| {
            let events = job.source(Script::records(events)).event_time(out_of_order(millis(DISORDER_MS as u64)));
            let (a, b) = events.fork();
            a.key_by(|event| event.key)
                .window(session(millis(gap as u64)))
                .aggregate(|of| (of.count(), of.sum(|event| event.value)))
                .map(|(key, window, values)| (key, window, values))
                .sink(a_results.sink());
            b.key_by(|event| event.key)
                .window(session_with(|event: EventView<'_>| millis(gap_of(event.value) as u64)))
                .aggregate(|of| (of.count(), of.sum(|event| event.value)))
                .map(|(key, window, values)| (key, window, values))
                .sink(b_results.sink());
        });
        assert_eq!(sorted(a_results.take()), fixed, "{what}");
        assert_eq!(sorted(b_results.take()), by_record, "{what}");
        assert_eq!(job.counted("late_records"), 0, "{what}");
    }
}

/// Flink's rules, record by record: what is put out, in the order of time and then of keys; and what is late.
fn with_lateness(events: &[Event], every: u64, gap: i64, lateness: i64) -> (Vec<(u64, Window, Values)>, Vec<Event>) {
    let (mut out, mut late, mut watermark) = (Vec::new(), Vec::new(), i64::MIN);
    let mut open = BTreeMap::<u64, Vec<(Window, Values)>>::new();
    let max = |window: &Window| window.max_timestamp().millis();
    let mut all = events.iter().map(Some).collect::<Vec<_>>();
    all.push(None);
    for event in all {
        if let Some(event) = event {
            let sessions = open.entry(event.key).or_default();
            let alone = Window::new(event.at, ms(event.at.millis() + gap));
            let touches = |window: &Window| window.start <= alone.end && alone.start <= window.end;
            let touched: Vec<_> = sessions.extract_if(.., |(window, _)| touches(window)).collect();
            let mut merged = (alone, (1, i128::from(event.value)));
            for (window, values) in touched {
                merged.0 = Window::new(merged.0.start.min(window.start), merged.0.end.max(window.end));
                merged.1 = (merged.1.0 + values.0, merged.1.1 + values.1);
            }
            if max(&merged.0).saturating_add(lateness) <= watermark {
                late.push(event.clone());
                continue;
            }
            if max(&merged.0) <= watermark {
                out.push((event.key, merged.0, merged.1));
            }
            sessions.push(merged);
        }
        let before = watermark;
        watermark = match event {
            Some(event) if event.value % every == 0 => watermark.max(event.at.millis() - 1_000),
            Some(_) => watermark,
            None => i64::MAX,
        };
        for (key, sessions) in &mut open {
            let fires = |window: &Window| max(window) > before && max(window) <= watermark;
            out.extend(
                sessions.iter().filter(|(window, _)| fires(window)).map(|(window, values)| (*key, *window, *values)),
            );
            sessions.retain(|(window, _)| max(window).saturating_add(lateness) > watermark);
        }
    }
    (out, late)
}

#[test]
fn late_records_make_sessions_fire_again_and_grow_while_these_are_kept() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for (gap, lateness, every) in [
            (300, 0, 1),
            (300, 2_000, 1),
            (90, 20_000, 1),
            (1_000, 500, 1),
            (300, 0, 7),
            (1_000, 0, 30),
            (300, 2_000, 15),
        ] {
            let events = disordered(rng);
            let (expected, expected_late) = with_lateness(&events, every, gap, lateness);
            let (results, late) = (collect(), collect());
            let job = run(seed, parallel(1), |job| {
                let (windows, rest) = job
                    .source(Script::records(vec![events]))
                    .event_time(punctuated(move |event: EventView<'_>, at| {
                        event.value.is_multiple_of(every).then(|| at - millis(1_000))
                    }))
                    .key_by(|event| event.key)
                    .window(session(millis(gap as u64)))
                    .allowed_lateness(millis(lateness as u64))
                    .with_late();
                rest.sink(late.sink());
                windows
                    .aggregate(|of| (of.count(), of.sum(|event| event.value)))
                    .map(|(key, window, values)| (key, window, values))
                    .sink(results.sink());
            });
            let what = format!("seed {seed}, gap {gap}, lateness {lateness}, watermark at one of {every}");
            // Of one watermark sessions come in any order.
            let by_key = |results: Vec<(u64, Window, Values)>| {
                let mut found = BTreeMap::<u64, Vec<_>>::new();
                results
                    .into_iter()
                    .for_each(|(key, window, values)| found.entry(key).or_default().push((window, values)));
                found.values_mut().for_each(|of| of.sort());
                found
            };
            assert_eq!(by_key(results.take()), by_key(expected), "{what}");
            assert_eq!(late.take(), expected_late, "{what}");
            assert_eq!(job.counted("late_records"), expected_late.len() as u64, "{what}");
        }
    }
}

/// Sessions that end where the next begins are one, as in Flink.
#[test]
fn a_gap_of_exactly_its_length_does_not_end_a_session() {
    let results = collect();
    run(1, parallel(1), |job| {
        let events = [0, 10, 21, 31].map(|at| event(1, 1, at)).to_vec();
        job.source(Script::records(vec![events]))
            .event_time(monotonous())
            .key_by(|event| event.key)
            .window(session(millis(10)))
            .aggregate(|of| of.count())
            .map(|(_, window, count)| (window.start.millis(), window.end.millis(), count))
            .sink(results.sink());
    });
    assert_eq!(results.take(), [(0, 20, 2), (21, 41, 2)]);
}

#[test]
fn sessions_by_the_clock_end_while_the_input_goes_on() {
    for seed in seeds() {
        let results = collect();
        let job = Simulated::start(seed, parallel(2), |job| {
            let pause = |records: u64| {
                let burst = (0..records).flat_map(|n| [Step::Wait(millis(20)), Step::Record(n)]);
                burst.chain([Step::Wait(1.seconds())])
            };
            let steps = pause(5).chain(pause(3)).chain([Step::Never]).collect();
            job.source(Script::steps(vec![steps]).unbounded())
                .key_by(|_| 0_u64)
                .window(session(millis(500)).processing_time())
                .aggregate(|of| of.count())
                .map(|(_, _, count)| count)
                .sink(results.sink());
        });
        job.sim.block_on(millstream::env::Env::sleep(&*job.sim, 4.seconds()));
        assert_eq!(results.take(), [5, 3], "seed {seed}");
        job.job.cancel();
        assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
    }
}
