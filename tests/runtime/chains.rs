//! Every operator and every exchange, at several parallelisms and seeds: the records that come out, in which order, and what becomes of those that are
//! rejected.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use millstream::{
    operator::{Failure, OpenContext, Operator},
    prelude::*,
    stream::Sealed,
};

use crate::{
    script::Script,
    support::{fails, parallel, run, seeds, sorted},
};

type Numbers = Sealed<u64, NoTime, BestEffort>;

/// Numbers 0 to 999, in eight splits.
fn numbers(job: &mut Job) -> Numbers {
    job.source(Script::records((0..8).map(|split| (split * 125..split * 125 + 125).collect()).collect())).sealed()
}

/// What comes out of a stream over [`numbers`], sorted; the same at every parallelism and seed.
fn all<T: Record + Ord + Clone + std::fmt::Debug, S>(build: impl Fn(Numbers) -> S) -> Vec<T>
where
    S: Stream<Out = T, Time = NoTime>,
{
    let mut first = None;
    for parallelism in 1..=3 {
        for seed in seeds() {
            let results = collect();
            run(seed, parallel(parallelism), |job| build(numbers(job)).sink(results.sink()));
            let results = sorted(results.take());
            let first = first.get_or_insert_with(|| results.clone());
            assert_eq!(&results, first, "seed {seed} x{parallelism}");
        }
    }
    first.expect("there is a seed")
}

fn expected<T: Ord>(of: impl FnMut(u64) -> Vec<T>) -> Vec<T> {
    sorted((0..1000).flat_map(of).collect())
}

#[map]
fn doubled(number: u64) -> u64 {
    number * 2
}

#[filter]
fn even(number: u64) -> bool {
    number.is_multiple_of(2)
}

#[flat_map]
fn twice(number: u64) -> [u64; 2] {
    [number, number]
}

#[filter_map]
fn halved(number: u64) -> Option<u64> {
    number.is_multiple_of(2).then_some(number / 2)
}

#[key]
fn last_digit(number: u64) -> u64 {
    number % 10
}

#[test]
fn operators_give_what_iterators_give() {
    assert_eq!(all(|s| s.map(|n| n + 1)), expected(|n| vec![n + 1]));
    assert_eq!(all(|s| s.map(|n| -> Result<u64, Infallible> { Ok(n + 1) })), expected(|n| vec![n + 1]));
    assert_eq!(all(|s| s.map(|n| (n.to_string(), n))), expected(|n| vec![(n.to_string(), n)]));
    assert_eq!(all(|s| s.filter(|n| n % 3 == 0)), expected(|n| if n % 3 == 0 { vec![n] } else { vec![] }));
    assert_eq!(
        all(|s| s.filter_map(|n| (n % 3 == 0).then(|| n.to_string()))),
        expected(|n| if n % 3 == 0 { vec![n.to_string()] } else { vec![] })
    );
    assert_eq!(all(|s| s.flat_map(|n| vec![n; n as usize % 4])), expected(|n| vec![n; n as usize % 4]));
    assert_eq!(all(|s| s.flat_map(Some)), expected(|n| vec![n]));
    assert_eq!(all(|s| s.flat_map(|n| each(0..n % 3))), expected(|n| (0..n % 3).collect()));
    assert_eq!(all(|s| s.flat_map(|n| -> Result<Vec<u64>, String> { Ok(vec![n, n]) })), expected(|n| vec![n, n]));
    assert_eq!(all(|s| s.then(doubled).then(even)), expected(|n| vec![n * 2]));
    assert_eq!(all(|s| s.then(twice)), expected(|n| vec![n, n]));
    assert_eq!(all(|s| s.then(halved)), expected(|n| if n % 2 == 0 { vec![n / 2] } else { vec![] }));
}

#[test]
fn exchanges_neither_lose_nor_double_records() {
    let same = expected(|n| vec![n]);
    assert_eq!(all(|s| s.rebalance().map(|n| n)), same);
    assert_eq!(all(|s| s.rescale().map(|n| n)), same);
    assert_eq!(all(|s| s.shuffle().map(|n| n)), same);
    assert_eq!(all(|s| s.global().map(|n| n)), same);
    assert_eq!(all(|s| s.forward().map(|n| n)), same);
    assert_eq!(all(|s| s.new_chain().map(|n| n)), same);
    assert_eq!(all(|s| s.unchained(|s| s.map(|n| n))), same);
    assert_eq!(all(|s| s.partition_by(|n, _| n as usize)), same);
    assert_eq!(all(|s| s.key_by(|n| n % 10).map(|n| n)), same);
    assert_eq!(all(|s| s.key_with(last_digit).map(|n| n)), same);
    // From any parallelism to any other.
    for (from, to) in [(1, 3), (3, 1), (2, 3), (3, 2)] {
        assert_eq!(all(|s| s.parallelism(from).rescale().map(|n| n).parallelism(to)), same);
        assert_eq!(all(|s| s.parallelism(from).forward().map(|n| n).parallelism(to)), same);
        assert_eq!(all(|s| s.parallelism(from).rebalance().map(|n| n).parallelism(to)), same);
    }
}

