//! Aggregates of keyed streams without windows: an update for every record, and one result at the end, at several parallelisms, in the
//! simulation and on tokio.

use std::{collections::BTreeMap, time::Duration};

use millstream::{connectors::Collect, env::TokioEnv, graph::render, local, prelude::*, settings::Settings};
use millstream_testkit::rng::Rng;

use crate::{
    script::Script,
    spy::Spy,
    support::{fails, graph, parallel, run, seeds, sorted},
    windows::{Event, EventView, event},
};

const PARALLELISMS: [usize; 3] = [1, 2, 7];

/// Runs a job several times in the simulation, and on tokio, at each parallelism; each run is given something to collect its results in.
fn everywhere<T: Record + Sync + Clone>(build: impl Fn(&mut Job, &Collect<T>), check: impl Fn(Vec<T>, &str)) {
    for parallelism in PARALLELISMS {
        // Buffers so small that outputs are often full.
        let settings = Settings { buffer_bytes: 1 << 10, memory_bytes: 2 << 20, ..parallel(parallelism) };
        for seed in seeds() {
            let results = collect();
            run(seed, settings.clone(), |job| build(job, &results));
            check(results.take(), &format!("seed {seed}, parallelism {parallelism}"));
        }
        let results = collect();
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let graph = graph(settings, |job| build(job, &results));
        let run = async { local::run(graph, TokioEnv::current()).await };
        tokio.expect("a runtime").block_on(run).expect("the job ends well");
        check(results.take(), &format!("on tokio, parallelism {parallelism}"));
    }
}

/// Splits of events, each in the order of time.
fn splits(splits: usize, events: u64, keys: u64) -> Vec<Vec<Event>> {
    let mut rng = Rng::new(splits as u64);
    let mut split = || (0..events).map(|i| event(rng.below(keys), rng.below(100), i as i64 * 10)).collect();
    (0..splits).map(|_| split()).collect()
}

#[test]
fn every_record_brings_an_update_in_the_order_of_its_key() {
    let events = splits(1, 2_000, 50);
    let mut so_far = BTreeMap::<u64, (u64, i128)>::new();
    let mut expected = Vec::new();
    for event in &events[0] {
        let (count, sum) = so_far.entry(event.key).or_default();
        (*count, *sum) = (*count + 1, *sum + i128::from(event.value));
        expected.push((event.key, *count, *sum, event.at));
    }
    let expected = sorted(expected);
    let build = |job: &mut Job, results: &Collect<(u64, u64, i128, Timestamp)>| {
        job.source(Script::records(events.clone()))
            .key_by(|event| event.key)
            .rolling(|of| (of.count(), of.sum(|event| event.value), of.last(|event| event.at)))
            .map(|(key, Rolling((count, sum, at)))| (key, count, sum, at))
            .rebalance()
            .sink(results.sink());
    };
    everywhere(build, |results, what| assert_eq!(sorted(results), expected, "{what}"));
}

/// Records of several splits come in any order; still each counts once, and the last update has them all.
#[test]
fn updates_of_several_splits_end_at_the_same() {
    let events = splits(5, 300, 20);
    let mut totals = BTreeMap::<u64, (u64, u64)>::new();
    for event in events.iter().flatten() {
        let (count, sum) = totals.entry(event.key).or_default();
        (*count, *sum) = (*count + 1, *sum + event.value);
    }
    let build = |job: &mut Job, results: &Collect<(char, u64, u64, u64)>| {
        let (a, b) = job.source(Script::records(events.clone())).fork();
        let counted = a.key_by(|event| event.key).rolling(|of| of.count());
        let reduced = b
            .map(|event| (event.key, 1_u64, event.value))
            .key_by(|(key, _, _)| key)
            .reduce(|(key, count, sum), (_, more, value)| (key, count + more, sum + value));
        counted
            .map(|(key, Rolling(count))| ('c', key, count, 0))
            .union(reduced.map(|(key, Rolling((_, count, sum)))| ('r', key, count, sum)))
            .sink(results.sink());
    };
    everywhere(build, |results, what| {
        let mut updates = BTreeMap::<(char, u64), Vec<(u64, u64)>>::new();
        for (which, key, count, sum) in results {
            updates.entry((which, key)).or_default().push((count, sum));
        }
        assert_eq!(updates.len(), 2 * totals.len(), "{what}");
        for ((which, key), updates) in updates {
            let updates = sorted(updates);
            let (count, sum) = totals[&key];
            assert!(updates.iter().map(|(count, _)| *count).eq(1..=count), "an update for each record: {what}");
            let last = if which == 'r' { (count, sum) } else { (count, 0) };
            assert_eq!(updates.last(), Some(&last), "{what}");
        }
    });
}

