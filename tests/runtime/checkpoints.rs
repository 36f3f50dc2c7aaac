//! Checkpoints of a running job: asked for, stopped with, resumed from; chains of deltas, and subtasks that nothing is sent to.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use millstream::{
    connectors::{collect, generate},
    env::Env,
    local::{self, JobHandle},
    prelude::*,
    settings::Settings,
};
use millstream_testkit::SimEnv;

use crate::support::seeds;

/// How many records there are, and how many keys come once each before the others go on with a few.
const RECORDS: u64 = 6_000;
const KEYS: u64 = 2_000;
const BUSY_KEYS: u64 = 7;

fn key_of(index: u64) -> u64 {
    if index < KEYS { index } else { index % BUSY_KEYS }
}

pub(crate) fn settings(dir: &Path, parallelism: usize, interval: Duration) -> Settings {
    let mut settings = Settings { parallelism, ..Settings::default() };
    settings.checkpoints.dir = Some(dir.into());
    settings.checkpoints.interval = interval;
    settings
}

/// Counts the records of each key, slowly: a result for every record.
fn counts(settings: Settings, results: &collect::Collect<(u64, u64)>) -> millstream::graph::JobGraph {
    let mut job = Job::<ExactlyOnce>::new("counts", settings);
    job.source(generate(RECORDS, 1, |_, index| index).rate(20_000.0))
        .key_by(key_of)
        .rolling(|of| of.count())
        .uid("counts")
        .map(|(key, Rolling(count))| (key, count))
        .sink(results.sink());
    job.build().expect("the job is well formed")
}

/// Runs a simulation in which a job is started.
pub(crate) fn simulate<R>(
    seed: u64,
    graph: millstream::graph::JobGraph,
    watch: impl AsyncFnOnce(&SimEnv, &JobHandle) -> R,
) -> R {
    let sim = SimEnv::new(seed);
    let env: Arc<dyn Env> = sim.clone();
    let job = local::start(graph, env);
    let result = sim.block_on(watch(&sim, &job));
    sim.drop_tasks(); // they hold the environment that holds them
    result
}

#[test]
fn a_job_is_stopped_with_a_checkpoint_and_goes_on_from_it_at_another_parallelism() {
    for seed in seeds() {
        let dir = tempfile::tempdir().expect("there is room");
        let results = collect();
        let mut resumed = 0;
        let mut all = Vec::new();
        for (life, parallelism) in [2, 3, 3, 1].into_iter().enumerate() {
            let graph = counts(settings(dir.path(), parallelism, Duration::from_millis(2)), &results);
            simulate(seed * 10 + life as u64, graph, async |sim, job| {
                if life < 3 {
                    sim.sleep(Duration::from_millis(60)).await;
                    assert_eq!(job.status().restored.unwrap_or(0), resumed, "seed {seed}, life {life}");
                    let stopped = job.stop().await.expect("nothing is in its way");
                    assert!(stopped > resumed, "numbers ascend");
                    resumed = stopped;
                    let report = job.wait().await.expect("it ends well");
                    assert_eq!(report.stopped, Some(stopped), "seed {seed}, life {life}");
                } else {
                    let report = job.wait().await.expect("it ends well");
                    assert_eq!(report.stopped, None, "seed {seed}");
                }
            });
            all.extend(results.take());
        }
        // Each record has put out the number of records of its key up to it: every count is there, once.
        let mut expected = BTreeMap::<u64, u64>::new();
        (0..RECORDS).for_each(|index| *expected.entry(key_of(index)).or_default() += 1);
        let expected: Vec<_> =
            expected.into_iter().flat_map(|(key, count)| (1..=count).map(move |n| (key, n))).collect();
        all.sort_unstable();
        all.dedup(); // what was committed last may come again in a process that begins with an empty place
        assert_eq!(all.len(), expected.len(), "seed {seed}");
        assert!(all == expected, "seed {seed}");
    }
}

#[test]
fn long_chains_of_deltas_are_merged_and_read_back() {
    let dir = tempfile::tempdir().expect("there is room");
    let results = collect();
    let graph = counts(settings(dir.path(), 1, Duration::from_millis(1)), &results);
    let (completed, mut all) = simulate(3, graph, async |sim, job| {
        sim.sleep(Duration::from_millis(250)).await;
        job.stop().await.expect("nothing is in its way");
        job.wait().await.expect("it ends well");
        (job.status().checkpoints.completed, results.take())
    });
    assert!(completed > 15, "{completed}");
    let segments: usize = std::fs::read_dir(dir.path().join("segments")).map_or(0, Iterator::count);
    assert!(segments > 1, "there are deltas beside the full one: {segments}");
    let graph = counts(settings(dir.path(), 1, Duration::from_secs(1)), &results);
    simulate(4, graph, async |_, job| job.wait().await.expect("it ends well"));
    all.extend(results.take());
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len() as u64, RECORDS);
    let busiest = all.iter().filter(|(key, _)| *key == 0).map(|(_, count)| *count).max();
    assert_eq!(busiest, Some((0..RECORDS).filter(|index| key_of(*index) == 0).count() as u64));
}

#[test]
fn subtasks_that_nothing_is_sent_to_take_part() {
    for seed in seeds() {
        let dir = tempfile::tempdir().expect("there is room");
        let results = collect();
        let mut job = Job::<ExactlyOnce>::new("global", settings(dir.path(), 3, Duration::from_millis(2)));
        job.source(generate(2_000, 1, |_, index| index).rate(50_000.0))
            .global()
            .map(|index| index)
            .sink(results.sink());
        let graph = job.build().expect("the job is well formed");
        let completed = simulate(seed, graph, async |_, job| {
            job.wait().await.expect("it ends well");
            job.status().checkpoints.completed
        });
        assert!(completed > 1, "seed {seed}: {completed}");
        let mut all = results.take();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..2_000), "seed {seed}");
    }
}

#[test]
fn settings_change_while_a_job_runs_if_they_can() {
    let dir = tempfile::tempdir().expect("there is room");
    let results = collect();
    let graph = counts(settings(dir.path(), 2, Duration::from_secs(3600)), &results);
    simulate(1, graph, async |sim, job| {
        let refused = job.set("parallelism", "3").await.expect_err("it cannot change");
        assert!(
            refused.contains("cannot change while the job runs") && refused.contains("checkpoint.interval"),
            "{refused}"
        );
        let refused = job.set("checkpoint.interval", "soon").await.expect_err("no duration");
        assert!(refused.contains("soon"), "{refused}");
        let first = job.checkpoint().await.expect("nothing is in its way");
        assert_eq!(job.status().checkpoints.completed, 1);
        job.set("checkpoint.interval", "2ms").await.expect("it can change");
        sim.sleep(Duration::from_millis(50)).await;
        assert!(job.status().checkpoints.completed > 3, "{first}");
        job.wait().await.expect("it ends well");
        assert!(job.checkpoint().await.expect_err("it has ended").contains("ended"));
    });
}