#[test]
fn streams_part_and_meet() {
    let same = expected(|n| vec![n]);
    assert_eq!(
        all(|s| {
            let (a, b) = s.split(|n| n < 300);
            a.union(b)
        }),
        same
    );
    assert_eq!(
        all(|s| {
            let (a, b) = s.fork();
            a.union(b.map(|n| n))
        }),
        expected(|n| vec![n, n])
    );
    assert_eq!(
        all(|s| {
            let streams: [Numbers; 4] = s.forks();
            let mut streams = streams.into_iter();
            let mut sum = streams.next().expect("four").sealed();
            for (i, stream) in (1..).zip(streams) {
                sum = sum.union(stream.map(move |n| n + i * 10_000)).sealed();
            }
            sum
        }),
        expected(|n| (0..4).map(|i| n + i * 10_000).collect())
    );
    for doubled in [true, false] {
        // A branch of an `if` has a type that can be named.
        let stream = |s: Numbers| if doubled { s.map(|n| n * 2).sealed() } else { s };
        assert_eq!(all(stream), expected(|n| vec![if doubled { n * 2 } else { n }]));
    }
}

#[test]
fn a_broadcast_reaches_every_subtask() {
    for seed in seeds() {
        let results = collect();
        run(seed, parallel(3), |job| numbers(job).broadcast().map(|n| n).parallelism(2).sink(results.sink()));
        assert_eq!(sorted(results.take()), expected(|n| vec![n, n]), "seed {seed}");
    }
}

/// Adds the number of its subtask, and counts how often it was opened and closed.
#[derive(Clone)]
struct Subtask {
    subtask: u64,
    opened: Arc<AtomicU64>,
    closed: Arc<AtomicU64>,
}

impl Subtask {
    fn new() -> Self {
        Self { subtask: u64::MAX, opened: Arc::default(), closed: Arc::default() }
    }
}

impl Operator<u64> for Subtask {
    type Out = (u64, u64);
    type Error = Infallible;
    const KIND: &'static str = "subtask";

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        assert!(cx.subtask() < cx.parallelism() && cx.job() == "test");
        self.subtask = cx.subtask() as u64;
        self.opened.fetch_add(1, SeqCst);
        cx.counter("opened_here").add(1);
        Ok(())
    }

    fn process<N: Push<(u64, u64)>>(&mut self, number: u64, at: Timestamp, out: &mut N) -> Result<(), Infallible> {
        out.push((self.subtask, number), at);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.closed.fetch_add(1, SeqCst);
        Ok(())
    }
}

/// Which subtask of three each record came to.
fn placed<S: Stream<Out = u64, Time = NoTime>>(seed: u64, build: impl Fn(Numbers) -> S) -> BTreeMap<u64, Vec<u64>> {
    let results = collect();
    let operator = Subtask::new();
    let (opened, closed) = (Arc::clone(&operator.opened), Arc::clone(&operator.closed));
    let job = run(seed, parallel(3), |job| build(numbers(job).global()).operator(operator).sink(results.sink()));
    assert_eq!((opened.load(SeqCst), closed.load(SeqCst), job.counted("opened_here")), (3, 3, 3));
    let mut placed = BTreeMap::<u64, Vec<u64>>::new();
    for (subtask, number) in results.take() {
        placed.entry(subtask).or_default().push(number);
    }
    assert_eq!(placed.values().map(Vec::len).sum::<usize>(), 1000);
    placed
}

#[test]
fn exchanges_place_records_where_they_say() {
    for seed in seeds() {
        let sizes = |placed: &BTreeMap<u64, Vec<u64>>| placed.values().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sorted(sizes(&placed(seed, |s| s.rebalance()))), [333, 333, 334], "in turn");
        assert_eq!(sizes(&placed(seed, |s| s.global())), [1000]);
        assert_eq!(sizes(&placed(seed, |s| s.forward())), [1000], "subtask to subtask of one number");
        assert_eq!(placed(seed, |s| s.shuffle()).len(), 3);
        let chosen = placed(seed, |s| s.partition_by(|n, subtasks| n as usize % subtasks + 3 * subtasks));
        assert!(chosen.iter().all(|(subtask, numbers)| numbers.iter().all(|n| n % 3 == *subtask)));
        let by_key = placed(seed, |s| s.key_by(|n| n % 100).map(|n| n));
        let mut keys = BTreeSet::new();
        for numbers in by_key.values() {
            let here: BTreeSet<_> = numbers.iter().map(|n| n % 100).collect();
            assert!(here.iter().all(|key| keys.insert(*key)), "a key is in one subtask");
        }
        assert!(by_key.len() == 3, "a hundred keys reach three subtasks");
    }
}

