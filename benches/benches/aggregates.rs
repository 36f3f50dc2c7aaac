//! Aggregates by key: 10 M records in memory, aggregated to the end of the input, beside loops on one thread over the same vector with hashbrown and
//! foldhash. By hand sums are kept as a job keeps them; distinct counts and quantiles are what one writes without a sketch: a set and a list for each
//! key.
#![allow(missing_docs, reason = "criterion's macros make functions without")]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hashbrown::{HashMap, HashSet};
use millstream::prelude::*;
use millstream_benches::{Machine, Ratio, Tally, bid::Random, print_ratio, tally};

const RECORDS: usize = 10_000_000;
const ROUNDS: usize = 7;

/// Key, value, and a value among 2^20 others.
type Row = (u64, u64, u64);
type Map<V> = HashMap<u64, V, foldhash::fast::RandomState>;
type Set = HashSet<u64, foldhash::fast::RandomState>;

/// How many results there are, and the sum of a number made of each.
type Results = (u64, u64);

fn results(numbers: impl Iterator<Item = u64>) -> Results {
    numbers.fold((0, 0), |(count, sum), number| (count + 1, sum.wrapping_add(number)))
}

fn rows(keys: u64) -> Arc<[Row]> {
    let mut random = Random::default();
    (0..RECORDS).map(|_| (random.below(keys), random.below(1_000_000), random.below(1 << 20))).collect()
}

fn count_sum_max_by_hand(rows: &[Row]) -> Results {
    let mut map = Map::<(u64, i128, u64)>::default();
    for (key, value, _) in rows {
        let (count, sum, max) = map.entry(*key).or_default();
        (*count, *sum, *max) = (*count + 1, *sum + i128::from(*value), (*max).max(*value));
    }
    results(map.iter().map(|(key, (count, sum, max))| key ^ count ^ *sum as u64 ^ max))
}

fn avg_by_hand(rows: &[Row]) -> Results {
    let mut map = Map::<(i128, u64)>::default();
    for (key, value, _) in rows {
        let (sum, count) = map.entry(*key).or_default();
        (*sum, *count) = (*sum + i128::from(*value), *count + 1);
    }
    results(map.iter().map(|(key, (sum, count))| key ^ (*sum as f64 / *count as f64).to_bits()))
}

/// Exact, so only the number of keys can be compared.
fn distinct_by_hand(rows: &[Row]) -> Results {
    let mut map = Map::<Set>::default();
    for (key, _, id) in rows {
        map.entry(*key).or_default().insert(*id);
    }
    results(map.iter().map(|(key, seen)| if seen.is_empty() { 0 } else { *key }))
}

/// Exact, so only the number of keys can be compared.
fn quantiles_by_hand(rows: &[Row]) -> Results {
    let mut map = Map::<Vec<f64>>::default();
    for (key, value, _) in rows {
        map.entry(*key).or_default().push(*value as f64);
    }
    results(map.iter_mut().map(|(key, values)| {
        let at = |quantile: f64| (quantile * (values.len() - 1) as f64) as usize;
        let (median, high) = (at(0.5), at(0.99));
        let median = *values.select_nth_unstable_by(median, f64::total_cmp).1;
        let high = *values.select_nth_unstable_by(high, f64::total_cmp).1;
        if median <= high { *key } else { 0 }
    }))
}

fn aggregates(criterion: &mut Criterion) {
    let machine = Machine::new(2);
    let total = Tally::default();
    for (keys, label) in [(100, "100"), (10_000, "10k"), (1_000_000, "1M")] {
        let rows = rows(keys);
        let run = |parallelism: usize, build: &dyn Fn(&mut Job)| {
            machine.run(parallelism, |job| build(job));
            total.take()
        };
        let source = |job: &mut Job| job.source(records(Arc::clone(&rows))).key_by(|(key, _, _)| key);
        let count_sum_max = |job: &mut Job| {
            source(job)
                .at_end(|of| (of.count(), of.sum(|(_, value, _)| value), of.max(|(_, value, _)| value)))
                .sink(tally(&total, |(key, (count, sum, max))| key ^ count ^ sum as u64 ^ max));
        };
        let avg = |job: &mut Job| {
            source(job)
                .at_end(|of| of.avg(|(_, value, _)| value))
                .sink(tally(&total, |(key, avg): (u64, f64)| key ^ avg.to_bits()));
        };
        let distinct = |job: &mut Job| {
            source(job)
                .at_end(|of| of.count_distinct_approx(|(_, _, id)| id))
                .sink(tally(&total, |(key, count)| if count == 0 { 0 } else { key }));
        };
        let quantiles = |job: &mut Job| {
            source(job)
                .at_end(|of| of.quantiles([0.5, 0.99], |(_, value, _)| value))
                .sink(tally(&total, |(key, [median, high]): (u64, [f64; 2])| if median <= high { key } else { 0 }));
        };
        let pairs: [(&str, fn(&[Row]) -> Results, &dyn Fn(&mut Job)); 4] = [
            ("count_sum_max", count_sum_max_by_hand, &count_sum_max),
            ("avg", avg_by_hand, &avg),
            ("distinct", distinct_by_hand, &distinct),
            ("quantiles", quantiles_by_hand, &quantiles),
        ];
        for (name, by_hand, build) in pairs {
            for parallelism in [1, 2] {
                let name = format!("aggregates/{name}/{label}/{parallelism}");
                let ratio = Ratio { name: &name, records: RECORDS, rounds: ROUNDS };
                print_ratio(ratio, || by_hand(&rows), || run(parallelism, build));
            }
            let mut group = criterion.benchmark_group(format!("aggregates/{name}/{label}"));
            group.throughput(Throughput::Elements(RECORDS as u64)).sample_size(10);
            group.bench_function("hand", |bencher| bencher.iter(|| by_hand(&rows)));
            for parallelism in [1, 2] {
                group.bench_function(format!("job/{parallelism}"), |bencher| bencher.iter(|| run(parallelism, build)));
            }
            group.finish();
        }
    }
}

criterion_group!(benches, aggregates);
criterion_main!(benches);
