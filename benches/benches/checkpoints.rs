//! What checkpoints cost: a keyed job with them beside the same without; what a checkpoint writes beside what has changed; how long it takes to go on
//! from one.
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(clippy::disallowed_methods, reason = "benches stand outside of the engine: they read clocks themselves")]

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use millstream::{
    connectors::generate::{Random, generate_unbounded},
    local::JobHandle,
    metrics::Metric,
    prelude::*,
    settings::{CheckpointSettings, Settings},
};
use millstream_benches::{Machine, Ratio, Tally, print_ratio, settings, tally, wanted};
use tempfile::TempDir;

const RECORDS: u64 = 60_000_000;
const ROUNDS: usize = 3;
/// How often checkpoints are made where their cost is measured.
const INTERVAL: Duration = Duration::from_secs(1);
/// Longer than any of these jobs runs: checkpoints are made when they are asked for.
const NEVER: Duration = Duration::from_secs(86_400);
/// A row of the state: a key and a count.
const ROW_BYTES: u64 = 16;
/// How often it is looked whether a job is as far as it has to be.
const LOOK: Duration = Duration::from_millis(1);

fn with_checkpoints(parallelism: usize, directory: &TempDir, interval: Duration) -> Settings {
    let dir = Some(directory.path().into());
    Settings {
        checkpoints: CheckpointSettings { dir, interval, ..CheckpointSettings::default() },
        ..settings(parallelism)
    }
}

/// Counts records by key, and puts out a count for each.
fn count<S: Stream<Out = u64>>(keys: S, total: &Tally) {
    keys.key_by(|key| key)
        .rolling(|of| of.count())
        .uid("counts")
        .sink(tally(total, |(key, Rolling(count))| key ^ count));
}

/// The cost per record.
fn throughput(machine: &Machine, total: &Tally) {
    for (keys, label) in [(1_000, "1k"), (1_000_000, "1M")] {
        for parallelism in [1, 2] {
            let run = |settings: Settings| {
                let job = machine.start(settings, |job| {
                    count(job.source(generate(RECORDS, 1, move |random, _| random.range(0..keys))), total);
                });
                machine.wait(job.wait()).unwrap_or_else(|failure| panic!("the bench's job failed: {failure}"));
                total.take()
            };
            let with = || {
                let directory = tempfile::tempdir().expect("there is room for checkpoints");
                run(with_checkpoints(parallelism, &directory, INTERVAL))
            };
            let name = format!("checkpoints/{label}/{parallelism}");
            let ratio = Ratio { name: &name, records: RECORDS as usize, rounds: ROUNDS };
            print_ratio(ratio, || run(settings(parallelism)), with);
        }
    }
}

/// What a checkpoint writes, and how long it takes to go on from it: `checkpoint <keys>/<hot keys> full <bytes> <ms> delta <bytes> <ms> dirty <bytes> restore
/// <ms>`, and `savepoint <keys>/<hot keys> <ms> begin <ms>`: a savepoint with all that, and what it takes to begin with it at twice the parallelism. `dirty` is what the rows take that have changed since the checkpoint before; `restore` is the time from the start of the job to its first record.
fn sizes(machine: &Machine, total: &Tally) {
    for (keys, hot, label) in
        [(1_000_000, 10_000, "1M/10k"), (1_000_000, 1_000_000, "1M/1M"), (10_000_000, 10_000, "10M/10k")]
    {
        if !wanted(&format!("checkpoint {label}")) {
            continue;
        }
        let directory = tempfile::tempdir().expect("there is room for checkpoints");
        let start_with = |settings: Settings| {
            machine.start(settings, |job| {
                // Every key once, and then those that are hot, without end.
                let key = move |random: &mut Random, index| if index < keys { index } else { random.range(0..hot) };
                count(job.source(generate_unbounded(1, key)), total);
            })
        };
        let start = || start_with(with_checkpoints(2, &directory, NEVER));
        let job = start();
        let checkpoint = || {
            let number = machine.wait(job.checkpoint()).unwrap_or_else(|why| panic!("there is no checkpoint: {why}"));
            let history = job.status().checkpoints;
            let stats = history.last.iter().find(|stats| stats.checkpoint == number).expect("it is among the last");
            (stats.bytes(), millis(stats.duration(stats.started)))
        };
        wait_for(&job, 2 * keys);
        let full = checkpoint();
        // So many that hardly any of the hot keys is left out.
        wait_for(&job, received(&job) + 20 * hot);
        let delta = checkpoint();
        let savepoints = tempfile::tempdir().expect("there is room for a savepoint");
        let began = Instant::now();
        let saved = machine.wait(job.savepoint(Some(&savepoints.path().into())));
        let saved = saved.unwrap_or_else(|why| panic!("there is no savepoint: {why}"));
        let writing = began.elapsed();
        machine.wait(job.stop()).unwrap_or_else(|why| panic!("the job does not stop: {why}"));
        machine.wait(job.wait()).unwrap_or_else(|failure| panic!("the bench's job failed: {failure}"));

        let began = Instant::now();
        let job = start();
        wait_for(&job, 1);
        let restored = began.elapsed();
        job.cancel();
        let _ = machine.wait(job.wait()); // it was cancelled
        println!(
            "checkpoint {label} full {} {:.1} delta {} {:.1} dirty {} restore {:.1}",
            full.0,
            full.1,
            delta.0,
            delta.1,
            hot * ROW_BYTES,
            millis(restored)
        );

        let other = tempfile::tempdir().expect("there is room for checkpoints");
        let mut settings = with_checkpoints(4, &other, NEVER);
        settings.checkpoints.from = Some(saved.place);
        let began = Instant::now();
        let job = start_with(settings);
        wait_for(&job, 1);
        println!("savepoint {label} {:.1} begin {:.1}", millis(writing), millis(began.elapsed()));
        job.cancel();
        let _ = machine.wait(job.wait()); // it was cancelled
    }
}

/// How many records the state has seen.
fn received(job: &JobHandle) -> u64 {
    let counts_it = |chain: &str| job.chains().iter().any(|known| known.is_sink && known.name == chain);
    let metrics = job.metrics().snapshot().into_iter();
    let of_sinks = metrics.filter(|(id, _)| id.name == "records_in" && counts_it(&id.operator));
    of_sinks.map(|(_, metric)| if let Metric::Counter(counter) = metric { counter.get() } else { 0 }).sum()
}

fn wait_for(job: &JobHandle, records: u64) {
    while received(job) < records {
        std::thread::sleep(LOOK);
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn checkpoints(_: &mut Criterion) {
    let (machine, total) = (Machine::new(2), Tally::default());
    throughput(&machine, &total);
    sizes(&machine, &total);
}

criterion_group!(benches, checkpoints);
criterion_main!(benches);
