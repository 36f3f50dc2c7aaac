//! Connected streams without key: each record stays in its subtask, which has state of its own for both streams; what is rejected, event time, and checkpoints.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use millstream::{connectors::generate, env::Env, graph::JobGraph, metrics::Counter, prelude::*, settings::Settings};

use crate::{
    checkpoints::{settings, simulate},
    interrupted::lives,
    script::{Discovery, Script, Step},
    support::{Simulated, fails, ms, parallel, run, seeds, sorted},
};

/// Of which stream a record is, or what was kept of it, and its number.
type Row = (u8, u64);

const LEFT: u8 = 0;
const RIGHT: u8 = 1;
const KEPT: u8 = 2;

#[derive(OperatorState, Default)]
struct Seen {
    #[state(list)]
    rows: Vec<Row>,
}

/// Tells of each record, and at the end of all that its subtask has had.
#[derive(Clone, Default)]
struct Telling {
    refused: Option<u64>,
    lefts: Counter,
}

#[process]
impl Telling {
    fn open(&mut self, _: &mut Seen, cx: &OpenContext<'_>) {
        self.lefts = cx.counter("lefts");
    }

    fn on_left(&mut self, n: u64, seen: &mut Seen, cx: &mut Context<'_, Row>) {
        seen.rows.push((LEFT, n));
        self.lefts.add(1);
        cx.emit((LEFT, n));
    }

    fn on_right(&mut self, word: &str, seen: &mut Seen, cx: &mut Context<'_, Row>) -> Result<(), String> {
        let n = word.parse().map_err(|error| format!("{error}"))?;
        if self.refused == Some(n) {
            return Err("refused".to_owned());
        }
        seen.rows.push((RIGHT, n));
        cx.emit((RIGHT, n));
        Ok(())
    }

    fn on_end(&mut self, seen: &mut Seen, cx: &mut Context<'_, Row>) {
        assert_eq!(cx.watermark(), Timestamp::MAX);
        seen.rows.drain(..).for_each(|(stream, n)| cx.emit((KEPT + stream, n)));
    }
}

/// Numbers from 100 for each subtask, in splits of the subtask of their number.
fn pinned(subtasks: u64) -> Vec<Vec<u64>> {
    (0..subtasks).map(|subtask| (0..50).map(|n| 100 * subtask + n).collect()).collect()
}

#[test]
fn each_record_stays_in_its_subtask_and_in_order() {
    for seed in seeds() {
        let results = collect();
        let subtasks = 1 + seed % 3;
        let job = run(seed, parallel(subtasks as usize), |job| {
            let lefts = job.source(Script::records(pinned(subtasks)).discovery(Discovery::Pinned));
            let rights = job.source(Script::records(pinned(subtasks)).discovery(Discovery::Pinned));
            let rights = rights.map(|n| n.to_string());
            let told = lefts.connect(rights).process(Batched);
            told.map(|seen| seen.to_vec()).sink(results.sink());
        });
        let mut batches: Vec<Vec<Row>> = results.take();
        batches.sort_by_key(|batch| batch.iter().map(|(_, n)| *n).min());
        assert_eq!(batches.len() as u64, subtasks, "seed {seed}: each subtask has seen something");
        for (batch, numbers) in batches.into_iter().zip(pinned(subtasks)) {
            for stream in [LEFT, RIGHT] {
                let of = batch.iter().filter(|(of, _)| *of == stream).map(|(_, n)| *n);
                assert!(of.eq(numbers.iter().copied()), "seed {seed}: {stream}");
            }
        }
        assert_eq!(job.job.chains().len(), 3, "two sources, and the function with the sink");
    }
}

/// Puts out at the end all that its subtask has had.
#[derive(Clone)]
struct Batched;

#[process]
impl Batched {
    fn on_left(&mut self, n: u64, seen: &mut Seen, _: &mut Context<'_, Vec<Row>>) {
        seen.rows.push((LEFT, n));
    }

    fn on_right(&mut self, word: &str, seen: &mut Seen, _: &mut Context<'_, Vec<Row>>) {
        seen.rows.push((RIGHT, word.parse().expect("a number")));
    }

    fn on_end(&mut self, seen: &mut Seen, cx: &mut Context<'_, Vec<Row>>) {
        cx.emit(seen.rows.view());
    }
}

/// The records of keyed streams are where their key is.
#[test]
fn keyed_streams_will_do() {
    let results = collect();
    run(1, parallel(3), |job| {
        let lefts = job.source(Script::records(vec![(0..30_u64).collect()])).key_by(|n| n % 5);
        let rights = job.source(Script::records(vec![(0..30_u64).collect()])).map(|n| n.to_string());
        let rights = rights.key_by(|word| word.parse::<u64>().expect("a number") % 5);
        lefts.connect(rights).process(Batched).map(|seen| seen.to_vec()).sink(results.sink());
    });
    let batches: Vec<Vec<Row>> = results.take();
    assert_eq!(batches.concat().len(), 60);
    for key in 0..5 {
        let with_key = batches.iter().filter(|batch| batch.iter().any(|(_, n)| n % 5 == key)).count();
        assert_eq!(with_key, 1, "all of key {key} are at one place");
    }
}

