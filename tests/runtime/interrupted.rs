//! A barrier passes while windows fire: what has been put out then is not put out again by whoever goes on from there, at any parallelism.

use std::{path::Path, time::Duration};

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
    support::{ms, seeds},
};

/// So many keys that the rows of a window lie in several shards, between which a barrier may pass.
const KEYS: u64 = 70_000;
/// How many numbers there are behind those that have a key each.
const LATER: u64 = 30_000;

/// All keys in the first second; then, a minute later, some of them again.
fn time_of(n: u64) -> Timestamp {
    ms(if n < KEYS { n as i64 * 900 / KEYS as i64 } else { (n - KEYS) as i64 * 10 + 60_000 })
}

/// Which windows, the key, and its count.
type Row = (u8, u64, u64);

fn graph(dir: &Path, parallelism: usize, results: &collect::Collect<Row>) -> JobGraph {
    let mut settings = settings(dir, parallelism, Duration::from_secs(3600));
    // What fires goes out in small pieces, so that it takes a while.
    (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
    let mut job = Job::<ExactlyOnce>::new("interrupted", settings);
    let numbers = job
        .source(generate(KEYS + LATER, 1, |_, index| index).rate(200_000.0))
        .event_time_by(time_of, monotonous())
        .parallelism(1);
    let [a, b, c] = numbers.forks();
    let key = |n: u64| n % KEYS;
    let a = a.key_by(key).window(tumbling(1.seconds())).aggregate(|of| of.count()).uid("a");
    let b = b.key_by(key).window(sliding(2.seconds(), 1.seconds())).aggregate(|of| of.count()).uid("b");
    let c = c.key_by(key).window(session(100.seconds())).aggregate(|of| of.count()).uid("c");
    let a = a.map(|(key, _, count)| (0_u8, key, count));
    let b = b.map(|(key, _, count)| (1_u8, key, count));
    let c = c.map(|(key, _, count)| (2_u8, key, count));
    a.union(b).union(c).sink(results.sink());
    job.build().expect("the job is well formed")
}

fn expected() -> Vec<Row> {
    let key = |n: u64| n % KEYS;
    let mut rows: Vec<Row> = (0..KEYS).map(|n| (0, key(n), 1)).collect();
    rows.extend((0..KEYS).flat_map(|n| [(1, key(n), 1); 2])); // each is in two windows
    rows.extend((KEYS..KEYS + LATER).flat_map(|n| [(0, key(n), 1), (1, key(n), 1), (1, key(n), 1)]));
    // The first hundred seconds have one session for the keys that come again before they are over.
    let again = |n: u64| n < LATER && time_of(KEYS + n) <= time_of(n) + 100.seconds();
    rows.extend((0..KEYS).map(|n| (2, key(n), if again(n) { 2 } else { 1 })));
    rows.extend((0..LATER).filter(|n| !again(*n)).map(|n| (2, n, 1)));
    rows.sort();
    rows
}

/// How many results the sink has received.
fn received(job: &JobHandle) -> u64 {
    let metrics = job.metrics().snapshot().into_iter();
    let metrics = metrics.filter(|(id, _)| id.name == "records_in" && id.operator == "sink collect");
    metrics.map(|(_, metric)| if let Metric::Counter(counter) = metric { counter.get() } else { 0 }).sum()
}

/// Runs a job to its end, but stops it twice when results have come, so that it goes on from a checkpoint at another parallelism. Gives what each life put out.
fn lives<R: Record + Send>(
    seed: u64,
    results: &collect::Collect<R>,
    graph: impl Fn(&Path, usize, &collect::Collect<R>) -> JobGraph,
) -> [Vec<R>; 3] {
    let dir = tempfile::tempdir().expect("there is room");
    [(0, 1), (1, 2), (2, 3)].map(|(life, parallelism)| {
        simulate(seed * 10 + life, graph(dir.path(), parallelism, results), async |sim, job| {
            if life < 2 {
                for _ in 0..20_000 {
                    if received(job) >= 500 {
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
    let mut halves = 0;
    for seed in seeds().take(2) {
        let parts = lives(seed, &collect(), graph);
        for part in &parts {
            let of = |kind: u8| part.iter().filter(|(of, ..)| *of == kind).count() as u64;
            halves += u64::from((1..KEYS).contains(&of(0))) + u64::from((1..KEYS).contains(&of(1)));
        }
        let mut all = parts.concat();
        all.sort();
        assert!(all == expected, "seed {seed}: {} results instead of {}", all.len(), expected.len());
    }
    assert!(halves > 0, "some checkpoint was made while a window fired");
}

/// How many records the first window has of the key 0, and how many of others.
const BUSY: u64 = 200;
const OTHERS: u64 = 1_000;

/// First a second with a key that has many pairs; a minute later some that have one each.
fn joined(dir: &Path, parallelism: usize, results: &collect::Collect<Row>) -> JobGraph {
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
    let mut expected: Vec<Row> = (0..BUSY).flat_map(|left| (0..BUSY).map(move |right| (0, left, right))).collect();
    expected.extend((BUSY..BUSY + 30 * OTHERS).map(|n| (0, n, n)));
    expected.extend((0..BUSY + 30 * OTHERS).flat_map(|n| [(1, n, n); 2]));
    expected.sort();
    for seed in seeds().take(4) {
        let parts = lives(seed, &collect(), joined);
        let busy = |part: &[Row]| part.iter().filter(|(of, left, _)| *of == 0 && *left < BUSY).count() as u64;
        let first = busy(&parts[0]);
        assert!((1..BUSY.pow(2)).contains(&first), "seed {seed}: some pairs of the key had been put out, but {first}");
        let mut all = parts.concat();
        all.sort();
        assert!(all == expected, "seed {seed}: {} results instead of {}", all.len(), expected.len());
    }
}
