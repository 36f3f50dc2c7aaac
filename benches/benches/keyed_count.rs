//! Keyed count: 10 M pairs in memory counted by key, beside a loop on one thread over the same vector with hashbrown and foldhash.
#![allow(missing_docs, reason = "criterion's macros make functions without")]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hashbrown::HashMap;
use millstream::prelude::*;
use millstream_benches::{Machine, Ratio, Tally, bid::Random, print_ratio, tally};

const RECORDS: usize = 10_000_000;
const ROUNDS: usize = 7;

type Pair = (u64, u64);

/// How many keys there are, and the sum of `key ^ count`: no key may be missed or counted twice.
fn by_hand(pairs: &[Pair]) -> (u64, u64) {
    let mut counts = HashMap::<u64, u64, foldhash::fast::RandomState>::default();
    for (key, _) in pairs {
        *counts.entry(*key).or_default() += 1;
    }
    let sum = counts.iter().fold(0, |sum: u64, (key, count)| sum.wrapping_add(key ^ count));
    (counts.len() as u64, sum)
}

fn by_job(machine: &Machine, parallelism: usize, pairs: &Arc<[Pair]>, total: &Tally) -> (u64, u64) {
    machine.run(parallelism, |job| {
        job.source(records(Arc::clone(pairs)))
            .key_by(|(key, _)| key)
            .window(global())
            .aggregate(|of| of.count())
            .sink(tally(total, |(key, _, count)| key ^ count));
    });
    total.take()
}

fn keyed_count(criterion: &mut Criterion) {
    let machine = Machine::new(2);
    let total = Tally::default();
    for (keys, label) in [(1_000, "1k"), (100_000, "100k"), (10_000_000, "10M")] {
        let mut random = Random::default();
        let pairs: Arc<[Pair]> = (0..RECORDS as u64).map(|i| (random.below(keys), i)).collect();
        for parallelism in [1, 2] {
            let ratio = Ratio { name: &format!("keyed_count/{label}/{parallelism}"), records: RECORDS, rounds: ROUNDS };
            print_ratio(ratio, || by_hand(&pairs), || by_job(&machine, parallelism, &pairs, &total));
        }
        let mut group = criterion.benchmark_group(format!("keyed_count/{label}"));
        group.throughput(Throughput::Elements(RECORDS as u64)).sample_size(10);
        group.bench_function("hand", |bencher| bencher.iter(|| by_hand(&pairs)));
        for parallelism in [1, 2] {
            let run = || by_job(&machine, parallelism, &pairs, &total);
            group.bench_function(format!("job/{parallelism}"), |bencher| bencher.iter(run));
        }
        group.finish();
    }
}

criterion_group!(benches, keyed_count);
criterion_main!(benches);
