//! A barrier passes while timers fire by the clock on the wall: each fires once, and no record of a key comes before the timer of the key that is due.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use millstream::{
    connectors::{collect::Collect, generate},
    env::Env,
    graph::JobGraph,
    local,
    prelude::*,
    settings::Settings,
};
use millstream_testkit::SimEnv;

use crate::{
    checkpoints::{settings, simulate},
    held_back::Fails,
    support::seeds,
};

/// How many keys there are, which come once each before the timers are due, and how many numbers come again.
const KEYS: u64 = 12_000;
const AGAIN: u64 = 8_000;
/// How many numbers come in a second.
const RATE: f64 = 100_000.0;
/// When the timers of all keys are due, behind the beginning of the simulation: half of the second numbers come later.
const DUE_MS: i64 = 160;
/// How much later each life of a job begins than the one before: the clock does not go back.
const LATER: Duration = Duration::from_secs(1);

/// Whether it comes of a timer, the key, and whether all was as it should have been.
type Row = (bool, u64, bool);

/// How long a text goes with each row as far as the exchange, so that a buffer has one, and timers fire at the pace of what reads them.
const TEXT_BYTES: usize = 1_000;

#[derive(State, Default)]
struct Story {
    set: bool,
    fired: bool,
}

/// Tells of every second number of a key whether its timer had fired exactly if it was due, and of every timer whether it was due.
#[derive(Clone)]
struct Told {
    due: Timestamp,
    text: String,
    fired: Arc<Fired>,
}

/// How many timers have fired, in all attempts of a job, and how many before the last of these began.
#[derive(Default)]
struct Fired {
    all: AtomicU64,
    before: AtomicU64,
}

#[process]
impl Told {
    fn open(&mut self, _: &OpenContext<'_>) {
        self.fired.before.store(self.fired.all.load(SeqCst), SeqCst);
    }

    fn on_record(&mut self, _: u64, story: &mut StateOf<Story>, cx: &mut KeyedContext<'_, u64, (Row, String)>) {
        if story.set {
            cx.emit(((false, cx.key(), story.fired == (cx.wall() > self.due)), &self.text));
        } else {
            story.set = true;
            cx.processing_timer(self.due);
        }
    }

    fn on_timer(&mut self, timer: Timer, story: &mut StateOf<Story>, cx: &mut KeyedContext<'_, u64, (Row, String)>) {
        let is_due = timer.at == self.due && cx.wall() > self.due;
        cx.emit(((true, cx.key(), is_due && !story.fired), &self.text));
        story.fired = true;
        self.fired.all.fetch_add(1, SeqCst);
    }
}

fn expected() -> Vec<Row> {
    let mut rows: Vec<_> = (0..KEYS).map(|key| (true, key, true)).collect();
    rows.extend((0..AGAIN).map(|key| (false, key, true)));
    rows.sort_unstable();
    rows
}

fn graph(mut settings: Settings, fired: &Arc<Fired>, fails: Option<Fails>, results: &Collect<Row>) -> JobGraph {
    // What fires goes out in small pieces, so that it takes a while.
    (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
    let due = SimEnv::new(0).wall() + Duration::from_millis(DUE_MS as u64);
    let mut job = Job::<ExactlyOnce>::new("held-back-by-clock", settings);
    let told = job
        .source(generate(KEYS + AGAIN, 1, |_, n| n % KEYS).rate(RATE))
        .parallelism(1)
        .key_by(|key| key)
        .process(Told { due, text: "x".repeat(TEXT_BYTES), fired: Arc::clone(fired) })
        .uid("told")
        .rebalance();
    let told = told.map(move |(row, _)| match &fails {
        Some(fails) if fails.now() => Err("as the test wants it"),
        _ => Ok(row),
    });
    told.sink(results.sink());
    job.build().expect("the job is well formed")
}

/// Runs a job up to its end, or until some timers have fired. Gives what it has put out.
fn life(seed: u64, number: u32, parallelism: usize, dir: &Path, results: &Collect<Row>) -> Vec<Row> {
    let fired = Arc::<Fired>::default();
    let graph = graph(settings(dir, parallelism, Duration::from_secs(3600)), &fired, None, results);
    let sim = SimEnv::new(seed * 10 + u64::from(number));
    sim.block_on(sim.sleep(LATER * number));
    let env: Arc<dyn Env> = sim.clone();
    let job = local::start(graph, env);
    sim.block_on(async {
        if number < 2 {
            for _ in 0..20_000 {
                if fired.all.load(SeqCst) > 0 {
                    break;
                }
                sim.sleep(Duration::from_micros(50)).await;
            }
            let _ = job.stop().await; // it may have ended
        }
        job.wait().await.expect("it ends well");
    });
    sim.drop_tasks();
    results.take()
}

#[test]
fn a_barrier_passes_while_timers_fire() {
    let (expected, mut twice) = (expected(), false);
    for seed in seeds().take(3) {
        let (dir, results) = (tempfile::tempdir().expect("there is room"), collect());
        let parts =
            [(0, 1), (1, 2), (2, 3)].map(|(number, parallelism)| life(seed, number, parallelism, dir.path(), &results));
        let [first, second, third] = [0, 1, 2].map(|life: usize| parts[life].iter().filter(|row| row.0).count());
        assert!(first > 0 && first < KEYS as usize, "seed {seed}: {first} timers before the checkpoint");
        twice |= second > 0 && third > 0;
        let mut all = parts.concat();
        all.sort_unstable();
        assert!(all == expected, "seed {seed}: {first}, {second} and {third} timers, {} rows", all.len());
    }
    assert!(twice, "a second checkpoint was made while they fired");
}

#[test]
fn a_job_that_fails_while_timers_fire_goes_on_from_a_barrier_among_them() {
    let (expected, mut among) = (expected(), false);
    for (seed, parallelism) in seeds().take(2).flat_map(|seed| [1, 2].map(|parallelism| (seed, parallelism))) {
        let (dir, results) = (tempfile::tempdir().expect("there is room"), collect());
        let (fired, fails) = (Arc::<Fired>::default(), Fails::default());
        let settings = settings(dir.path(), parallelism, Duration::from_micros(100));
        let graph = graph(settings, &fired, Some(fails.clone()), &results);
        let restarts = simulate(seed, graph, async |sim, job| {
            let mut complete = BTreeSet::new();
            while fired.all.load(SeqCst) < KEYS && complete.len() < 3 {
                if fired.all.load(SeqCst) > 0 {
                    complete.insert(job.status().checkpoints.completed);
                }
                sim.sleep(Duration::from_micros(50)).await;
            }
            fails.fail_next();
            job.wait().await.expect("it is started again");
            job.status().restarts()
        });
        assert_eq!(restarts, 1, "seed {seed} x{parallelism}");
        // Those that had fired before the barrier do not fire again.
        let again = fired.all.load(SeqCst) - fired.before.load(SeqCst);
        among |= 0 < again && again < KEYS;
        let mut all = results.take();
        all.sort_unstable();
        assert!(all == expected, "seed {seed} x{parallelism}: {} rows, {again} timers fired again", all.len());
    }
    assert!(among, "a checkpoint was complete before all had fired");
}
