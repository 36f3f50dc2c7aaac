//! Process functions: one with every kind of state per key and timers, which puts the trades of each symbol in order of time and finds bursts of them; and one with
//! state of each subtask's own.

use std::{path::Path, time::Duration};

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{
    PART_BYTES, golden, path,
    trade::{Trade, TradeView, trades},
    trickle::trickle,
};

/// A burst is over when there was no trade for so long.
const GAP: Duration = Duration::from_secs(20);

#[derive(State, Default)]
struct Bursts {
    trades: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// The shares of trades that have come before their time: their order is not known.
    ahead: MapState<Timestamp, Vec<u32>>,
    listed: ListState<u32>,
    shares: AggregatingState<u32, Sum>,
    largest: ReducingState<Largest>,
    #[state(name = "number")]
    so_far: ValueState<u64>,
}

#[derive(Clone, Default)]
struct Sum;

#[aggregate]
impl Sum {
    fn add(sum: &mut u64, shares: u32) {
        *sum += u64::from(shares);
    }

    fn finish(sum: &u64) -> u64 {
        *sum
    }
}

struct Largest;

impl Reducer for Largest {
    type Of = u32;

    fn reduce(largest: u32, shares: u32) -> u32 {
        largest.max(shares)
    }
}

#[derive(Record, Clone, Debug)]
struct Burst {
    symbol: String,
    number: u64,
    first: Timestamp,
    last: Timestamp,
    trades: u64,
    shares: u64,
    largest: u32,
    listed: String,
}

#[derive(Clone)]
struct FindBursts;

#[process]
impl FindBursts {
    fn on_record(
        &mut self,
        trade: TradeView<'_>,
        bursts: &mut StateOf<Bursts>,
        cx: &mut KeyedContext<'_, String, Burst>,
    ) {
        bursts.ahead.entry(trade.at, Vec::new).push(trade.shares);
        cx.event_timer(trade.at);
    }

    fn on_timer(&mut self, timer: Timer, bursts: &mut StateOf<Bursts>, cx: &mut KeyedContext<'_, String, Burst>) {
        if bursts.last.is_some_and(|last| last + GAP == timer.at) {
            Self::end(bursts, cx);
        }
        let Some(mut arrived) = bursts.ahead.remove(timer.at) else { return };
        if let Some(silent) = bursts.last.map(|last| last + GAP)
            && !bursts.ahead.contains(silent)
        {
            cx.delete_event_timer(silent);
        }
        cx.event_timer(timer.at + GAP);
        bursts.first.get_or_insert(timer.at);
        bursts.last = Some(timer.at);
        bursts.trades += arrived.len() as u64;
        arrived.sort_unstable();
        for shares in arrived {
            bursts.listed.push(shares);
            bursts.shares.add(shares, timer.at);
            bursts.largest.add(shares);
        }
    }
}

impl FindBursts {
    fn end<N: Push<Burst>>(bursts: &mut BurstsHandle<'_, '_, String>, cx: &mut KeyedContext<'_, '_, String, Burst, N>) {
        *bursts.so_far += 1;
        let listed: Vec<_> = bursts.listed.iter().map(u32::to_string).collect();
        cx.emit(BurstView {
            symbol: cx.key(),
            number: *bursts.so_far,
            first: bursts.first.expect("a burst has begun"),
            last: bursts.last.expect("a burst has begun"),
            trades: bursts.trades,
            shares: bursts.shares.get().expect("a burst has trades"),
            largest: *bursts.largest.get().expect("a burst has trades"),
            listed: &listed.join(" "),
        });
        bursts.clear_fields();
        bursts.listed.clear();
        bursts.shares.clear();
        bursts.largest.clear();
    }
}

#[derive(OperatorState, Default)]
struct Waiting {
    #[state(list)]
    trades: Vec<Trade>,
}

/// Puts trades out seven at a time.
#[derive(Clone)]
struct InBatches;

#[process]
impl InBatches {
    fn on_record(&mut self, trade: TradeView<'_>, waiting: &mut Waiting, cx: &mut Context<'_, Trade>) {
        waiting.trades.push(Trade::from_view(trade));
        if waiting.trades.len() >= 7 {
            self.on_end(waiting, cx);
        }
    }

    fn on_end(&mut self, waiting: &mut Waiting, cx: &mut Context<'_, Trade>) {
        waiting.trades.drain(..).for_each(|trade| cx.emit(trade.view()));
    }
}

/// What writes the batches out.
enum Sink {
    /// Stands directly behind the function: so both run in a task of their own.
    Behind,
    /// Is sent to: so the function runs where the stream parts.
    Apart,
}

fn processed(trades: impl Stream<Out = Trade>, output: &Path, sink: Sink) {
    // Watermarks are made by split, directly behind the source.
    let (bursts, batches) = trades.event_time(out_of_order(30.seconds())).fork();
    bursts
        .key_by(|trade| trade.symbol.to_owned())
        .process(FindBursts)
        .sink(CsvFiles::write(output.join("bursts")).part_bytes(PART_BYTES));
    let (batches, files) = (batches.process(InBatches), CsvFiles::write(output.join("batches")).part_bytes(PART_BYTES));
    match sink {
        Sink::Behind => batches.sink(files),
        Sink::Apart => batches.rebalance().sink(files),
    };
}

#[test]
fn of_a_file_in_many_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| {
        processed(job.source(trades(input)), output, Sink::Behind);
    };
    golden("process", job).input(path("trades.csv")).tolerance("price", 0.0).check();
}

#[test]
fn of_two_slow_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| {
        processed(job.source(trickle(input, 2)), output, Sink::Behind);
    };
    golden("process", job).input(path("trades.csv")).tolerance("price", 0.0).check();
}

#[test]
fn of_two_slow_splits_where_the_stream_parts() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| {
        processed(job.source(trickle(input, 2)), output, Sink::Apart);
    };
    golden("process", job).input(path("trades.csv")).tolerance("price", 0.0).check();
}
