//! A barrier passes while timers fire: what has fired does not fire again, and records in front of the barrier find their key as if they had come behind its timers.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use millstream::{
    connectors::{collect, generate},
    env::Env,
    graph::JobGraph,
    prelude::*,
    settings::Settings,
};

use crate::{
    checkpoints::{settings, simulate},
    interrupted::lives,
    support::{ms, seeds},
};

/// How many keys there are, and how many numbers behind those that have a key each.
const KEYS: u64 = 12_000;
const LATER: u64 = 5_400;
/// How many of the later numbers lie between two of one key.
const APART: u64 = 450;
/// Every so many of the later numbers event time comes to the next of them.
const WATERMARK_EVERY: u64 = 300;

fn key(n: u64) -> u64 {
    let later = |n: u64| n / (2 * APART) * APART + n % APART;
    if n < KEYS { n } else { later(n - KEYS) }
}

/// True if a number is as old as the one that its key had first.
fn is_old(n: u64) -> bool {
    n >= KEYS && n % 5 == 1
}

/// All keys in the first second; once event time has passed two, some of them again, each twice.
fn time_of(n: u64) -> i64 {
    if n < KEYS || is_old(n) { (key(n) * 1_000 / KEYS) as i64 } else { (n - KEYS) as i64 + 2_001 }
}

/// True for the time of a number behind the first watermark. Of those before it nothing is put out but by timers.
fn is_later(at: Timestamp) -> bool {
    at > ms(2_000)
}

/// How far a number moves event time on, if it does.
fn said(n: u64) -> Option<i64> {
    (n >= KEYS && (n - KEYS).is_multiple_of(WATERMARK_EVERY)).then(|| time_of(n) - 1)
}

/// How long after a record its timer is set, and a key forgotten that was put out.
const TIMER_MS: u64 = 200;
const FORGET_MS: u64 = 100;

/// What it comes from, the key, a time, and what was known of the key: how many records it has had, or timers.
type Row = (u8, u64, i64, u64);

#[derive(State, Default)]
struct Story {
    records: u64,
    timers: u64,
}

/// Tells of every later record how many timers its key has had before, and of every timer how many records.
#[derive(Clone)]
struct Told;

#[process]
impl Told {
    fn on_record(&mut self, _: u64, story: &mut StateOf<Story>, cx: &mut KeyedContext<'_, u64, Row>) {
        assert!(cx.timestamp() > cx.watermark());
        story.records += 1;
        if is_later(cx.timestamp()) {
            cx.emit((0, cx.key(), cx.timestamp().millis(), story.timers));
        }
        cx.event_timer(cx.timestamp() + TIMER_MS.milliseconds());
    }

    fn on_timer(&mut self, timer: Timer, story: &mut StateOf<Story>, cx: &mut KeyedContext<'_, u64, Row>) {
        assert!(timer.at <= cx.watermark());
        story.timers += 1;
        cx.emit((1, cx.key(), timer.at.millis(), story.records));
        if sets_another(timer.at.millis()) {
            cx.event_timer(timer.at + 101.milliseconds());
        }
    }
}

/// True for some timers; not for those that these set.
fn sets_another(at: i64) -> bool {
    at % 3 == 0
}

/// Tells of later records of two streams, and of the timers that they set.
#[derive(Clone)]
struct Both;

#[process]
impl Both {
    fn on_left(&mut self, _: u64, cx: &mut KeyedContext<'_, u64, Row>) {
        if is_later(cx.timestamp()) {
            cx.emit((5, cx.key(), cx.timestamp().millis(), 0));
        }
        cx.event_timer(cx.timestamp() + TIMER_MS.milliseconds());
    }

    fn on_right(&mut self, _: u64, cx: &mut KeyedContext<'_, u64, Row>) {
        if is_later(cx.timestamp()) {
            cx.emit((5, cx.key(), cx.timestamp().millis(), 1));
        }
        cx.event_timer(cx.timestamp() + TIMER_MS.milliseconds());
    }

    fn on_timer(&mut self, timer: Timer, cx: &mut KeyedContext<'_, u64, Row>) {
        cx.emit((6, cx.key(), timer.at.millis(), 0));
    }
}

/// Fails once it is told to, once.
#[derive(Clone, Default)]
pub(crate) struct Fails {
    seen: Arc<AtomicU64>,
    told: Arc<AtomicBool>,
}

impl Fails {
    /// Tells it to.
    pub(crate) fn fail_next(&self) {
        self.told.store(true, SeqCst);
    }

