//! Windows that overlap, windows with gaps between them, and windows that wait for late records, beside the definition of the windows.

use std::{collections::BTreeMap, time::Duration};

use millstream::{prelude::*, windows::Assigner};
use millstream_testkit::rng::Rng;

use crate::{
    script::Script,
    support::{ms, parallel, run, seeds},
    windows::{DISORDER_MS, Event, EventView, drawn, event, splits},
};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Count, sum, least and greatest value.
pub(crate) type Values = (u64, i128, u64, u64);

fn add((count, sum, least, greatest): Values, value: u64) -> Values {
    (count + 1, sum + i128::from(value), least.min(value), greatest.max(value))
}

const NOTHING: Values = (0, 0, u64::MAX, 0);

/// By key and window.
pub(crate) type ByWindow<V> = BTreeMap<(u64, Window), V>;

fn expected(events: &[Vec<Event>], windows: &impl Assigner) -> ByWindow<Values> {
    let mut expected = ByWindow::new();
    for event in events.iter().flatten() {
        windows.each_window(event.at, |window| {
            let entry = expected.entry((event.key, window)).or_insert(NOTHING);
            *entry = add(*entry, event.value);
        });
    }
    expected
}

/// Results by key and window, each of which fires once.
fn once<V>(results: Vec<(u64, Window, V)>, what: &str) -> ByWindow<V> {
    let count = results.len();
    let results: ByWindow<V> = results.into_iter().map(|(key, window, values)| ((key, window), values)).collect();
    assert_eq!(results.len(), count, "a window fires once for each key: {what}");
    results
}

/// Aggregates random events in windows: by what can be subtracted, and by what cannot.
macro_rules! check {
    ($seed:expr, $rng:expr, $windows:expr) => {{
        let (seed, windows) = ($seed, $windows);
        let (rng, count) = (&mut *$rng, 1 + seed as usize % 4);
        let events = splits(rng, 5, count, 300);
        let expected = expected(&events, &windows);
        let settings = drawn(rng);
        let what = format!("seed {seed}, {}, {settings:?}", windows.describe());
        let (sums, all) = (collect(), collect());
        let job = run(seed, settings, |job| {
            let events = job.source(Script::records(events)).event_time(out_of_order(millis(DISORDER_MS as u64)));
            let (a, b) = events.fork();
            let value = |event: EventView<'_>| event.value;
            a.key_by(|event| event.key)
                .window(windows)
                .aggregate(|of| (of.count(), of.sum(value)))
                .map(|(key, window, sums)| (key, window, sums))
                .sink(sums.sink());
            b.key_by(|event| event.key)
                .window(windows)
                .aggregate(|of| (of.count(), of.sum(value), of.min(value), of.max(value)))
                .map(|(key, window, all)| (key, window, all))
                .sink(all.sink());
        });
        assert_eq!(once(all.take(), &what), expected, "{what}");
        let expected = expected.into_iter().map(|(at, (count, sum, ..))| (at, (count, sum))).collect();
        assert_eq!(once(sums.take(), &what), expected, "{what}");
        assert_eq!(job.counted("late_records"), 0, "{what}");
    }};
}

#[test]
fn sliding_windows_hold_what_their_definition_says() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for (size, slide) in [(5_000, 1_000), (7_000, 2_000), (3_000, 3_000), (1_000, 4_000), (12_000, 700)] {
            let offset = [0, slide / 3][rng.index(2)];
            check!(seed, rng, sliding(millis(size), millis(slide)).offset(millis(offset)));
        }
    }
}

#[test]
fn cumulating_windows_hold_what_their_definition_says() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for (size, step) in [(6_000, 1_000), (20_000, 4_000), (3_000, 3_000)] {
            check!(seed, rng, cumulate(millis(size), millis(step)).offset(millis([0, 500][rng.index(2)])));
        }
    }
}

/// Flink's rules, record by record, each of which may move event time on: what each window has put out for each key, in order; and which records were late.
pub(crate) fn with_lateness(
    events: &[Event],
    windows: &impl Assigner,
    lateness: i64,
    watermark_of: impl Fn(&Event) -> Option<i64>,
) -> (ByWindow<Vec<Values>>, Vec<Event>) {
    let (mut open, mut fired, mut late) = (ByWindow::<Values>::new(), ByWindow::<Vec<Values>>::new(), Vec::new());
    let mut watermark = i64::MIN;
    for event in events {
        let (mut any, mut windows_of) = (false, Vec::new());
        windows.each_window(event.at, |window| windows_of.push(window));
        for window in windows_of {
            if window.max_timestamp().millis().saturating_add(lateness) <= watermark {
                continue;
            }
            any = true;
            let values = open.entry((event.key, window)).or_insert(NOTHING);
            *values = add(*values, event.value);
            if window.max_timestamp().millis() <= watermark {
                fired.entry((event.key, window)).or_default().push(*values);
            }
        }
        if !any && event.at.millis().saturating_add(lateness) <= watermark {
            late.push(event.clone());
        }
        let before = watermark;
        watermark = watermark.max(watermark_of(event).unwrap_or(i64::MIN));
        if watermark == before {
            continue;
        }
        for ((key, window), values) in &open {
            if (before + 1..=watermark).contains(&window.max_timestamp().millis()) {
                fired.entry((*key, *window)).or_default().push(*values);
            }
        }
    }
    for ((key, window), values) in &open {
        if window.max_timestamp().millis() > watermark {
            fired.entry((*key, *window)).or_default().push(*values);
        }
    }
    (fired, late)
}

