//! State with a time to live, in virtual time: what is seen, what keeps it alive, when it goes, and that time passes while a job is down.

use std::{path::Path, sync::Arc, time::Duration};

use millstream::{
    connectors::{collect, collect::Collect, generate},
    env::Env,
    graph::JobGraph,
    local,
    prelude::*,
    settings::Settings,
};
use millstream_testkit::SimEnv;

use crate::{
    checkpoints::settings,
    script::{Script, Step},
    support::{parallel, run, seeds},
};

#[derive(State, Default)]
#[state(ttl = "10s")]
struct Visits {
    count: u64,
    pages: MapState<u64, u64>,
    #[state(ttl = "10s", update = "read")]
    seen: ValueState<u64>,
    #[state(ttl = "10s", update = "read")]
    reads: MapState<u64, u64>,
    #[state(ttl = "10s", visibility = "expired")]
    kept: ValueState<u64>,
    #[state(ttl = "none")]
    all: ValueState<u64>,
}

/// Zero looks at what is there; another number is a page that is visited.
#[derive(Clone)]
struct Visit;

/// What is there before: the count, the sum of the pages, what was seen and read, what is kept, and all.
type Found = (u64, u64, u64, u64, u64, u64);

#[process]
impl Visit {
    fn on_record(&mut self, page: u64, visits: &mut StateOf<Visits>, cx: &mut KeyedContext<'_, u64, Found>) {
        let pages = visits.pages.iter().map(|(page, _)| page).sum();
        let read = visits.reads.iter().map(|(page, _)| page).sum();
        cx.emit((visits.count, pages, *visits.seen, read, *visits.kept, *visits.all));
        if page > 0 {
            visits.count += 1;
            visits.pages.insert(page, 1);
            visits.reads.insert(page, 1);
            *visits.seen += 1;
            *visits.kept += 1;
            *visits.all += 1;
        }
    }
}

#[test]
fn what_has_expired_is_not_seen_unless_that_is_wanted() {
    const SECOND: Duration = Duration::from_secs(1);
    for seed in seeds() {
        let results = collect();
        let steps = vec![
            Step::Record(1),
            Step::Record(2),
            Step::Wait(SECOND * 6),
            Step::Record(0),
            Step::Record(4),
            Step::Wait(SECOND * 7),
            Step::Record(0),
            Step::Wait(SECOND * 9),
            Step::Record(0),
            Step::Wait(SECOND),
            Step::Record(0),
            Step::Wait(SECOND * 11),
            Step::Record(8),
        ];
        run(seed, parallel(1), |job| {
            let source = job.source(Script::steps(vec![steps]));
            source.key_by(|_| 7_u64).process(Visit).uid("visits").sink(results.sink());
        });
        let expected = [
            // At 0 s, nothing; then what the first has left.
            (0, 0, 0, 0, 0, 0),
            (1, 1, 1, 1, 1, 1),
            // At 6 s all of it, and reading keeps alive what says so.
            (2, 3, 2, 3, 2, 2),
            (2, 3, 2, 3, 2, 2),
            // At 13 s the pages of 0 s are gone, and those of 6 s are there; the rest was written at 6 s.
            (3, 4, 3, 7, 3, 3),
            // At 22 s what was written at 6 s is gone; what was read at 13 s is not. What may be seen though it has expired is there, since nobody came by.
            (0, 0, 3, 7, 3, 3),
            // At 23 s it was removed.
            (0, 0, 3, 7, 0, 3),
            // At 34 s nothing is left but what lives for ever.
            (0, 0, 0, 0, 0, 3),
        ];
        assert_eq!(results.take(), expected, "seed {seed}");
    }
}

/// How many keys there are, and how often all of them come in a second.
const KEYS: u64 = 200;
const RATE: f64 = 50_000.0;

#[derive(State, Default)]
#[state(ttl = "1s")]
struct Count {
    count: u64,
    by_half: MapState<u64, u64>,
    sum: ReducingState<Sum>,
}

struct Sum;

impl Reducer for Sum {
    type Of = u64;

    fn reduce(joined: u64, next: u64) -> u64 {
        joined + next
    }
}

#[derive(Clone)]
struct Counts {
    /// Which process it is.
    life: u64,
}

/// The life in which a record came; its key, and what that had come to before: the count, how many of these fell on this half, and their sum.
type Row = (u64, u64, u64, u64, u64);

#[process]
impl Counts {
    fn on_record(&mut self, _: u64, counts: &mut StateOf<Count>, cx: &mut KeyedContext<'_, u64, Row>) {
        let before = counts.by_half.get(counts.count % 2).copied().unwrap_or(0);
        cx.emit((self.life, cx.key(), counts.count, before, counts.sum.get().copied().unwrap_or(0)));
        let half = counts.count % 2;
        counts.count += 1;
        *counts.by_half.entry(half, || 0) += 1;
        counts.sum.add(1);
    }
}

fn counts(settings: Settings, life: u64, results: &Collect<Row>) -> JobGraph {
    let mut job = Job::<ExactlyOnce>::new("counts", settings);
    let numbers = job.source(generate(u64::MAX, 1, |_, n| n % KEYS).rate(RATE)).parallelism(1);
    numbers.key_by(|key| key).process(Counts { life }).uid("counts").sink(results.sink());
    job.build().expect("the job is well formed")
}

/// Runs a job for a while that begins so late; what it has put out of its own: it also commits again what the one before may not have.
fn life(seed: u64, life: u64, late: Duration, parallelism: usize, dir: &Path) -> Vec<Row> {
    let results = collect();
    let sim = SimEnv::new(seed);
    sim.block_on(sim.sleep(late));
    let env: Arc<dyn Env> = sim.clone();
    let job = local::start(counts(settings(dir, parallelism, Duration::from_millis(10)), life, &results), env);
    sim.block_on(async {
        sim.sleep(Duration::from_millis(100)).await;
        job.stop().await.expect("nothing is in its way");
        job.wait().await.expect("it ends well");
    });
    sim.drop_tasks();
    results.take().into_iter().filter(|row| row.0 == life).collect()
}

#[test]
fn time_passes_while_a_job_is_down_and_at_any_parallelism() {
    for seed in seeds() {
        let dir = tempfile::tempdir().expect("there is room");
        let firsts = |rows: &[Row]| {
            let mut firsts = vec![None; KEYS as usize];
            for (_, key, count, half, sum) in rows {
                assert_eq!((*half, *sum), (count / 2, *count), "seed {seed}: all of a key's state is of one age");
                firsts[*key as usize].get_or_insert(*count);
            }
            firsts
        };
        let first = life(seed, 1, Duration::ZERO, 2, dir.path());
        assert!(first.len() as u64 > 2 * KEYS, "seed {seed}: {}", first.len());
        assert!(firsts(&first).iter().all(|count| *count == Some(0)), "seed {seed}: {:?}", firsts(&first));
        // Soon: every key goes on.
        let second = life(seed + 100, 2, Duration::from_millis(500), 3, dir.path());
        assert!(firsts(&second).iter().flatten().all(|count| *count > 1), "seed {seed}: {:?}", firsts(&second));
        // Later: every key begins anew.
        let third = life(seed + 200, 3, Duration::from_millis(2_500), 1, dir.path());
        assert!(third.len() as u64 > KEYS, "seed {seed}: {}", third.len());
        assert!(firsts(&third).iter().flatten().all(|count| *count == 0), "seed {seed}: {:?}", firsts(&third));
    }
}