    pub(crate) fn now(&self) -> bool {
        self.seen.fetch_add(1, SeqCst);
        self.told.swap(false, SeqCst)
    }
}

/// The numbers that a source has made.
struct Made {
    last: AtomicU64,
    /// With which one it has gone on from a checkpoint, if it has.
    goes_on: AtomicU64,
}

impl Made {
    fn new() -> Arc<Self> {
        Arc::new(Self { last: AtomicU64::new(u64::MAX), goes_on: AtomicU64::new(u64::MAX) })
    }

    fn next(&self, n: u64) -> u64 {
        if self.last.swap(n, SeqCst).wrapping_add(1) != n {
            self.goes_on.store(n, SeqCst);
        }
        n
    }
}

fn graph(settings: Settings, made: &Arc<Made>, fails: Option<Fails>, results: &collect::Collect<Row>) -> JobGraph {
    let mut settings = settings;
    // What fires goes out in small pieces, so that it takes a while.
    (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
    let mut job = Job::<ExactlyOnce>::new("held-back", settings);
    let made = Arc::clone(made);
    let numbers = generate(KEYS + LATER, 1, move |_, n| made.next(n));
    let numbers = job
        .source(numbers.rate(200_000.0))
        .event_time_by(|n| ms(time_of(n)), punctuated(|n, _| said(n).map(ms)))
        .parallelism(1);
    let [a, b, c, d] = numbers.forks();
    // What comes of a key depends on the order of its records, and of watermarks.
    let [a, b, c] = [a, b, c].map(|numbers| numbers.filter(|n| !is_old(n)).parallelism(1));
    let d = d.parallelism(1);
    let [a, lefts, rights] = a.forks().map(|numbers| numbers.parallelism(1));
    let told = a.key_by(key).process(Told).uid("told");
    let sorted = b.key_by(key).sort_by_time().uid("sorted");
    let firsts = c.key_by(key).deduplicate_first();
    let firsts = firsts.forget_after(FORGET_MS.milliseconds()).uid("firsts");
    let panes = d.key_by(key).window(tumbling(1.seconds())).allowed_lateness(10.seconds());
    let panes = panes.apply(|key, window, all| Some((4_u8, key, window.end.millis(), all.len() as u64))).uid("panes");
    let lefts = lefts.filter(|n| n % 2 == 0).parallelism(1).key_by(key);
    let both = lefts.connect(rights.filter(|n| n % 2 == 1).parallelism(1).key_by(key)).process(Both).uid("both");
    let sorted = sorted.map(|n| (2_u8, key(n), time_of(n), 0_u64));
    let firsts = firsts.map(|n| (3_u8, key(n), time_of(n), 0_u64));
    let all = told.union(sorted).union(firsts).union(panes).union(both);
    match fails {
        None => all.sink(results.sink()),
        Some(fails) => {
            all.map(move |row| if fails.now() { Err("as the test wants it") } else { Ok(row) }).sink(results.sink())
        }
    };
    job.build().expect("the job is well formed")
}

/// One thing after the other: a watermark's timers, and then what comes behind it.
fn expected() -> Vec<Row> {
    let (mut rows, mut timers) = (Vec::new(), BTreeSet::new());
    let (mut story, mut windows) = (BTreeMap::<u64, (u64, u64)>::new(), BTreeMap::<(i64, u64), u64>::new());
    let (mut firsts, mut first_timers) = (BTreeMap::<u64, i64>::new(), BTreeSet::new());
    let mut watermark = i64::MIN;
    for n in 0..=KEYS + LATER {
        if n < KEYS + LATER {
            let (at, key) = (time_of(n), key(n));
            if !is_old(n) {
                let (records, fired) = story.entry(key).or_default();
                *records += 1;
                timers.insert((at + TIMER_MS as i64, key));
                rows.extend([(2, key, at, 0), (6, key, at + TIMER_MS as i64, 0)]);
                if let Entry::Vacant(first) = firsts.entry(key) {
                    first.insert(at);
                    first_timers.insert((at, key));
                }
                if is_later(ms(at)) {
                    rows.extend([(0, key, at, *fired), (5, key, at, n % 2)]);
                }
            }
            let end = at - at.rem_euclid(1_000) + 1_000;
            let count = windows.entry((end, key)).or_default();
            *count += 1;
            if end - 1 <= watermark {
                rows.push((4, key, end, *count));
            }
        }
        let at = if n == KEYS + LATER { Some(i64::MAX) } else { said(n) };
        let Some(at) = at else { continue };
        while let Some(&(due, key)) = timers.first().filter(|(due, _)| *due <= at) {
            timers.pop_first();
            let (records, fired) = story.entry(key).or_default();
            *fired += 1;
            rows.push((1, key, due, *records));
            if sets_another(due) {
                timers.insert((due + 101, key));
            }
        }
        while let Some(&(due, key)) = first_timers.first().filter(|(due, _)| *due <= at) {
            first_timers.pop_first();
            if firsts.get(&key) == Some(&due) {
                rows.push((3, key, due, 0));
                first_timers.insert((due + FORGET_MS as i64, key));
            } else {
                firsts.remove(&key);
            }
        }
        let closed = windows.iter().filter(|((end, _), _)| watermark < end - 1 && end - 1 <= at);
        rows.extend(closed.map(|((end, key), count)| (4, *key, *end, *count)));
        watermark = at;
    }
    rows.sort();
    rows
}

#[track_caller]
fn assert_rows(mut all: Vec<Row>, expected: &[Row], seed: u64) {
    all.sort();
    if all == expected {
        return;
    }
    let counts = |rows: &[Row]| {
        let mut counts = BTreeMap::<Row, i64>::new();
        rows.iter().for_each(|row| *counts.entry(*row).or_default() += 1);
        counts
    };
    let (found, wanted) = (counts(&all), counts(expected));
    let differ = |a: &BTreeMap<Row, i64>, b: &BTreeMap<Row, i64>| {
        let more = a.iter().filter(|(row, count)| b.get(row).unwrap_or(&0) < count);
        more.map(|(row, _)| *row).take(10).collect::<Vec<_>>()
    };
    panic!("seed {seed}: without {:?}.., but with {:?}..", differ(&wanted, &found), differ(&found, &wanted));
}

#[test]
fn a_barrier_passes_while_timers_fire() {
    let expected = expected();
    let by_first = |rows: &[Row], of: u8| rows.iter().filter(|row| row.0 == of && row.2 <= 2_000).count();
    let (mut halves, mut twice) = ([false; 4], false);
    for seed in seeds().take(3) {
        let lives_made = RefCell::new(Vec::new());
        let parts = lives(seed, &collect(), |dir, parallelism, results| {
            let made = Made::new();
            lives_made.borrow_mut().push(Arc::clone(&made));
            graph(settings(dir, parallelism, Duration::from_secs(3600)), &made, None, results)
        });
        let goes_on = lives_made.borrow()[1].goes_on.load(SeqCst);
        for (half, of) in halves.iter_mut().zip([1, 3, 4, 6]) {
            // There was one subtask, and it has got records from behind the watermark by which it fired.
            let fired = by_first(&parts[0], of);
            *half |= (1..by_first(&expected, of)).contains(&fired) && goes_on > KEYS + 1;
        }
        twice |= by_first(&parts[0], 1) + by_first(&parts[1], 1) < by_first(&expected, 1) && by_first(&parts[1], 1) > 0;
        assert_rows(parts.concat(), &expected, seed);
    }
    assert_eq!(halves, [true; 4], "some checkpoint was made while timers of each kind fired");
    assert!(twice, "and another one, by the same watermark still");
}

#[test]
fn a_job_that_fails_while_timers_fire_goes_on_from_a_barrier_among_them() {
    let (expected, mut failed) = (expected(), 0);
    for (seed, parallelism) in seeds().take(2).flat_map(|seed| [1, 2].map(|parallelism| (seed, parallelism))) {
        let (dir, results) = (tempfile::tempdir().expect("there is room"), collect());
        let settings = settings(dir.path(), parallelism, Duration::from_micros(100));
        let (made, fails) = (Made::new(), Fails::default());
        let graph = graph(settings, &made, Some(fails.clone()), &results);
        simulate(seed, graph, async |sim, job| {
            let mut complete = BTreeSet::new();
            while fails.seen.load(SeqCst) < expected.len() as u64 {
                if fails.seen.load(SeqCst) > 0 {
                    complete.insert(job.status().checkpoints.completed);
                }
                // The second has begun when some timers had fired.
                if complete.len() == 3 {
                    fails.fail_next();
                    break;
                }
                sim.sleep(Duration::from_micros(50)).await;
            }
            job.wait().await.expect("it is started again");
            failed += job.status().restarts();
        });
        let goes_on = made.goes_on.load(SeqCst);
        assert!(goes_on > KEYS, "seed {seed} x{parallelism}: from {goes_on}");
        assert_rows(results.take(), &expected, seed);
    }
    assert!(failed > 0, "a checkpoint was complete before all had fired");
}
