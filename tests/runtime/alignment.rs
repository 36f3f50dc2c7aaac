//! Sources that are aligned: how far one may be ahead, who is waited for, and that nothing else changes.

use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use millstream::{env::Env, graph::JobGraph, local, prelude::*, runtime::cluster::MiniCluster, settings::Settings};
use millstream_testkit::{SimEnv, rng::Rng};

use crate::{
    script::{Discovery, Script, Step},
    support::{Simulated, parallel, run, seeds, sorted},
    windows::{Event, event},
};

/// How much of event time lies between two records of one source, in milliseconds.
const STEP_MS: i64 = 100;
/// How far a source may be ahead in most of these jobs.
const DRIFT_MS: i64 = 1_000;

/// So many records, each after a pause. `key` tells the sources apart.
fn steps(key: u64, records: i64, pause_ms: u64) -> Vec<Step<Event>> {
    let step = move |i| [Step::Wait(Duration::from_millis(pause_ms)), Step::Record(event(key, 1, i * STEP_MS))];
    (0..records).flat_map(step).collect()
}

/// The order in which records are read: by key and time.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(u64, i64)>>>);

impl Seen {
    fn add(&self, event: crate::windows::EventView<'_>) {
        self.0.lock().unwrap().push((event.key, event.at.millis()));
    }

    fn all(&self) -> Vec<(u64, i64)> {
        self.0.lock().unwrap().clone()
    }

    /// By how much a record of `fast` was ahead of the last one of `slow` that had been read, at most, as long as both go on. Before the first of `slow` only
    /// one of `fast` may be there.
    fn lead(&self, fast: u64, slow: u64) -> i64 {
        let (mut of_slow, mut lead) = (None, 0);
        let all = self.all();
        let end = all.iter().rposition(|(key, _)| *key == slow).expect("it was read");
        for (key, at) in &all[..end] {
            if *key == slow {
                of_slow = Some(*at);
            } else if *key == fast {
                lead = lead.max(at - of_slow.unwrap_or(0));
            }
        }
        lead
    }
}

/// Counts of both sources together by one-second windows. An aligned source looks at the other one every 100 ms of the clock.
fn two_sources(
    job: &mut Job,
    aligned: bool,
    [fast, slow]: [Script<Event>; 2],
    seen: &Seen,
    results: &millstream::connectors::Collect<(i64, u64)>,
) {
    let mut source = |script: Script<Event>, name: &str| {
        let seen = seen.clone();
        let events = job.source(script).name(name);
        if aligned {
            let strategy = monotonous().with_idleness(2.seconds()).aligned("events", (DRIFT_MS as u64).milliseconds());
            events.event_time(strategy.updated_every(100.milliseconds())).inspect(move |event| seen.add(event)).sealed()
        } else {
            let strategy = monotonous().with_idleness(2.seconds());
            events.event_time(strategy).inspect(move |event| seen.add(event)).sealed()
        }
    };
    let (fast, slow) = (source(fast, "fast"), source(slow, "slow"));
    fast.union(slow)
        .key_by(|_| 0_u64)
        .window(tumbling(1.seconds()))
        .aggregate(|of| of.count())
        .map(|(_, window, count)| (window.start.millis(), count))
        .sink(results.sink());
}

fn fast_and_slow() -> [Script<Event>; 2] {
    [Script::steps(vec![steps(0, 300, 1)]), Script::steps(vec![steps(1, 300, 40)])]
}

#[test]
fn a_fast_source_is_never_ahead_of_a_slow_one_by_more_than_the_drift() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2].map(|parallelism| (seed, parallelism))) {
        let expected: Vec<_> = (0..30).map(|second| (second * 1000, 20)).collect();
        let mut leads = Vec::new();
        for aligned in [false, true] {
            let (seen, results) = (Seen::default(), collect());
            let job = run(seed, parallel(parallelism), |job| {
                two_sources(job, aligned, fast_and_slow(), &seen, &results);
            });
            assert_eq!(sorted(results.take()), expected, "seed {seed} x{parallelism}, aligned: {aligned}");
            assert_eq!(job.counted("late_records"), 0, "seed {seed} x{parallelism}");
            assert_eq!(job.counted("watermark_alignment_paused_ns") > 0, aligned, "seed {seed} x{parallelism}");
            leads.push(seen.lead(0, 1));
        }
        // The step that takes it too far is one record.
        assert!(leads[1] <= DRIFT_MS + STEP_MS, "seed {seed} x{parallelism}: {leads:?}");
        assert!(leads[1] >= DRIFT_MS / 2, "seed {seed} x{parallelism}: it goes ahead as far as it may: {leads:?}");
        assert!(leads[0] > 20 * DRIFT_MS, "seed {seed} x{parallelism}: nothing else holds it up: {leads:?}");
    }
}

