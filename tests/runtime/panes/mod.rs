//! Windows with triggers, evictors and functions on all elements, beside a model of Flink's window operator.

mod builds;
mod model;
mod own;
mod rejected;
mod restored;
mod wall;

use std::time::Duration;

use millstream::{
    prelude::*,
    windows::{Clock, Merging, RecordAssigner, Separate, WindowsOn},
};
use millstream_testkit::rng::Rng;

use self::model::{Evict, Fired, Rules, When};
use crate::{
    script::Script,
    support::{parallel, run, seeds},
    windows::{DISORDER_MS, Event, EventView, event},
};

fn millis(millis: i64) -> Duration {
    Duration::from_millis(millis as u64)
}

/// Windows as long as the record says, at the record's time: they merge.
#[derive(Clone)]
struct Gaps;

fn gap(value: u64) -> i64 {
    100 + (value % 7) as i64 * 60
}

impl RecordAssigner<Event> for Gaps {
    const CLOCK: Clock = Clock::Event;
    type Kind = Merging;
    type Trigger = triggers::EventTime;

    fn assign(&self, record: EventView<'_>, at: Timestamp, mut visit: impl FnMut(Window)) {
        visit(Window::new(at, at + millis(gap(record.value))));
    }
    fn trigger(&self) -> triggers::EventTime {
        triggers::event_time()
    }
    fn describe(&self) -> String {
        "gaps".into()
    }
}

impl WindowsOn<EventTime> for Gaps {}

/// None, one or two windows, by the record's value.
#[derive(Clone)]
struct ByValue;

fn by_value(value: u64, at: i64) -> Vec<(i64, i64)> {
    let start = at - at.rem_euclid(500);
    (0..value % 3).map(|n| (start, start + 500 * (n as i64 + 1))).collect()
}

impl RecordAssigner<Event> for ByValue {
    const CLOCK: Clock = Clock::Event;
    type Kind = Separate;
    type Trigger = triggers::EventTime;

    fn assign(&self, record: EventView<'_>, at: Timestamp, visit: impl FnMut(Window)) {
        let windows = by_value(record.value, at.millis()).into_iter();
        windows
            .map(|(start, end)| Window::new(Timestamp::from_millis(start), Timestamp::from_millis(end)))
            .for_each(visit);
    }
    fn trigger(&self) -> triggers::EventTime {
        triggers::event_time()
    }
    fn describe(&self) -> String {
        "by value".into()
    }
}

impl WindowsOn<EventTime> for ByValue {}

/// Events of which some are far out of order.
fn disordered(rng: &mut Rng) -> Vec<Event> {
    let event = |i: i64| {
        let behind = if rng.below(4) == 0 { 4_000 } else { 600 };
        event(rng.below(3), rng.below(100), i * 30 - 500 - rng.below(behind) as i64)
    };
    (0..220).map(event).collect()
}

/// Runs windows over random events, and compares what comes out with the model: all elements by `apply`, and late records.
macro_rules! check {
    ($seed:expr, $rng:expr, $windows:expr, $rules:expr, |$windowed:ident| $fire:expr) => {{
        let (seed, rng, rules): (u64, &mut Rng, Rules<'_>) = ($seed, &mut *$rng, $rules);
        let events = disordered(rng);
        let (expected, expected_late) = model::run(&rules, &events);
        let (results, late) = (collect(), collect());
        let parallelism = 1 + rng.index(3);
        let what = format!(
            "seed {seed}, {:?}, {:?}, {} ms, parallelism {parallelism}",
            rules.when, rules.evict, rules.lateness
        );
        let job = run(seed, parallel(parallelism), |job| {
            let ($windowed, rest) = job
                .source(Script::records(vec![events]))
                .event_time(punctuated(|_, at| Some(at - millis(DISORDER_MS / 2))))
                .parallelism(1)
                .key_by(|event| event.key)
                .window($windows)
                .allowed_lateness(millis(rules.lateness))
                .with_late();
            rest.sink(late.sink());
            $fire.sink(results.sink());
        });
        let mut found = Fired::new();
        for (key, window, values) in results.take() {
            found.entry((key, window)).or_default().push(values);
        }
        assert_eq!(found, expected, "{what}");
        let mut late: Vec<Event> = late.take();
        let mut expected_late = expected_late;
        assert_eq!(job.counted("late_records"), expected_late.len() as u64, "{what}");
        late.sort();
        expected_late.sort();
        assert_eq!(late, expected_late, "{what}");
    }};
}

/// The values of all elements.
macro_rules! values {
    ($windowed:expr) => {
        $windowed.apply(|key, window, elements| {
            Some((key, window, elements.iter().map(|event| event.value).collect::<Vec<_>>()))
        })
    };
}

fn tumbling_of(size: i64) -> impl Fn(&Event) -> Vec<(i64, i64)> {
    move |event| {
        let start = event.at.millis() - event.at.millis().rem_euclid(size);
        vec![(start, start + size)]
    }
}

fn sliding_of(size: i64, slide: i64) -> impl Fn(&Event) -> Vec<(i64, i64)> {
    move |event| {
        let at = event.at.millis();
        let last = at - at.rem_euclid(slide);
        (0..)
            .map(|n| last - n * slide)
            .take_while(|start| start + size > at)
            .map(|start| (start, start + size))
            .collect()
    }
}

fn everything(_: &Event) -> Vec<(i64, i64)> {
    vec![(i64::MIN, i64::MAX)]
}

const LATENESS: [i64; 3] = [0, 700, 3_000];

fn rules(assign: &dyn Fn(&Event) -> Vec<(i64, i64)>, when: When, lateness: i64) -> Rules<'_> {
    Rules { assign, merges: false, when, evict: Evict::Nothing, evicts_after: false, lateness }
}

