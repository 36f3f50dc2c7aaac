//! Keyed streams with broadcast state: who reads and who writes it, event time, what is rejected and put aside, plans; and that it goes on, whatever the parallelism.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use millstream::{
    connectors::{collect::Collect, generate},
    env::Env,
    graph::{JobGraph, render},
    metrics::Counter,
    prelude::*,
};
use millstream_testkit::rng::Rng;

use crate::{
    checkpoints::{settings, simulate},
    interrupted::lives,
    script::{Script, Step},
    support::{Simulated, fails, graph, ms, parallel, run, seeds, sorted},
};

/// From when on numbers are multiplied by how much.
#[derive(Record, Debug, Clone)]
struct Rule {
    #[record(event_time)]
    from: Timestamp,
    factor: u64,
}

#[derive(OperatorState, Default)]
struct Rules {
    #[state(broadcast)]
    by_time: BTreeMap<Timestamp, u64>,
}

impl Rules {
    fn at(&self, at: Timestamp) -> u64 {
        self.by_time.range(..=at).next_back().map_or(0, |(_, factor)| *factor)
    }
}

#[derive(State, Default)]
struct Seen {
    numbers: u64,
    waiting: MapState<Timestamp, Vec<u64>>,
}

/// The key, the time of a number, how many of its key have come until then, and what the rules make of it.
type Row = (u64, i64, u64, u64);

/// Puts numbers out when the watermark has reached their time: then all rules of that time are known, and those after it are passed over.
#[derive(Clone, Default)]
struct Multiply {
    rules: Counter,
}

#[process]
impl Multiply {
    fn open(&mut self, cx: &OpenContext<'_>) {
        self.rules = cx.counter("rules");
    }

    fn on_left(&mut self, number: u64, seen: &mut StateOf<Seen>, cx: &mut KeyedContext<'_, u64, Row>) {
        seen.waiting.entry(cx.timestamp(), Vec::new).push(number);
        cx.event_timer(cx.timestamp());
    }

    fn on_right(&mut self, rule: RuleView<'_>, rules: &mut Rules, _: &mut Context<'_, Row>) {
        self.rules.add(1);
        rules.by_time.insert(rule.from, rule.factor);
    }

    fn on_timer(&mut self, timer: Timer, seen: &mut StateOf<Seen>, rules: &Rules, cx: &mut KeyedContext<'_, u64, Row>) {
        let numbers = sorted(seen.waiting.remove(timer.at).expect("it was set for numbers"));
        for number in numbers {
            seen.numbers += 1;
            cx.emit((cx.key(), timer.at.millis(), seen.numbers, number * rules.at(timer.at)));
        }
    }
}

const KEYS: u64 = 7;

fn expected(numbers: &[(i64, u64)], rules: &[Rule]) -> Vec<Row> {
    let mut seen = BTreeMap::<u64, u64>::new();
    let row = |(at, number): (i64, u64)| {
        let nth = seen.entry(number % KEYS).or_default();
        *nth += 1;
        let rule = rules.iter().filter(|rule| rule.from <= ms(at)).max_by_key(|rule| rule.from);
        (number % KEYS, at, *nth, number * rule.map_or(0, |rule| rule.factor))
    };
    sorted(sorted(numbers.to_vec()).into_iter().map(row).collect())
}

#[test]
fn every_key_reads_what_all_subtasks_are_told() {
    for seed in seeds() {
        let rng = &mut Rng::new(seed);
        let numbers: Vec<_> = (0..300_i64).map(|at| (at / 3, rng.below(1000))).collect();
        let rules: Vec<_> = (0..40).map(|n| Rule { from: ms(n * 5 + 1), factor: rng.below(50) }).collect();
        let mut splits = vec![Vec::new(); 1 + rng.index(3)];
        for number in numbers.iter().copied() {
            let split = rng.index(splits.len());
            splits[split].push(number);
        }
        let (results, parallelism) = (collect(), 1 + rng.index(3));
        let job = run(seed, parallel(parallelism), |job| {
            let rules = job.source(Script::records(vec![rules.clone()])).event_time(monotonous());
            let numbers = job.source(Script::records(splits)).event_time_by(|(at, _)| ms(at), monotonous());
            let numbers = numbers.map(|(_, number)| number).key_by(|number| number % KEYS);
            numbers.connect(rules.broadcast()).process(Multiply::default()).sink(results.sink());
        });
        assert!(sorted(results.take()) == expected(&numbers, &rules), "seed {seed}");
        assert_eq!(job.counted("rules"), 40 * parallelism as u64, "seed {seed}: each subtask is told each rule once");
        assert_eq!(job.job.chains().len(), 3, "two sources, and the function: nothing that only passes rules on");
    }
}