#[test]
fn the_subtasks_of_one_source_are_aligned() {
    for seed in seeds() {
        for aligned in [false, true] {
            let (seen, results) = (Seen::default(), collect());
            run(seed, parallel(2), |job| {
                // Splits that go on for ever hold nobody back while they wait, and each is read by a subtask of its own.
                let script = Script::steps(vec![steps(0, 300, 1), steps(1, 300, 40)]).unbounded();
                let seen = seen.clone();
                let events = job.source(script.discovery(Discovery::Pinned));
                let seen = move |event: crate::windows::EventView<'_>| seen.add(event);
                let events = if aligned {
                    let strategy = monotonous().aligned("events", 1.seconds()).updated_every(100.milliseconds());
                    events.event_time(strategy).inspect(seen).sealed()
                } else {
                    events.event_time(monotonous()).inspect(seen).sealed()
                };
                events.map(|event| event.at).sink(results.sink());
            });
            assert_eq!(results.take().len(), 600, "seed {seed}");
            let lead = seen.lead(0, 1);
            assert_eq!(lead <= DRIFT_MS + STEP_MS, aligned, "seed {seed}: {lead}");
        }
    }
}

#[test]
fn subtasks_in_several_processes_are_aligned() {
    for seed in seeds().take(3) {
        for aligned in [false, true] {
            let (seen, results) = (Seen::default(), collect());
            let build = {
                let (seen, results) = (seen.clone(), results.clone());
                move || {
                    let mut job = Job::<BestEffort>::new("test", parallel(2));
                    let script = Script::steps(vec![steps(0, 300, 1), steps(1, 300, 40)]).unbounded();
                    let (events, seen) = (job.source(script.discovery(Discovery::Pinned)), seen.clone());
                    let seen = move |event: crate::windows::EventView<'_>| seen.add(event);
                    let events = if aligned {
                        let strategy = monotonous().aligned("events", 1.seconds()).updated_every(100.milliseconds());
                        events.event_time(strategy).inspect(seen).sealed()
                    } else {
                        events.event_time(monotonous()).inspect(seen).sealed()
                    };
                    events.map(|event| event.at).sink(results.sink());
                    job.build()
                }
            };
            let world = SimEnv::new(seed);
            let env = Arc::clone(&world) as Arc<dyn Env>;
            world.block_on(async {
                let cluster = MiniCluster::start(env, 2, 1, build).await.expect("there is a network");
                cluster.run().await.expect("nothing goes wrong");
                cluster.stop().await.expect("nothing goes wrong");
            });
            world.drop_tasks();
            assert_eq!(results.take().len(), 600, "seed {seed}");
            let lead = seen.lead(0, 1);
            assert_eq!(lead <= DRIFT_MS + STEP_MS, aligned, "seed {seed}: {lead}");
        }
    }
}

#[test]
fn nobody_waits_for_a_source_that_is_idle() {
    for seed in seeds() {
        let (seen, results) = (Seen::default(), collect());
        run(seed, parallel(1), |job| {
            let again = [Step::Wait(Duration::from_secs(60)), Step::Record(event(1, 1, 30_000))];
            let slow = steps(1, 3, 1).into_iter().chain(again).collect();
            let scripts = [Script::steps(vec![steps(0, 300, 1)]), Script::steps(vec![slow])];
            two_sources(job, true, scripts, &seen, &results);
        });
        let seen = seen.all();
        assert_eq!(seen.len(), 304, "seed {seed}");
        assert_eq!(seen.last(), Some(&(1, 30_000)), "seed {seed}: the other one has read all it had by then");
    }
}

#[test]
fn all_wait_for_a_source_that_says_nothing_and_is_not_idle() {
    for seed in seeds() {
        let seen = Seen::default();
        let job = Simulated::start(seed, parallel(1), |job| {
            for (key, script) in [steps(0, 300, 1), vec![Step::Never]].into_iter().enumerate() {
                let seen = seen.clone();
                let events = job.source(Script::steps(vec![script]).unbounded()).name(["fast", "silent"][key]);
                events
                    .event_time(monotonous().aligned("events", 1.seconds()))
                    .inspect(move |event| seen.add(event))
                    .sink(collect().sink());
            }
        });
        job.sim.block_on(job.sim.sleep(Duration::from_secs(60)));
        assert_eq!(seen.all(), [(0, 0)], "seed {seed}");
        // And one that waits obeys.
        job.job.cancel();
        assert!(job.wait().is_err());
    }
}