fn purged(when: When) -> When {
    When::Purging(Box::new(when))
}

#[test]
fn all_elements_of_aligned_windows_are_there_when_they_fire() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for lateness in LATENESS {
            let assign = tumbling_of(800);
            check!(seed, rng, tumbling(millis(800)), rules(&assign, When::EventTime, lateness), |w| values!(w));
            let assign = sliding_of(900, 400);
            let windows = sliding(millis(900), millis(400));
            check!(seed, rng, windows, rules(&assign, When::EventTime, lateness), |w| values!(w));
            check!(seed, rng, global(), rules(&everything, When::EventTime, lateness), |w| values!(w));
        }
    }
}

fn difference(a: EventView<'_>, b: EventView<'_>) -> f64 {
    a.value.abs_diff(b.value) as f64
}

#[test]
fn triggers_fire_when_their_rules_say() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for lateness in LATENESS {
            let tumbles = || tumbling(millis(800));
            let assign = tumbling_of(800);
            let rules = |when| rules(&assign, when, lateness);
            check!(seed, rng, tumbles(), rules(When::EventTime), |w| values!(w.trigger(triggers::event_time())));
            check!(seed, rng, tumbles(), rules(When::Count(3)), |w| values!(w.trigger(triggers::count(3))));
            let when = When::Continuous(130);
            check!(seed, rng, tumbles(), rules(when), |w| values!(w.trigger(triggers::continuous(millis(130)))));
            check!(seed, rng, tumbles(), rules(When::Delta(40)), |w| values!(
                w.trigger(triggers::delta(40.0, difference))
            ));
            check!(seed, rng, tumbles(), rules(When::EndOfInput), |w| values!(w.trigger(triggers::end_of_input())));
            let when = purged(When::EventTime);
            check!(seed, rng, tumbles(), rules(when), |w| values!(
                w.trigger(triggers::purging(triggers::event_time()))
            ));
            let when = purged(When::Count(2));
            check!(seed, rng, tumbles(), rules(when), |w| values!(w.trigger(triggers::purging(triggers::count(2)))));
            let when = purged(When::Continuous(170));
            check!(seed, rng, tumbles(), rules(when), |w| values!(
                w.trigger(triggers::purging(triggers::continuous(millis(170))))
            ));
        }
        let windows = sliding(millis(900), millis(300));
        let assign = sliding_of(900, 300);
        check!(seed, rng, windows, rules(&assign, When::Count(4), 500), |w| values!(w.trigger(triggers::count(4))));
    }
}

#[test]
fn aggregates_fire_like_functions_on_all_elements() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for lateness in LATENESS {
            let assign = tumbling_of(800);
            let rules = |when| rules(&assign, when, lateness);
            check!(seed, rng, tumbling(millis(800)), rules(When::Continuous(150)), |w| w
                .trigger(triggers::continuous(millis(150)))
                .aggregate(|of| of.collect(|event| event.value))
                .map(|(key, window, values)| (key, window, values.to_vec())));
            check!(seed, rng, tumbling(millis(800)), rules(purged(When::Count(3))), |w| w
                .trigger(triggers::purging(triggers::count(3)))
                .aggregate(|of| of.collect(|event| event.value))
                .map(|(key, window, values)| (key, window, values.to_vec())));
        }
    }
}