#[test]
fn event_time_is_that_of_the_stream_that_is_behind() {
    for seed in seeds() {
        let results = collect();
        let job = Simulated::start(seed, parallel(2), |job| {
            let rules = vec![Step::Record(Rule { from: ms(20), factor: 3 }), Step::Never];
            let rules = job.source(Script::steps(vec![rules]).unbounded()).event_time(monotonous());
            let numbers = job.source(Script::records(vec![vec![(10_i64, 1_u64), (30, 2)]]));
            let numbers = numbers.event_time_by(|(at, _)| ms(at), monotonous()).map(|(_, number)| number);
            numbers
                .key_by(|number| number % KEYS)
                .connect(rules.broadcast())
                .process(Multiply::default())
                .sink(results.sink());
        });
        job.sim.block_on(Env::sleep(&*job.sim, Duration::from_secs(10)));
        assert_eq!(results.take(), [(1, 10, 1, 0)], "seed {seed}: rules have come to 20 ms only");
        job.job.cancel();
        assert!(job.wait().is_err_and(|failure| failure.is_cancelled()));
    }
}

struct Told;

impl SideOutput for Told {
    type Record = String;
}

/// Refuses odd numbers and empty words, and says aside what it is told.
#[derive(Clone)]
struct Refusing;

#[process]
impl Refusing {
    fn on_left(&mut self, number: u64, cx: &mut KeyedContext<'_, u64, u64, Told>) -> Result<(), &'static str> {
        if number % 2 == 1 {
            return Err("odd");
        }
        cx.emit(number);
        Ok(())
    }

    fn on_right(&mut self, word: &str, cx: &mut Context<'_, u64, Told>) -> Result<(), &'static str> {
        if word.is_empty() {
            return Err("empty");
        }
        cx.emit_to(Told, word);
        Ok(())
    }
}

#[test]
fn rejected_records_of_either_stream_have_their_policies() {
    let words = || Script::records(vec![vec!["one".to_owned(), String::new(), "two".to_owned()]]);
    let numbers = || Script::records(vec![vec![1_u64, 2, 3, 4]]);
    let failure = fails(1, parallel(1), |job| {
        let words = job.source(Script::records(vec![vec![String::new()]]));
        let left = job.source(Script::records(vec![vec![2_u64]])).key_by(|number| number);
        left.connect(words.broadcast()).process(Refusing).sink(collect().sink());
    });
    assert_eq!(failure.operator(), Some("process Refusing"), "{failure}");
    assert!(failure.message().starts_with("empty\n  record: Right(\"\")\n"), "{failure}");
    for seed in seeds() {
        let (results, told, errors) = (collect(), collect(), collect());
        run(seed, parallel(2), |job| {
            let words = job.source(words());
            let left = job.source(numbers()).key_by(|number| number);
            let (kept, refused) = left.connect(words.broadcast()).process(Refusing).divert_errors();
            let (kept, aside) = kept.side_output(Told);
            kept.sink(results.sink());
            aside.sink(told.sink());
            refused.map(|(record, error)| format!("{record:?}: {error}")).sink(errors.sink());
        });
        assert_eq!(sorted(results.take()), [2, 4], "seed {seed}");
        assert_eq!(sorted(told.take()), ["one", "one", "two", "two"], "seed {seed}: of each subtask");
        let refused = ["Left(1): odd", "Left(3): odd", "Right(\"\"): empty", "Right(\"\"): empty"];
        assert_eq!(sorted(errors.take()), refused, "seed {seed}");
    }
}

#[derive(OperatorState, Default)]
struct Clashing {
    #[state(broadcast)]
    watermark: u64,
}

#[derive(Clone)]
struct Clashes;

#[process]
impl Clashes {
    fn open(&mut self, told: &mut Clashing, _: &OpenContext<'_>) {
        told.watermark = 7;
    }

    fn on_left(&mut self, _: u64, told: &Clashing, cx: &mut KeyedContext<'_, u64, u64>) {
        cx.emit(told.watermark);
    }

    fn on_right(&mut self, number: u64, told: &mut Clashing, cx: &mut Context<'_, u64>) {
        told.watermark = number;
        cx.emit(cx.watermark().millis().min(0) as u64);
    }
}

#[test]
fn states_that_could_not_be_told_apart_are_refused() {
    let mut job = Job::<BestEffort>::new("test", parallel(1));
    let right = job.source(Script::records(vec![vec![1_u64]]));
    let left = job.source(Script::records(vec![vec![1_u64]])).key_by(|number| number);
    left.connect(right.broadcast()).process(Clashes).sink(collect().sink());
    let refused = job.build().err().expect("there is a `watermark` already").to_string();
    assert!(refused.contains("process Clashes: there is another state `watermark`"), "{refused}");
}

const TREE: &str = "job test (best effort)
├─ source script -> event_time x2
│  └─ [broadcast: Rule] process Multiply -> sink print x2
│        process Multiply keeps plain-fields (Seen), waiting (map Timestamp -> Vec<u64>), pending-timers, by_time (broadcast Map<Timestamp, u64>)
└─ source script -> event_time -> map x2
   └─ [hash: u64] process Multiply -> sink print x2 (shown above)
";

#[test]
fn plans_say_what_is_broadcast_and_what_is_kept() {
    let graph = graph(parallel(2), |job| {
        let rules = job.source(Script::records(vec![vec![Rule { from: ms(1), factor: 1 }]])).event_time(monotonous());
        let numbers = job.source(Script::records(vec![vec![(1_i64, 1_u64)]]));
        let numbers = numbers.event_time_by(|(at, _)| ms(at), monotonous()).map(|(_, number)| number);
        numbers.key_by(|number| number).connect(rules.broadcast()).process(Multiply::default()).sink(print());
    });
    assert_eq!(render::tree(&graph), TREE);
    let operators = graph.vertices.iter().flat_map(|vertex| &vertex.operators);
    let ids: Vec<_> = operators.filter(|operator| operator.stateful).filter_map(|operator| operator.id()).collect();
    assert!(ids.contains(&"process Multiply".to_owned()), "{ids:?}");
}

/// So many numbers that a barrier comes while the timers of a watermark fire, and rules behind it.
const NUMBERS: u64 = 8_000;
const RULES: u64 = 100;

fn time_of_number(n: u64) -> i64 {
    n as i64 / 800 * 800
}

fn rule(n: u64) -> Rule {
    Rule { from: ms((n * NUMBERS / RULES) as i64), factor: n + 1 }
}

fn changing(
    mut settings: millstream::settings::Settings,
    fails: Option<Arc<AtomicBool>>,
    results: &Collect<Row>,
) -> JobGraph {
    (settings.buffer_bytes, settings.memory_bytes) = (1 << 10, 1 << 20);
    settings.watermark_interval = Duration::from_millis(1);
    let mut job = Job::<ExactlyOnce>::new("changing", settings);
    let rules = job.source(generate(RULES, 1, |_, n| rule(n)).rate(2_000.0)).uid("rules").event_time(monotonous());
    let numbers = job.source(generate(NUMBERS, 1, |_, n| n).rate(200_000.0)).uid("numbers");
    let numbers = numbers.event_time_by(|n| ms(time_of_number(n)), monotonous()).rebalance().key_by(|n| n / 2);
    let rows = numbers.connect(rules.broadcast()).process(Multiply::default()).uid("multiply");
    let rows = rows.map(move |row| match &fails {
        Some(fails) if fails.swap(false, SeqCst) => Err("as the test wants it"),
        _ => Ok(row),
    });
    rows.rebalance().sink(results.sink());
    job.build().expect("the job is well formed")
}

fn changed() -> Vec<Row> {
    let row = |n: u64| {
        let at = time_of_number(n);
        let factor = (0..RULES).map(rule).filter(|rule| rule.from <= ms(at)).map(|rule| rule.factor).max();
        (n / 2, at, 1 + n % 2, n * factor.unwrap_or(0))
    };
    sorted((0..NUMBERS).map(row).collect())
}

#[test]
fn what_is_broadcast_goes_on_at_another_parallelism() {
    for seed in seeds() {
        let parts = lives(seed, &collect(), |dir: &Path, parallelism, results| {
            changing(settings(dir, parallelism, Duration::from_millis(2)), None, results)
        });
        assert!(parts[1].len() + parts[2].len() > 100, "seed {seed}: it goes on");
        assert!(sorted(parts.concat()) == changed(), "seed {seed}");
    }
}

#[test]
fn what_is_broadcast_is_there_after_a_crash_whether_barriers_overtake_or_not() {
    for (seed, overtakes) in seeds().flat_map(|seed| [false, true].map(|overtakes| (seed, overtakes))) {
        let (dir, results, fails) = (tempfile::tempdir().expect("there is room"), collect(), Arc::default());
        let mut settings = settings(dir.path(), 2, Duration::from_millis(1));
        if overtakes {
            settings.checkpoints.alignment_timeout = Duration::from_nanos(1);
        }
        let graph = changing(settings, Some(Arc::clone(&fails)), &results);
        let restarts = simulate(seed, graph, async |sim, job| {
            while job.status().checkpoints.completed == 0 {
                sim.sleep(Duration::from_micros(200)).await;
            }
            fails.store(true, SeqCst);
            job.wait().await.expect("it is started again");
            job.status().restarts()
        });
        assert_eq!(restarts, 1, "seed {seed}, overtakes: {overtakes}");
        assert!(sorted(results.take()) == changed(), "seed {seed}, overtakes: {overtakes}");
    }
}