#[test]
fn order_is_kept_per_channel_and_with_it_per_key() {
    for (seed, parallelism) in seeds().flat_map(|seed| [1, 2, 3].map(|parallelism| (seed, parallelism))) {
        let results = collect();
        run(seed, parallel(parallelism), |job| {
            let all = Script::records(vec![(0..2000_u64).collect()]);
            // All records of a key pass one channel of every exchange: the source has one split, so one subtask reads them in order.
            job.source(all).key_by(|n| n % 10).map(|n| n).sealed().key_by(|n| n % 10).map(|n| n).sink(results.sink());
        });
        let mut last = BTreeMap::new();
        let results = results.take();
        assert_eq!(results.len(), 2000);
        for number in results {
            let before = last.insert(number % 10, number);
            assert!(before.is_none_or(|before| before < number), "{before:?} {number} (seed {seed} x{parallelism})");
        }
    }
}

/// Rejects every hundredth record.
fn picky(number: u64) -> Result<u64, String> {
    if number % 100 == 99 { Err(format!("{number} is not welcome")) } else { Ok(number) }
}

#[test]
fn a_rejected_record_fails_the_job_by_default() {
    for seed in seeds() {
        let results = collect::<u64>();
        let line = std::cell::Cell::new(0);
        let failure = fails(seed, parallel(1), |job| {
            line.set(line!() + 1);
            numbers(job).parallelism(1).map(picky).name("guest list").sink(results.sink());
        });
        assert_eq!(
            failure.to_string(),
            format!(
                "operator `map guest list` (tests/runtime/chains.rs:{}:41): 99 is not welcome\n  record: 99\n  \
                 to go on without such records use `.skip_errors()` or `.divert_errors()` behind the operator",
                line.get()
            )
        );
    }
}

#[test]
fn every_operator_may_reject() {
    let messages = [
        fails(1, parallel(2), |job| numbers(job).filter(|n| picky(n).map(|_| true)).sink(collect().sink())),
        fails(1, parallel(2), |job| numbers(job).filter_map(|n| picky(n).map(Some)).sink(collect().sink())),
        fails(1, parallel(2), |job| numbers(job).flat_map(|n| picky(n).map(|n| vec![n])).sink(collect().sink())),
    ];
    for (failure, operator) in messages.iter().zip(["filter", "filter_map", "flat_map"]) {
        assert_eq!(failure.operator(), Some(operator));
        assert!(failure.message().contains("is not welcome\n  record: "), "{failure}");
    }
}

#[test]
fn rejected_records_are_skipped_and_counted() {
    for (seed, parallelism) in seeds().zip([1, 2, 3].into_iter().cycle()) {
        let results = collect();
        let job = run(seed, parallel(parallelism), |job| numbers(job).map(picky).skip_errors().sink(results.sink()));
        assert_eq!(sorted(results.take()), expected(|n| picky(n).into_iter().collect()));
        assert_eq!(job.counted("records_skipped"), 10);
    }
}

#[test]
fn rejected_records_are_diverted() {
    for (seed, parallelism) in seeds().zip([1, 2, 3].into_iter().cycle()) {
        let (good, bad, worse) = (collect(), collect(), collect());
        let job = run(seed, parallel(parallelism), |job| {
            let (welcome, rejected) = numbers(job).map(picky).divert_errors();
            let (welcome, odd) = welcome
                .flat_map(|n| if n % 100 == 1 { Err(n) } else { Ok([n]) })
                .divert_errors_with(|n, error: u64| (n, error + 1));
            welcome.sink(good.sink());
            rejected.sink(bad.sink());
            odd.sink(worse.sink());
        });
        let kept = expected(|n| if n % 100 == 99 || n % 100 == 1 { vec![] } else { vec![n] });
        assert_eq!(sorted(good.take()), kept);
        let rejected = expected(|n| picky(n).err().map(|error| (n, error)).into_iter().collect());
        assert_eq!(sorted(bad.take()), rejected);
        assert_eq!(sorted(worse.take()), expected(|n| if n % 100 == 1 { vec![(n, n + 1)] } else { vec![] }));
        assert_eq!(job.counted("records_diverted"), 20);
    }
}

#[test]
fn inspect_sees_every_record_once() {
    for seed in seeds() {
        let sum = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&sum);
        run(seed, parallel(3), |job| {
            let looked = numbers(job).inspect(move |n| {
                seen.fetch_add(n, SeqCst);
            });
            looked.sink(collect().sink());
        });
        assert_eq!(sum.load(SeqCst), 499_500);
    }
}

#[test]
fn one_seed_is_one_history() {
    let history = |seed| {
        let results = collect();
        let job = run(seed, parallel(3), |job| numbers(job).shuffle().map(|n| n).sink(results.sink()));
        (results.take(), job.sim.history())
    };
    assert_eq!(history(11), history(11));
    assert_ne!(history(11), history(12));
}

#[test]
fn a_chain_may_have_key_groups_of_its_own() {
    for parallelism in 1..=3 {
        let results = collect();
        run(1, parallel(parallelism), |job| {
            job.source(records((0..1000_u64).collect::<Vec<_>>()))
                .key_by(|number| number % 100)
                .window(global())
                .aggregate(|of| of.count())
                .max_parallelism(7)
                .parallelism(5)
                .sink(results.sink());
        });
        let counts = sorted(results.take().into_iter().map(|(key, _, count)| (key, count)).collect());
        assert_eq!(counts, (0..100).map(|key| (key, 10)).collect::<Vec<_>>(), "x{parallelism}");
    }
}
