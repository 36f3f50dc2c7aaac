//! Keyed count: 10 M pairs in memory counted by key, beside a loop on one thread over the same vector with hashbrown and foldhash.
#![allow(missing_docs, reason = "criterion's macros make functions without")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream_benches::{
    Machine, Ratio, Tally,
    keyed_count::{hand, job, pairs},
    print_ratio,
};

const RECORDS: usize = 10_000_000;
const ROUNDS: usize = 7;

fn keyed_count(criterion: &mut Criterion) {
    let machine = Machine::new(2);
    let total = Tally::default();
    for (keys, label) in [(1_000, "1k"), (100_000, "100k"), (10_000_000, "10M")] {
        let pairs = pairs(RECORDS, keys);
        for parallelism in [1, 2] {
            let ratio = Ratio { name: &format!("keyed_count/{label}/{parallelism}"), records: RECORDS, rounds: ROUNDS };
            print_ratio(ratio, || hand(&pairs), || job(&machine, parallelism, &pairs, &total));
        }
        let mut group = criterion.benchmark_group(format!("keyed_count/{label}"));
        group.throughput(Throughput::Elements(RECORDS as u64)).sample_size(10);
        group.bench_function("hand", |bencher| bencher.iter(|| hand(&pairs)));
        for parallelism in [1, 2] {
            let run = || job(&machine, parallelism, &pairs, &total);
            group.bench_function(format!("job/{parallelism}"), |bencher| bencher.iter(run));
        }
        group.finish();
    }
}

criterion_group!(benches, keyed_count);
criterion_main!(benches);