#[test]
fn rejected_records_of_either_stream_have_their_policies() {
    let refusing = Telling { refused: Some(3), ..Telling::default() };
    let told = |job: &mut Job| {
        let rights = job.source(Script::records(vec![(0..5_u64).collect()])).map(|n| n.to_string());
        job.source(Script::records(vec![vec![7_u64]])).connect(rights).process(refusing.clone())
    };
    let failure = fails(1, parallel(1), |job| told(job).sink(collect().sink()));
    assert_eq!(failure.operator(), Some("process Telling"), "{failure}");
    assert!(failure.message().starts_with("refused\n  record: Right(\"3\")\n"), "{failure}");

    let results = collect();
    let job = run(1, parallel(1), |job| told(job).skip_errors().sink(results.sink()));
    let rights = [0, 1, 2, 4].into_iter().flat_map(|n| [(RIGHT, n), (KEPT + RIGHT, n)]);
    assert_eq!(sorted(results.take()), sorted(rights.chain([(LEFT, 7), (KEPT + LEFT, 7)]).collect()));
    assert_eq!((job.counted("records_skipped"), job.counted("lefts")), (1, 1));

    let diverted = collect();
    run(1, parallel(1), |job| {
        let (told, errors) = told(job).divert_errors();
        told.sink(collect().sink());
        errors.map(|(record, error)| format!("{record:?}: {error}")).sink(diverted.sink());
    });
    assert_eq!(diverted.take(), ["Right(\"3\"): refused"]);
}

/// Tells how far event time has come.
#[derive(Clone)]
struct HowFar;

#[process]
impl HowFar {
    fn on_left(&mut self, n: i64, cx: &mut Context<'_, (i64, Timestamp, Timestamp)>) {
        cx.emit((n, cx.timestamp(), cx.watermark()));
    }

    fn on_right(&mut self, _: i64, _: &mut Context<'_, (i64, Timestamp, Timestamp)>) {}
}

#[test]
fn event_time_is_that_of_the_stream_that_is_behind() {
    for seed in seeds() {
        let results = collect();
        let job = Simulated::start(seed, parallel(1), |job| {
            let pause = || Step::Wait(std::time::Duration::from_secs(5));
            let lefts = vec![Step::Record(10), Step::Record(500), pause(), Step::Record(600), Step::Never];
            let rights = vec![Step::Record(20), Step::Record(40), Step::Never];
            let [lefts, rights] = [lefts, rights].map(|steps| {
                let said = punctuated(|n, _| Some(ms(n)));
                job.source(Script::steps(vec![steps]).unbounded()).event_time_by(ms, said)
            });
            lefts.connect(rights).process(HowFar).sink(results.sink());
        });
        job.sim.block_on(Env::sleep(&*job.sim, std::time::Duration::from_secs(10)));
        let last = results.take().into_iter().find(|(n, ..)| *n == 600);
        assert_eq!(last, Some((600, ms(600), ms(40))), "seed {seed}");
        job.job.cancel();
        assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
    }
}

const RECORDS: u64 = 3_000;

/// A job that tells of each record once, and in the end of all that was kept; it fails once it is told to.
fn graph(settings: Settings, fails: Option<Arc<AtomicBool>>, results: &Collected) -> JobGraph {
    let mut job = Job::<ExactlyOnce>::new("unkeyed", settings);
    let lefts = job.source(generate(RECORDS, 1, |_, n| n).rate(100_000.0)).uid("lefts");
    let rights = job.source(generate(RECORDS, 1, |_, n| n).rate(70_000.0)).uid("rights").map(|n| n.to_string());
    let told = lefts.rebalance().connect(rights.rebalance()).process(Telling::default()).uid("telling");
    let told = told.map(move |row| match &fails {
        Some(fails) if fails.swap(false, SeqCst) => Err("as the test wants it"),
        _ => Ok(row),
    });
    told.rebalance().sink(results.sink());
    job.build().expect("the job is well formed")
}

type Collected = millstream::connectors::collect::Collect<Row>;

fn expected() -> Vec<Row> {
    sorted((0..RECORDS).flat_map(|n| [LEFT, RIGHT, KEPT + LEFT, KEPT + RIGHT].map(|of| (of, n))).collect())
}

#[test]
fn what_both_have_kept_goes_on_at_another_parallelism() {
    for seed in seeds() {
        let parts = lives(seed, &collect(), |dir, parallelism, results| {
            graph(settings(dir, parallelism, std::time::Duration::from_millis(2)), None, results)
        });
        assert!(parts[1].len() > 100 && parts[2].len() > 100, "seed {seed}: it goes on");
        assert!(sorted(parts.concat()) == expected(), "seed {seed}");
    }
}

#[test]
fn what_both_have_kept_is_there_once_after_a_crash() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2].map(|parallelism| (seed, parallelism))) {
        let (dir, results, fails) = (tempfile::tempdir().expect("there is room"), collect(), Arc::default());
        let interval = std::time::Duration::from_millis(1);
        let graph = graph(settings(dir.path(), parallelism, interval), Some(Arc::clone(&fails)), &results);
        let restarts = simulate(seed, graph, async |sim, job| {
            while job.status().checkpoints.completed == 0 {
                sim.sleep(std::time::Duration::from_micros(200)).await;
            }
            fails.store(true, SeqCst);
            job.wait().await.expect("it is started again");
            job.status().restarts()
        });
        assert_eq!(restarts, 1, "seed {seed} x{parallelism}");
        assert!(sorted(results.take()) == expected(), "seed {seed} x{parallelism}");
    }
}
