//! A barrier passes while windows fire: what has been put out then is not put out again by whoever goes on from there, at any parallelism.

use std::{collections::BTreeMap, path::Path, time::Duration};

use millstream::{
    connectors::{collect, generate},
    env::Env,
    graph::JobGraph,
    local::JobHandle,
    metrics::Metric,
    prelude::*,
};

use crate::{
    checkpoints::{settings, simulate},
    overlapping::{ByWindow, Values, with_lateness},
    support::{ms, seeds},
    windows::{Event, event},
};

/// How many keys there are, and how many numbers behind those that have a key each.
const KEYS: u64 = 30_000;
const LATER: u64 = 20_000;

/// All keys in the first seconds; then, a minute later, some of them again.
fn time_of(n: u64) -> i64 {
    if n < KEYS { n as i64 * 2_900 / KEYS as i64 } else { (n - KEYS) as i64 * 10 + 60_000 }
}

fn key(n: u64) -> u64 {
    n % KEYS
}

/// Which windows, the end of the one, the key, and what comes out.
type Row = (u8, i64, u64, u64);

fn graph(dir: &Path, parallelism: usize, results: &collect::Collect<Row>) -> JobGraph {
    let mut settings = settings(dir, parallelism, Duration::from_secs(3600));
    // What fires goes out in small pieces, so that it takes a while.
    (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
    settings.watermark_interval = Duration::from_millis(10);
    let mut job = Job::<ExactlyOnce>::new("interrupted", settings);
    let numbers = job
        .source(generate(KEYS + LATER, 1, |_, index| index).rate(200_000.0))
        .event_time_by(|n| ms(time_of(n)), monotonous())
        .parallelism(1);
    let [a, b, c, d] = numbers.forks();
    let a = a.key_by(key).window(tumbling(1.seconds())).aggregate(|of| of.count()).uid("a");
    let b = b.key_by(key).window(sliding(3.seconds(), 1.seconds())).aggregate(|of| of.count()).uid("b");
    let c = c.key_by(key).window(sliding(3.seconds(), 1.seconds())).aggregate(|of| of.max(|n| n)).uid("c");
    let d = d.key_by(key).window(session(100.seconds())).aggregate(|of| of.count()).uid("d");
    let a = a.map(|(key, window, count)| (0_u8, window.end.millis(), key, count));
    let b = b.map(|(key, window, count)| (1_u8, window.end.millis(), key, count));
    let c = c.map(|(key, window, max)| (2_u8, window.end.millis(), key, max));
    let d = d.map(|(key, window, count)| (3_u8, window.end.millis(), key, count));
    a.union(b).union(c).union(d).sink(results.sink());
    job.build().expect("the job is well formed")
}

fn expected() -> Vec<Row> {
    let mut rows = BTreeMap::new();
    let mut sessions = BTreeMap::<u64, Vec<(i64, u64)>>::new();
    for n in 0..KEYS + LATER {
        let (time, key) = (time_of(n), key(n));
        let first = time - time.rem_euclid(1_000) + 1_000;
        for end in [first, first + 1_000, first + 2_000] {
            if end == first {
                *rows.entry((0, end, key)).or_default() += 1;
            }
            *rows.entry((1, end, key)).or_default() += 1;
            let max = rows.entry((2, end, key)).or_insert(n);
            *max = n.max(*max);
        }
        let sessions = sessions.entry(key).or_default();
        match sessions.last_mut().filter(|(end, _)| time <= *end) {
            Some((end, count)) => (*end, *count) = (time + 100_000, *count + 1),
            None => sessions.push((time + 100_000, 1)),
        }
    }
    let mut rows: Vec<Row> = rows.into_iter().map(|((of, end, key), value)| (of, end, key, value)).collect();
    let sessions =
        sessions.into_iter().flat_map(|(key, of)| of.into_iter().map(move |(end, count)| (3, end, key, count)));
    rows.extend(sessions);
    rows.sort();
    rows
}

/// The sum of a counter over some operators.
fn counted(job: &JobHandle, name: &str, of: impl Fn(&str) -> bool) -> u64 {
    let metrics = job.metrics().snapshot().into_iter();
    let metrics = metrics.filter(|(id, _)| id.name == name && of(&id.operator));
    metrics.map(|(_, metric)| if let Metric::Counter(counter) = metric { counter.get() } else { 0 }).sum()
}

/// How many results the sink has received.
pub(crate) fn received(job: &JobHandle) -> u64 {
    counted(job, "records_in", |operator| operator == "sink collect")
}

/// Runs a job to its end, but stops it twice when the first results have come, so that it goes on from a checkpoint at another parallelism. Gives what each life put out.
pub(crate) fn lives<R: Record + Send>(
    seed: u64,
    results: &collect::Collect<R>,
    graph: impl Fn(&Path, usize, &collect::Collect<R>) -> JobGraph,
) -> [Vec<R>; 3] {
    let dir = tempfile::tempdir().expect("there is room");
    [(0, 1), (1, 2), (2, 3)].map(|(life, parallelism)| {
        simulate(seed * 10 + life, graph(dir.path(), parallelism, results), async |sim, job| {
            if life < 2 {
                for _ in 0..20_000 {
                    if received(job) >= 1 {
                        break;
                    }
                    sim.sleep(Duration::from_micros(50)).await;
                }
                let _ = job.stop().await; // it may have ended
            }
            job.wait().await.expect("it ends well");
        });
        results.take()
    })
}

#[test]
fn a_barrier_passes_while_windows_fire() {
    let expected = expected();
    let count = |rows: &[Row], of: u8, end: i64| rows.iter().filter(|row| row.0 == of && row.1 == end).count();
    let mut halves = [false; 3];
    for seed in seeds().take(3) {
        let parts = lives(seed, &collect(), graph);
        for (of, half) in halves.iter_mut().enumerate() {
            // There was one subtask, and windows so large that many keys had fired, and many had not.
            let is_half = |end| (1..count(&expected, of as u8, end)).contains(&count(&parts[0], of as u8, end));
            *half |= [1_000, 2_000, 3_000, 4_000, 5_000].into_iter().any(is_half);
        }
        let mut all = parts.concat();
        all.sort();
        assert!(all == expected, "seed {seed}: {} results instead of {}", all.len(), expected.len());
    }
    assert_eq!(halves, [true; 3], "some checkpoint was made while windows of each kind fired");
}

/// How many keys have a record in time, and how many records follow, most of which come too late.
const IN_TIME: u64 = 20_000;
const BEHIND: u64 = 8_000;
/// How long the last of the windows wait, in milliseconds.
const LATENESS: i64 = 1_500;

/// A number of each key in the first three seconds. Then event time is ten seconds, and what comes is mostly from these three, partly from later on; and in the end also
/// from the second before the tenth, for which some windows are still open: that waits until none is firing.
fn late_time_of(n: u64) -> i64 {
    match n {
        0..IN_TIME => (n % 2_999) as i64,
        IN_TIME => 10_000,
        _ => match n % 16 {
            3 if n > IN_TIME + BEHIND / 2 => 9_000 + (n % 1_000) as i64,
            7 => 11_000 + (n % 3_000) as i64,
            _ => (n % 2_999) as i64,
        },
    }
}

fn late_key(n: u64) -> u64 {
    n % IN_TIME
}

/// Which windows, the end of the one, the key, and what comes out; or, as of windows 10 and up, a number that came too late.
fn with_late(dir: &Path, parallelism: usize, interval: Duration, results: &collect::Collect<Row>) -> JobGraph {
    let mut settings = settings(dir, parallelism, interval);
    (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
    let mut job = Job::<ExactlyOnce>::new("late", settings);
    let punctuation = |n, at| (n == IN_TIME).then_some(at);
    let numbers = job
        .source(generate(IN_TIME + BEHIND, 1, |_, index| index).rate(200_000.0))
        .event_time_by(|n| ms(late_time_of(n)), punctuated(punctuation))
        .parallelism(1);
    // Late is what comes behind a watermark, so there is one way for all; and one that holds some of it, so that a barrier has something in front of it.
    let [a, b, c, d] = numbers.forks().map(|numbers| numbers.parallelism(1).new_chain().parallelism(1));
    let (a, late_a) = a.key_by(late_key).window(tumbling(1.seconds())).with_late();
    let (b, late_b) = b.key_by(late_key).window(sliding(3.seconds(), 1.seconds())).with_late();
    let (c, late_c) = c.key_by(late_key).window(sliding(3.seconds(), 1.seconds())).with_late();
    let (d, late_d) = d.key_by(late_key).window(tumbling(1.seconds())).with_late();
    let a = a.aggregate(|of| of.count()).uid("a").map(|(key, window, count)| (0_u8, window.end.millis(), key, count));
    let b = b.aggregate(|of| of.count()).uid("b").map(|(key, window, count)| (1_u8, window.end.millis(), key, count));
    let c = c.aggregate(|of| of.max(|n| n)).uid("c").map(|(key, window, max)| (2_u8, window.end.millis(), key, max));
    let d = d.allowed_lateness(Duration::from_millis(LATENESS as u64)).aggregate(|of| of.count()).uid("d");
    let d = d.map(|(key, window, count)| (3_u8, window.end.millis(), key, count));
    let late_a = late_a.map(|n| (10_u8, 0_i64, late_key(n), n));
    let late_b = late_b.map(|n| (11_u8, 0_i64, late_key(n), n));
    let late_c = late_c.map(|n| (12_u8, 0_i64, late_key(n), n));
    let late_d = late_d.map(|n| (13_u8, 0_i64, late_key(n), n));
    let late = late_a.union(late_b).union(late_c).union(late_d);
    a.union(b).union(c).union(d).union(late).sink(results.sink());
    job.build().expect("the job is well formed")
}

/// What the definition of the windows says.
fn expected_with_late() -> Vec<Row> {
    let events: Vec<_> = (0..IN_TIME + BEHIND).map(|n| event(late_key(n), n, late_time_of(n))).collect();
    let watermark_of = |event: &Event| (event.value == IN_TIME).then_some(event.at.millis());
    let mut rows = Vec::new();
    let mut put = |of: u8, (fired, late): (ByWindow<Vec<Values>>, Vec<Event>), pick: fn(&Values) -> u64| {
        for ((key, window), all) in fired {
            rows.extend(all.iter().map(|values| (of, window.end.millis(), key, pick(values))));
        }
        rows.extend(late.into_iter().map(|event| (10 + of, 0, event.key, event.value)));
    };
    let (apart, overlapping) = (tumbling(1.seconds()), sliding(3.seconds(), 1.seconds()));
    put(0, with_lateness(&events, &apart, 0, watermark_of), |values| values.0);
    put(1, with_lateness(&events, &overlapping, 0, watermark_of), |values| values.0);
    put(2, with_lateness(&events, &overlapping, 0, watermark_of), |values| values.3);
    put(3, with_lateness(&events, &apart, LATENESS, watermark_of), |values| values.0);
    rows.sort();
    rows
}

#[test]
fn what_comes_too_late_while_windows_fire_is_left_out() {
    let expected = expected_with_late();
    // Of what is due when event time is ten seconds.
    let due = |rows: &[Row], of: u8| rows.iter().filter(|row| row.0 == of && row.1 <= 5_000).count();
    let late = |rows: &[Row], of: u8| rows.iter().filter(|row| row.0 == 10 + of).count();
    let mut left_out = [false; 4];
    for seed in seeds().take(2) {
        let hour = Duration::from_secs(3600);
        let parts = lives(seed, &collect(), |dir, parallelism, results| with_late(dir, parallelism, hour, results));
        for (of, left_out) in (0..).zip(&mut left_out) {
            let is_firing = due(&parts[0], of) < due(&expected, of);
            *left_out |= is_firing && late(&parts[0], of) > 0;
        }
        let mut all = parts.concat();
        all.sort();
        assert!(all == expected, "seed {seed}: {} results instead of {}", all.len(), expected.len());

        // Barriers pass all the time, and nobody stops: so each record is counted once.
        let (dir, results) = (tempfile::tempdir().expect("there is room"), collect());
        let graph = with_late(dir.path(), 1 + seed as usize % 3, Duration::from_micros(500), &results);
        let counted = simulate(seed, graph, async |_, job| {
            job.wait().await.expect("it ends well");
            counted(job, "late_records", |_| true)
        });
        let mut all = results.take();
        all.sort();
        assert!(all == expected, "seed {seed}: {} results instead of {}", all.len(), expected.len());
        assert_eq!(counted as usize, (0..4).map(|of| late(&expected, of)).sum::<usize>(), "seed {seed}");
    }
    assert_eq!(left_out, [true; 4], "some came too late while windows of each kind fired");
}

/// How many records the first window has of the key 0, and how many of others.
const BUSY: u64 = 200;
const OTHERS: u64 = 1_000;

/// Which join, and the records of both sides.
type Pair = (u8, u64, u64);

/// First a second with a key that has many pairs; a minute later some that have one each.
fn joined(dir: &Path, parallelism: usize, results: &collect::Collect<Pair>) -> JobGraph {
    let mut settings = settings(dir, parallelism, Duration::from_secs(3600));
    (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
    settings.watermark_interval = Duration::from_millis(1);
    let mut job = Job::<ExactlyOnce>::new("joined", settings);
    let time = |n: u64| ms(if n < BUSY + OTHERS { n as i64 / 2 } else { n as i64 * 10 + 60_000 });
    let numbers = job.source(generate(BUSY + 30 * OTHERS, 1, |_, index| index).rate(200_000.0));
    let [a, b, c, d] = numbers.event_time_by(time, monotonous()).parallelism(1).forks();
    let key = |n: u64| if n < BUSY { 0 } else { n };
    let pairs = a.key_by(key).join(b.key_by(key)).window(tumbling(1.seconds()));
    let pairs = pairs.inner(|left, right| (0_u8, left, right)).uid("pairs");
    let semi = c.key_by(key).join(d.key_by(key)).window(sliding(2.seconds(), 1.seconds())).semi().uid("semi");
    pairs.union(semi.map(|left| (1_u8, left, left))).sink(results.sink());
    job.build().expect("the job is well formed")
}

#[test]
fn a_barrier_passes_while_a_key_of_a_join_is_put_out() {
    let mut expected: Vec<Pair> = (0..BUSY).flat_map(|left| (0..BUSY).map(move |right| (0, left, right))).collect();
    expected.extend((BUSY..BUSY + 30 * OTHERS).map(|n| (0, n, n)));
    expected.extend((0..BUSY + 30 * OTHERS).flat_map(|n| [(1, n, n); 2]));
    expected.sort();
    for seed in seeds().take(4) {
        let parts = lives(seed, &collect(), joined);
        let busy = |part: &[Pair]| part.iter().filter(|(of, left, _)| *of == 0 && *left < BUSY).count() as u64;
        let first = busy(&parts[0]);
        assert!((1..BUSY.pow(2)).contains(&first), "seed {seed}: some pairs of the key had been put out, but {first}");
        let mut all = parts.concat();
        all.sort();
        assert!(all == expected, "seed {seed}: {} results instead of {}", all.len(), expected.len());
    }
}
