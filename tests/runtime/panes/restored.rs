//! Panes, their timers and the windows in flight go on from a checkpoint, at another parallelism.

use std::{collections::BTreeMap, path::Path, time::Duration};

use millstream::{
    connectors::{collect, generate},
    env::Env,
    failure::Failure,
    graph::JobGraph,
    prelude::*,
    windows::{Clock, Merging, RecordAssigner, WindowContext, WindowFunction, WindowsOn},
};

use crate::{
    checkpoints::{settings, simulate},
    support::{ms, seeds},
};

const RECORDS: u64 = 1_500;
const KEYS: u64 = 7;

/// Every hundred numbers there is a pause.
fn time_of(n: u64) -> Timestamp {
    ms((n * 10 + n / 100 * 1_000) as i64)
}

/// Windows of 200 ms from each number on: they merge to one for each hundred.
#[derive(Clone)]
struct Hundreds;

impl RecordAssigner<u64> for Hundreds {
    const CLOCK: Clock = Clock::Event;
    type Kind = Merging;
    type Trigger = triggers::EventTime;

    fn assign(&self, _: u64, at: Timestamp, mut visit: impl FnMut(Window)) {
        visit(Window::new(at, at + 200.milliseconds()));
    }
    fn trigger(&self) -> triggers::EventTime {
        triggers::event_time()
    }
    fn describe(&self) -> String {
        "hundreds".into()
    }
}

impl WindowsOn<EventTime> for Hundreds {}

/// Puts out which firing of its window it is, in front of the numbers.
#[derive(Clone)]
struct Numbered;

type Row = (u8, u64, Vec<u64>);

impl WindowFunction for Numbered {
    type Key = u64;
    type In = Vec<u64>;
    type State = u64;
    type Out = Row;

    fn fire<N: Push<Row>>(
        &mut self,
        numbers: millstream::VecView<'_, u64>,
        firings: &mut u64,
        cx: &mut WindowContext<'_, '_, u64, Row, N>,
    ) -> Result<(), Failure> {
        *firings += 1;
        let row = [*firings].into_iter().chain(numbers.iter()).collect::<Vec<_>>();
        cx.emit((4, cx.key(), row.view()));
        Ok(())
    }

    fn clear(&mut self, key: u64, _: Window, firings: u64) {
        assert!(key < KEYS && firings > 0, "the state is that of the window");
    }
}

fn graph(dir: &Path, parallelism: usize, results: &collect::Collect<Row>) -> JobGraph {
    let mut job = Job::<ExactlyOnce>::new("panes", settings(dir, parallelism, Duration::from_millis(2)));
    let numbers = job
        .source(generate(RECORDS, 1, |_, index| index).rate(20_000.0))
        .event_time_by(time_of, monotonous())
        .parallelism(1);
    let key = |n: u64| n % KEYS;
    // Counting needs the order in which the numbers come.
    let [a, b, c, d, e] = numbers.forks().map(|numbers| numbers.parallelism(1));
    let a =
        a.key_by(key).window(count(5)).apply(|key, _, all| Some((0_u8, key, all.iter().collect::<Vec<_>>()))).uid("a");
    let b = b
        .key_by(key)
        .window(tumbling(1.seconds()))
        .apply(|key, _, all| Some((1_u8, key, all.iter().collect::<Vec<_>>())))
        .uid("b");
    let c = c
        .key_by(key)
        .window(count(6).slide(4))
        .aggregate(|of| of.collect(|n| n))
        .uid("c")
        .map(|(key, _, all)| (2_u8, key, all.to_vec()));
    let d =
        d.key_by(key).window(Hundreds).apply(|key, _, all| Some((3_u8, key, all.iter().collect::<Vec<_>>()))).uid("d");
    let e = e
        .key_by(key)
        .window(tumbling(1.seconds()))
        .trigger(triggers::count(3))
        .aggregate_with(|of| of.collect(|n| n), Numbered)
        .uid("e");
    a.union(b).union(c).union(d).union(e).sink(results.sink());
    job.build().expect("the job is well formed")
}

fn expected() -> Vec<Row> {
    let mut rows = Vec::new();
    for key in 0..KEYS {
        let numbers: Vec<u64> = (0..RECORDS).filter(|n| n % KEYS == key).collect();
        rows.extend(numbers.chunks_exact(5).map(|five| (0, key, five.to_vec())));
        for end in (4..=numbers.len()).step_by(4) {
            rows.push((2, key, numbers[end.saturating_sub(6)..end].to_vec()));
        }
        let (mut seconds, mut hundreds) = (BTreeMap::<i64, Vec<u64>>::new(), BTreeMap::<u64, Vec<u64>>::new());
        for n in numbers {
            seconds.entry(time_of(n).millis() / 1_000).or_default().push(n);
            hundreds.entry(n / 100).or_default().push(n);
        }
        for second in seconds.into_values() {
            for (number, end) in (1..).zip((3..=second.len()).step_by(3)) {
                rows.push((4, key, [number].into_iter().chain(second[..end].iter().copied()).collect()));
            }
            rows.push((1, key, second));
        }
        rows.extend(hundreds.into_values().map(|hundred| (3, key, hundred)));
    }
    rows.sort();
    rows
}

#[test]
fn panes_go_on_from_a_checkpoint_at_another_parallelism() {
    let expected = expected();
    for seed in seeds() {
        let dir = tempfile::tempdir().expect("there is room");
        let results = collect();
        let mut all = Vec::new();
        for (life, parallelism) in [2, 3, 1, 2].into_iter().enumerate() {
            let graph = graph(dir.path(), parallelism, &results);
            simulate(seed * 10 + life as u64, graph, async |sim, job| {
                if life < 3 {
                    sim.sleep(Duration::from_millis(17)).await;
                    job.stop().await.expect("nothing is in its way");
                }
                job.wait().await.expect("it ends well");
            });
            all.extend(results.take());
        }
        all.sort();
        all.dedup(); // what was committed last may come again in a process that begins with an empty place
        let missing: Vec<_> = expected.iter().filter(|row| all.binary_search(row).is_err()).collect();
        let unexpected: Vec<_> = all.iter().filter(|row| expected.binary_search(row).is_err()).collect();
        assert!(
            missing.is_empty() && unexpected.is_empty(),
            "seed {seed}: without {missing:?}, but with {unexpected:?}"
        );
    }
}