/// Events of which some are far out of order.
pub(crate) fn disordered(rng: &mut Rng) -> Vec<Event> {
    let event = |i: i64| {
        let behind = if rng.below(5) == 0 { 9_000 } else { 900 };
        event(rng.below(4), rng.below(1000), i * 20 - rng.below(behind) as i64)
    };
    (0..400).map(event).collect()
}

/// Compares with the rules where every record moves event time on.
macro_rules! check_lateness {
    ($seed:expr, $rng:expr, $windows:expr, $lateness:expr, |$value:ident, $of:ident| $aggregate:expr, |$values:ident| $picked:expr) => {{
        let (seed, rng, windows, lateness) = ($seed, &mut *$rng, $windows, $lateness);
        let events = disordered(rng);
        let (expected, expected_late) =
            with_lateness(&events, &windows, lateness, |event| Some(event.at.millis() - 1_000));
        let (results, late) = (collect(), collect());
        let what = format!("seed {seed}, {}, {lateness} ms", windows.describe());
        let job = run(seed, parallel(1), |job| {
            let events = job.source(Script::records(vec![events]));
            let (windowed, rest) = events
                .event_time(punctuated(|_, at| Some(at - millis(1_000))))
                .key_by(|event| event.key)
                .window(windows)
                .allowed_lateness(millis(lateness as u64))
                .with_late();
            rest.sink(late.sink());
            let $value = |event: EventView<'_>| event.value;
            windowed
                .aggregate(|$of| $aggregate)
                .map(|(key, window, values)| (key, window, values))
                .sink(results.sink());
        });
        let mut found = ByWindow::<Vec<_>>::new();
        for (key, window, values) in results.take() {
            found.entry((key, window)).or_default().push(values);
        }
        let expected: ByWindow<Vec<_>> = expected
            .into_iter()
            .map(|(at, all)| (at, all.into_iter().map(|$values: Values| $picked).collect()))
            .collect();
        assert_eq!(found, expected, "{what}");
        assert_eq!(job.counted("late_records"), expected_late.len() as u64, "{what}");
        assert_eq!(late.take(), expected_late, "{what}");
    }};
}

#[test]
fn late_records_make_windows_fire_again_while_these_are_kept() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for lateness in [0, 1, 2_500, 20_000] {
            check_lateness!(seed, rng, tumbling(millis(1_500)), lateness, |value, of| of.sum(value), |all| all.1);
            for (size, slide) in [(3_000, 700), (500, 900)] {
                let windows = sliding(millis(size), millis(slide));
                check_lateness!(seed, rng, windows, lateness, |value, of| (of.count(), of.sum(value)), |all| (
                    all.0, all.1
                ));
            }
            let windows = sliding(millis(6_000), millis(400));
            check_lateness!(seed, rng, windows, lateness, |value, of| (of.min(value), of.max(value)), |all| (
                all.2, all.3
            ));
            let windows = cumulate(millis(4_000), millis(800));
            check_lateness!(seed, rng, windows, lateness, |value, of| of.min(value), |all| all.2);
        }
    }
}

/// An aggregate that does not merge is kept for late records too, where windows lie apart.
#[test]
fn a_list_grows_with_late_records() {
    let results = collect();
    run(1, parallel(1), |job| {
        let events =
            [(10, 1), (2_500, 2), (20, 3), (4_000, 4), (30, 5)].map(|(at, value)| event(1, value, at)).to_vec();
        job.source(Script::records(vec![events]))
            .event_time(punctuated(|_, at| Some(at - millis(1))))
            .key_by(|event| event.key)
            .window(tumbling(1.seconds()))
            .allowed_lateness(2.seconds())
            .aggregate(|of| of.collect(|event| event.value))
            .map(|(_, window, values)| (window.start, Vec::<u64>::from_view(values)))
            .sink(results.sink());
    });
    let expected = [(0, vec![1]), (0, vec![1, 3]), (2_000, vec![2]), (4_000, vec![4])];
    assert_eq!(results.take(), expected.map(|(start, values)| (ms(start), values)));
}