#[test]
fn a_source_that_waits_can_be_drained() {
    for seed in seeds() {
        let results = collect();
        let job = Simulated::start(seed, parallel(1), |job| {
            for (name, script) in [("fast", steps(0, 300, 1)), ("silent", vec![Step::Never])] {
                let events = job.source(Script::steps(vec![script]).unbounded()).name(name);
                let strategy = monotonous().aligned("events", 1.seconds()).updated_every(1.hours());
                events.event_time(strategy).map(|event| event.at).sink(results.sink());
            }
        });
        job.sim.block_on(job.sim.sleep(Duration::from_secs(5)));
        job.job.drain();
        job.wait().expect("it ends well");
        assert_eq!(results.take().len(), 1, "seed {seed}");
    }
}

#[test]
fn nobody_waits_for_a_source_that_has_ended() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2].map(|parallelism| (seed, parallelism))) {
        let (seen, results) = (Seen::default(), collect());
        run(seed, parallel(parallelism), |job| {
            let scripts = [Script::steps(vec![steps(0, 300, 1)]), Script::steps(vec![steps(1, 20, 40)])];
            two_sources(job, true, scripts, &seen, &results);
        });
        assert_eq!(seen.all().len(), 320, "seed {seed}");
        assert!(seen.lead(0, 1) <= DRIFT_MS + STEP_MS, "seed {seed}: {}", seen.lead(0, 1));
    }
}

/// Random splits, pauses and drifts: whatever waits for whom, everything is read. (A simulation in which nothing can happen any more, or that does not come
/// to its end, fails.)
#[test]
fn nothing_waits_for_ever() {
    for seed in 0..seeds().end * 8 {
        let mut rng = Rng::new(seed);
        let results = collect();
        let mut records = 0;
        run(seed, parallel(1 + rng.below(3) as usize), |job| {
            for source in 0..=rng.below(3) {
                let splits = (0..=rng.below(4)).map(|_| {
                    let count = rng.below(40) as i64;
                    records += count;
                    steps(source, count, rng.below(50))
                });
                let mut script = Script::steps(splits.collect());
                if rng.below(2) == 0 {
                    script = script.unbounded();
                }
                if rng.below(2) == 0 {
                    script = script.discovery(Discovery::Pinned);
                }
                let events = job.source(script).name(&format!("source {source}"));
                let drift = (1 + rng.below(3_000)).milliseconds();
                let aligned =
                    monotonous().aligned("events", drift).updated_every((1 + rng.below(2_000)).milliseconds());
                let events = if rng.below(2) == 0 {
                    events.event_time(aligned).sealed()
                } else {
                    events.event_time(aligned.with_idleness((1 + rng.below(500)).milliseconds())).sealed()
                };
                events.map(|event| event.at).sink(results.sink());
            }
        });
        assert_eq!(results.take().len() as i64, records, "seed {seed}");
    }
}

/// A job in which the fast source waits most of the time. With `fails` it fails once, in the middle.
fn kept(settings: Settings, fails: bool, results: &millstream::connectors::Collect<(u64, i64)>) -> JobGraph {
    let mut job = Job::<ExactlyOnce>::new("aligned", settings);
    let fails = Arc::new(AtomicBool::new(fails));
    let mut source = |name: &str, key, pause| {
        let fails = Arc::clone(&fails);
        let strategy = monotonous().aligned("events", 1.seconds()).updated_every(100.milliseconds());
        let events = job.source(Script::steps(vec![steps(key, 100, pause)])).uid(name).event_time(strategy);
        events.map(move |event| match (event.key, event.at.millis()) {
            (1, 5_000) if fails.swap(false, SeqCst) => Err("as the test wants it"),
            (key, at) => Ok((key, at)),
        })
    };
    let (fast, slow) = (source("fast", 0, 1), source("slow", 1, 20));
    fast.union(slow).sink(results.sink());
    job.build().expect("the job is well formed")
}

fn checkpointed(dir: &Path, parallelism: usize) -> Settings {
    let mut settings = parallel(parallelism);
    settings.checkpoints.dir = Some(dir.into());
    settings.checkpoints.interval = Duration::from_millis(50);
    settings
}

fn all_records() -> Vec<(u64, i64)> {
    (0..2).flat_map(|key| (0..100).map(move |i| (key, i * STEP_MS))).collect()
}

#[test]
fn checkpoints_go_on_while_a_source_waits_and_a_crash_changes_nothing() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2].map(|parallelism| (seed, parallelism))) {
        let (dir, results) = (tempfile::tempdir().expect("there is room"), collect());
        let sim = SimEnv::new(seed);
        let job = local::start(kept(checkpointed(dir.path(), parallelism), true, &results), sim.clone());
        let report = sim.block_on(job.wait()).expect("it is started again");
        // The slow source alone takes two seconds, most of which the fast one waits.
        let (checkpoints, restarts) = (job.status().checkpoints.completed, job.status().restarts());
        assert!(report.stopped.is_none() && checkpoints > 10, "seed {seed} x{parallelism}: {checkpoints} checkpoints");
        assert_eq!(restarts, 1, "seed {seed} x{parallelism}");
        assert_eq!(sorted(results.take()), all_records(), "seed {seed} x{parallelism}");
        sim.drop_tasks();
    }
}