/// An update has the time of its record, and watermarks pass: so windows work behind.
#[test]
fn updates_have_the_times_of_their_records() {
    let events = splits(3, 400, 10);
    let mut expected = BTreeMap::<(u64, i64), u64>::new();
    for event in events.iter().flatten() {
        *expected.entry((event.key, event.at.millis() / 1000)).or_default() += 1;
    }
    let expected: Vec<_> = expected.into_iter().collect();
    let build = |job: &mut Job, results: &Collect<((u64, i64), u64)>| {
        job.source(Script::records(events.clone()))
            .event_time(monotonous())
            .key_by(|event| event.key)
            .rolling(|of| of.count())
            .key_by(|(key, _)| key)
            .window(tumbling(1.seconds()))
            .aggregate(|of| of.count())
            .map(|(key, window, updates)| ((key, window.start.millis() / 1000), updates))
            .sink(results.sink());
    };
    everywhere(build, |results, what| assert_eq!(sorted(results), expected, "{what}"));
}

/// The sink sees to it that nobody writes to it while it is full; and results are large, so that exchanges are full too.
#[test]
fn updates_stop_where_the_output_is_full_and_go_on_there() {
    for seed in seeds() {
        let spy = Spy::slow(Duration::from_micros(10));
        let settings = Settings { buffer_bytes: 1 << 10, memory_bytes: 1 << 20, ..parallel(2) };
        run(seed, settings, |job| {
            let (near, far) = job.source(Script::records(splits(2, 500, 7))).fork();
            let near = near.key_by(|event| event.key).rolling(|of| of.count()).map(|(_, Rolling(count))| count);
            let far = far.key_by(|event| event.key).rolling(|of| of.last(|event| "x".repeat(event.value as usize)));
            near.sink(spy.clone());
            far.rebalance().map(|(key, _)| key).sink(spy.clone());
        });
        assert_eq!(spy.seen().committed, 2 * 2 * 500, "seed {seed}");
    }
}

/// The values of each key, sorted.
fn values_of(events: &[Vec<Event>]) -> Vec<(u64, Vec<u64>)> {
    let mut values = BTreeMap::<u64, Vec<u64>>::new();
    for event in events.iter().flatten() {
        values.entry(event.key).or_default().push(event.value);
    }
    values.into_iter().map(|(key, values)| (key, sorted(values))).collect()
}

#[test]
fn there_is_one_result_for_each_key_at_the_end() {
    let events = splits(4, 500, 30);
    let summary = |(key, values): (u64, Vec<u64>)| {
        let mut distinct = values.clone();
        distinct.dedup();
        let top = values.iter().rev().take(2).copied().collect::<Vec<_>>();
        (key, values.len() as u64, distinct.len() as u64, top)
    };
    let expected: Vec<_> = values_of(&events).into_iter().map(summary).collect();
    let build = |job: &mut Job, results: &Collect<(u64, u64, u64, Vec<u64>)>| {
        job.source(Script::records(events.clone()))
            .key_by(|event| event.key)
            .at_end(|of| {
                (
                    of.count(),
                    of.count_distinct(|e| e.value),
                    of.top_k(2, |e| e.value),
                    of.count_distinct_approx(|e| e.value),
                )
            })
            .map(|(key, (count, distinct, top, approx))| {
                assert_eq!(approx, distinct, "few values are counted");
                (key, count, distinct, top.iter().map(|event| event.value).collect())
            })
            .sink(results.sink());
    };
    everywhere(build, |results, what| assert_eq!(sorted(results), expected, "{what}"));
}

