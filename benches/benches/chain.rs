//! Chain overhead: what a chain written with the DSL costs beside the loop that one would write by hand over the same bytes, owned or archived.
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(clippy::disallowed_methods, reason = "benches stand outside of the engine")]

use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use millstream::{prelude::*, settings::Settings};
use millstream_benches::{
    Machine, Ratio, Tally,
    bid::{Bid, BidView, Random, bids},
    print_ratio, tally,
};
use millstream_core::buffer::{Buffer, BufferBuilder, Columns, DEFAULT_MAX_RECORD_SIZE};
use millstream_runtime::bench::drive;

const BIDS: usize = 2_000_000;
const PAIRS: usize = 4_000_000;
const ROUNDS: usize = 25;
const PRICE_LIMIT: i64 = 10;

type Pair = (u64, u64);

/// Changes one field and borrows the others.
#[map]
fn in_euros(bid: BidView<'_>) -> BidView<'_> {
    BidView { price: euros(bid.price), ..bid }
}

fn euros(dollars: i64) -> i64 {
    dollars * 908 / 1000
}

fn number_of_bid(bid: BidView<'_>) -> u64 {
    bid.price as u64 + bid.channel.len() as u64
}

fn bid_chain(bids: impl Stream<Out = Bid>) -> impl Stream<Out = Bid> {
    bids.filter(|bid| bid.price > PRICE_LIMIT).then(in_euros)
}

fn bids_by_hand<'a>(bids: impl Iterator<Item = BidView<'a>>) -> (u64, u64) {
    let (mut records, mut sum) = (0, 0_u64);
    for bid in bids {
        if bid.price > PRICE_LIMIT {
            records += 1;
            sum = sum.wrapping_add(euros(bid.price) as u64 + bid.channel.len() as u64);
        }
    }
    (records, sum)
}

fn pair_chain(pairs: impl Stream<Out = Pair>) -> impl Stream<Out = Pair> {
    pairs.filter(|(_, value)| value > 10).map(|(key, value)| (key, value * 3 + 1)).filter(|(key, _)| key % 8 != 0)
}

fn pairs_by_hand(pairs: impl Iterator<Item = Pair>) -> (u64, u64) {
    let (mut records, mut sum) = (0, 0_u64);
    for (key, value) in pairs {
        if value > 10 {
            let value = value * 3 + 1;
            if key % 8 != 0 {
                records += 1;
                sum = sum.wrapping_add(key ^ value);
            }
        }
    }
    (records, sum)
}

/// Records in buffers of the size that exchanges use.
fn sealed<T: Record>(records: &[T]) -> Vec<Buffer> {
    let mut builder = BufferBuilder::<T>::new(Columns::default(), DEFAULT_MAX_RECORD_SIZE);
    let (mut buffers, full_bytes) = (Vec::new(), Settings::default().buffer_bytes);
    for record in records {
        builder.push(record.view(), Timestamp::MIN, 0).expect("a small record fits a buffer");
        if builder.len_bytes() >= full_bytes {
            buffers.push(builder.seal(0));
        }
    }
    buffers.push(builder.seal(0));
    buffers
}

fn chains(criterion: &mut Criterion) {
    let machine = Machine::new(1);
    let total = Tally::default();

    let owned: Arc<[Bid]> = bids(BIDS).into();
    let archived = sealed(&owned);
    let run_owned = || {
        machine.run(1, |job| bid_chain(job.source(records(Arc::clone(&owned)))).sink(tally(&total, number_of_bid)));
        total.take()
    };
    // A chain behind an exchange. The job that it is taken from never runs.
    let mut job = Job::<BestEffort>::new("chain", Settings::default());
    let behind_exchange = job.source(records(Vec::<Bid>::new())).sealed();
    let chain = drive(bid_chain(behind_exchange), tally(&total, number_of_bid), machine.env());
    let run_archived = || {
        chain(&archived).expect("the chain does not fail");
        total.take()
    };
    let hand_owned = || bids_by_hand(owned.iter().map(Record::view));
    let hand_archived = || {
        let (mut records, mut sum) = (0, 0);
        for buffer in &archived {
            let part = bids_by_hand(buffer.records::<Bid>(0).map(|(view, _)| view));
            (records, sum) = (records + part.0, sum + part.1);
        }
        (records, sum)
    };
    let ratio = |name, records| Ratio { name, records, rounds: ROUNDS };
    print_ratio(ratio("chain/bid/owned", BIDS), hand_owned, run_owned);
    print_ratio(ratio("chain/bid/archived", BIDS), hand_archived, run_archived);

    let mut group = criterion.benchmark_group("chain/bid");
    group.throughput(Throughput::Elements(BIDS as u64)).sample_size(10);
    group.bench_function("owned/hand", |bencher| bencher.iter(hand_owned));
    group.bench_function("owned/chain", |bencher| bencher.iter(run_owned));
    group.bench_function("archived/hand", |bencher| bencher.iter(hand_archived));
    group.bench_function("archived/chain", |bencher| bencher.iter(run_archived));
    group.finish();
    pairs(criterion, &machine);
}

fn pairs(criterion: &mut Criterion, machine: &Machine) {
    let total = Tally::default();
    let mut random = Random::default();
    let owned: Arc<[Pair]> = (0..PAIRS).map(|_| (random.below(1 << 40), random.below(1 << 20))).collect();
    let archived = sealed(&owned);
    let number = |(key, value): Pair| key ^ value;
    let run_owned = || {
        machine.run(1, |job| pair_chain(job.source(records(Arc::clone(&owned)))).sink(tally(&total, number)));
        total.take()
    };
    let mut job = Job::<BestEffort>::new("chain", Settings::default());
    let behind_exchange = job.source(records(Vec::<Pair>::new())).sealed();
    let chain = drive(pair_chain(behind_exchange), tally(&total, number), machine.env());
    let run_archived = || {
        chain(&archived).expect("the chain does not fail");
        total.take()
    };
    let hand_owned = || pairs_by_hand(owned.iter().copied());
    let hand_archived = || {
        let (mut records, mut sum) = (0, 0_u64);
        for buffer in &archived {
            let part = pairs_by_hand(buffer.records::<Pair>(0).map(|(view, _)| view));
            (records, sum) = (records + part.0, sum.wrapping_add(part.1));
        }
        (records, sum)
    };
    let ratio = |name, records| Ratio { name, records, rounds: ROUNDS };
    print_ratio(ratio("chain/pair/owned", PAIRS), hand_owned, run_owned);
    print_ratio(ratio("chain/pair/archived", PAIRS), hand_archived, run_archived);

    let mut group = criterion.benchmark_group("chain/pair");
    group.throughput(Throughput::Elements(PAIRS as u64)).sample_size(10);
    group.bench_function("owned/hand", |bencher| bencher.iter(hand_owned));
    group.bench_function("owned/chain", |bencher| bencher.iter(run_owned));
    group.bench_function("archived/hand", |bencher| bencher.iter(hand_archived));
    group.bench_function("archived/chain", |bencher| bencher.iter(run_archived));
    group.finish();
}

criterion_group!(benches, chains);
criterion_main!(benches);