#[test]
fn a_job_is_stopped_while_a_source_waits_and_goes_on_at_another_parallelism() {
    for seed in seeds() {
        let (dir, results) = (tempfile::tempdir().expect("there is room"), collect());
        let mut all = Vec::new();
        for (life, parallelism) in [1, 3, 2].into_iter().enumerate() {
            let sim = SimEnv::new(seed * 10 + life as u64);
            let job = local::start(kept(checkpointed(dir.path(), parallelism), false, &results), sim.clone());
            sim.block_on(async {
                if life < 2 {
                    sim.sleep(Duration::from_millis(500)).await;
                    job.stop().await.expect("nothing is in its way");
                }
                job.wait().await.expect("it ends well");
            });
            sim.drop_tasks();
            all.extend(results.take());
        }
        all.sort_unstable();
        all.dedup(); // what was committed last may come again in a process that begins with an empty place
        assert_eq!(all, all_records(), "seed {seed}");
    }
}

/// The mistakes in a job whose stream of events `build` ends.
fn mistakes(build: impl FnOnce(&mut Job)) -> Vec<String> {
    let mut job = Job::<BestEffort>::new("test", parallel(1));
    build(&mut job);
    let mistakes = job.build().map(|_| ()).expect_err("there is a mistake in the job").mistakes;
    let place = |mistake: &String| {
        assert!(mistake.starts_with("tests/runtime/alignment.rs:"), "{mistake}");
        mistake.split_once(": ").map_or(String::new(), |(_, rest)| rest.to_owned())
    };
    mistakes.iter().map(place).collect()
}

/// The mistake in a strategy.
fn mistake<S: millstream::event_time::WatermarkStrategy<Event>>(strategy: S) -> String {
    let mut found = mistakes(|job| {
        let events = job.source(Script::steps(vec![steps(0, 1, 0)]));
        events.event_time(strategy).sink(collect().sink());
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn bad_values_are_found_when_the_job_is_built() {
    let zero = Duration::ZERO;
    let (less, more) = (Duration::from_micros(10), Duration::from_millis(u64::MAX));
    let found = [
        mistake(monotonous().aligned("", 1.seconds())),
        mistake(monotonous().aligned("events", zero)),
        mistake(monotonous().aligned("events", less)),
        mistake(monotonous().aligned("events", 1.seconds()).updated_every(zero)),
        mistake(monotonous().aligned("events", 1.seconds()).aligned("others", 1.seconds())),
        mistake(monotonous().with_idleness(zero)),
        mistake(monotonous().with_idleness(less).aligned("events", 1.seconds())),
        mistake(out_of_order(less)),
        mistake(out_of_order(more).with_idleness(1.seconds())),
    ];
    let expected = [
        "event_time: aligned in a group without a name",
        "event_time: aligned in group `events` within 0ms, which",
        "event_time: aligned in group `events` within 10us, which",
        "event_time: aligned in group `events` with an update interval of 0ms",
        "event_time: aligned in group `others` and in group `events`: a source is in one group",
        "event_time: idle after 0ms without a record, which is always",
        "event_time: idle after 10us without a record, which is always",
        "event_time: out of order by 10us, where times are in milliseconds",
        "event_time: out of order by more than the time since the epoch can be",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn only_a_source_can_be_aligned_and_only_once() {
    let events = |job: &mut Job| job.source(Script::steps(vec![steps(0, 1, 0)]));
    let aligned = || monotonous().aligned("events", 1.seconds());
    let behind = mistakes(|job| events(job).rebalance().event_time(aligned()).sink(collect().sink()));
    assert_eq!(behind.len(), 1, "{behind:?}");
    assert!(
        behind[0].starts_with("event_time: aligned in group `events`, but no source is in this chain"),
        "{behind:?}"
    );
    let twice = mistakes(|job| events(job).event_time(aligned()).event_time(aligned()).sink(collect().sink()));
    assert_eq!(twice.len(), 1, "{twice:?}");
    let begin =
        "event_time: aligned in group `events`, but the source of this chain is aligned already, at tests/runtime";
    assert!(twice[0].starts_with(begin), "{twice:?}");
}

#[test]
fn a_plan_shows_what_is_aligned() {
    let mut job = Job::<BestEffort>::new("test", parallel(1));
    let events = job.source(Script::steps(vec![steps(0, 1, 0)]));
    events.event_time(monotonous().aligned("events", 20.seconds())).sink(collect().sink());
    let graph = job.build().expect("the job is well formed");
    let titles: Vec<_> = graph.vertices.iter().map(|vertex| vertex.title()).collect();
    assert!(titles[0].contains("event_time (aligned as events within 20s)"), "{titles:?}");
}