#[test]
fn what_does_not_merge_sees_every_record_too() {
    let events = splits(4, 500, 30);
    let expected = values_of(&events);
    let build = |job: &mut Job, results: &Collect<(u64, Vec<u64>)>| {
        job.source(Script::records(events.clone()))
            .key_by(|event| event.key)
            .at_end(|of| (of.collect(|event| event.value), of.fold(0, |sum, event| sum + event.value)))
            .map(|(key, (values, sum))| {
                assert_eq!(values.iter().sum::<u64>(), sum);
                (key, sorted(values.to_vec()))
            })
            .sink(results.sink());
    };
    everywhere(build, |results, what| assert_eq!(sorted(results), expected, "{what}"));
}

#[test]
fn with_event_time_the_end_is_the_last_time_there_is() {
    let events = splits(2, 100, 3);
    let build = |job: &mut Job, results: &Collect<(u64, u64)>| {
        let counts = job.source(Script::records(events.clone())).event_time(monotonous());
        let counts = counts.key_by(|event| event.key).at_end(|of| of.count());
        // Whatever follows by event time sees them, too.
        counts
            .key_by(|_| 0_u64)
            .window(tumbling(1.hours()))
            .aggregate(|of| of.sum(|(_, count)| count))
            .map(|(_, _, sum)| (0_u64, sum as u64))
            .sink(results.sink());
    };
    everywhere(build, |results, what| assert_eq!(results, [(0, 200)], "{what}"));
}

const TREE: &str = "job test (best effort)
└─ source script x2
   ├─ [hash: Event] rolling -> map -> sink print x2
   ├─ [hash by one: Event] reduce one -> map -> sink print x2
   └─ [hash by one: Event] at_end one -> map -> sink print x2
";

#[key]
fn one(event: EventView<'_>) -> u64 {
    event.key
}

#[test]
fn plans_say_which_of_the_three_it_is() {
    let graph = graph(parallel(2), |job| {
        let [a, b, c] = job.source(Script::records(splits(1, 1, 1))).forks();
        a.key_by(|event| event.key).rolling(|of| of.count()).map(|(key, _)| key).sink(print());
        b.key_with(one).reduce(|_, next| Event::from_view(next)).map(|(key, _)| key).sink(print());
        c.key_with(one).at_end(|of| of.count()).map(|(key, _)| key).sink(print());
    });
    assert_eq!(render::tree(&graph), TREE);
}

#[test]
fn a_panic_is_blamed_on_the_aggregate() {
    let bad = |event: EventView<'_>| {
        assert!(event.value < 1000, "too large");
        event.value
    };
    let events = vec![vec![event(1, 2, 3), event(1, 1000, 4)]];
    let rolling = events.clone();
    let failure = fails(1, parallel(2), |job| {
        let keyed = job.source(Script::records(rolling)).key_with(one);
        keyed.rolling(|of| of.sum(bad)).map(|(key, _)| key).sink(print());
    });
    assert_eq!(failure.operator(), Some("rolling one"), "{failure}");
    assert!(failure.message().contains("too large"), "{failure}");
    let failure = fails(1, parallel(2), |job| {
        let keyed = job.source(Script::records(events)).key_with(one);
        keyed.at_end(|of| of.sum(bad)).map(|(key, _)| key).sink(print());
    });
    assert_eq!(failure.operator(), Some("at_end one"), "{failure}");
}