#[test]
fn evictors_remove_what_their_rules_say() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for (lateness, evicts_after) in LATENESS.into_iter().flat_map(|lateness| [(lateness, false), (lateness, true)])
        {
            let assign = tumbling_of(900);
            let rules =
                |evict| Rules { assign: &assign, merges: false, when: When::Count(3), evict, evicts_after, lateness };
            let tumbles = || tumbling(millis(900));
            let count = evictors::count(4);
            let count = if evicts_after { count.after() } else { count };
            check!(seed, rng, tumbles(), rules(Evict::Count(4)), |w| values!(
                w.trigger(triggers::count(3)).evictor(count)
            ));
            let time = evictors::time(millis(200));
            let time = if evicts_after { time.after() } else { time };
            check!(seed, rng, tumbles(), rules(Evict::Time(200)), |w| values!(
                w.trigger(triggers::count(3)).evictor(time)
            ));
            let delta = evictors::delta(30.0, difference);
            let delta = if evicts_after { delta.after() } else { delta };
            check!(seed, rng, tumbles(), rules(Evict::Delta(30)), |w| values!(
                w.evictor(delta).trigger(triggers::count(3))
            ));
        }
    }
}

#[test]
fn windows_that_merge_bring_along_what_they_hold() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for lateness in LATENESS {
            let assign = |event: &Event| {
                let at = event.at.millis();
                vec![(at, at + gap(event.value))]
            };
            let rules = |when| Rules { merges: true, ..rules(&assign, when, lateness) };
            check!(seed, rng, Gaps, rules(When::EventTime), |w| values!(w));
            check!(seed, rng, Gaps, rules(When::Count(3)), |w| values!(w.trigger(triggers::count(3))));
            let when = When::Continuous(90);
            check!(seed, rng, Gaps, rules(when), |w| values!(w.trigger(triggers::continuous(millis(90)))));
            let when = purged(When::Count(2));
            check!(seed, rng, Gaps, rules(when), |w| values!(w.trigger(triggers::purging(triggers::count(2)))));
            check!(seed, rng, Gaps, Rules { evict: Evict::Count(2), ..rules(When::EventTime) }, |w| values!(
                w.evictor(evictors::count(2))
            ));
            check!(seed, rng, Gaps, rules(When::EndOfInput), |w| values!(w.trigger(triggers::end_of_input())));
            let assign = |event: &Event| vec![(event.at.millis(), event.at.millis() + 150)];
            let rules = |when| Rules { merges: true, ..self::rules(&assign, when, lateness) };
            check!(seed, rng, session(millis(150)), rules(When::EventTime), |w| values!(w));
            check!(seed, rng, session(millis(150)), rules(When::Count(2)), |w| values!(w.trigger(triggers::count(2))));
        }
    }
}

#[test]
fn assigners_may_look_at_the_record() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        for lateness in LATENESS {
            let assign = |event: &Event| by_value(event.value, event.at.millis());
            let rules = |when| rules(&assign, when, lateness);
            check!(seed, rng, ByValue, rules(When::EventTime), |w| values!(w));
            check!(seed, rng, ByValue, rules(When::EventTime), |w| w
                .aggregate(|of| of.collect(|event| event.value))
                .map(|(key, window, values)| (key, window, values.to_vec())));
        }
    }
}

#[test]
fn count_windows_are_full_when_they_fire() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        check!(seed, rng, count(5), rules(&everything, purged(When::Count(5)), 0), |w| values!(w));
        check!(seed, rng, count(5), rules(&everything, purged(When::Count(5)), 0), |w| w
            .aggregate(|of| of.collect(|event| event.value))
            .map(|(key, window, values)| (key, window, values.to_vec())));
        let sliding = || Rules { evict: Evict::Count(7), ..rules(&everything, When::Count(3), 0) };
        check!(seed, rng, count(7).slide(3), sliding(), |w| values!(w));
        check!(seed, rng, count(7).slide(3), sliding(), |w| w
            .aggregate(|of| of.collect(|event| event.value))
            .map(|(key, window, values)| (key, window, values.to_vec())));
    }
}
