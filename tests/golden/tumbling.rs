//! Keyed tumbling windows over an input that is out of order within the stated bound: nothing is late, however it is split, and however fast it
//! comes.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{
    PART_BYTES, golden, path,
    trade::{Trade, trades},
    trickle::trickle,
};

#[derive(Record, Clone, Debug)]
struct Minute {
    symbol: String,
    start: Timestamp,
    end: Timestamp,
    trades: u64,
    shares: i128,
    average: f64,
}

fn minutes(trades: impl Stream<Out = Trade>, output: &Path) {
    trades
        .event_time(out_of_order(30.seconds()))
        .filter(|trade| trade.price.is_some())
        .key_by(|trade| trade.symbol.to_owned())
        .window(tumbling(1.minutes()))
        .aggregate(|of| {
            (of.count(), of.sum(|trade| u64::from(trade.shares)), of.avg(|trade| trade.price.unwrap_or(0.0)))
        })
        .uid("minutes")
        .map(|(symbol, window, (trades, shares, average))| Minute {
            symbol: symbol.to_owned(),
            start: window.start,
            end: window.end,
            trades,
            shares,
            average,
        })
        .sink(CsvFiles::write(output).part_bytes(PART_BYTES));
}

#[test]
fn of_a_file_in_many_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| minutes(job.source(trades(input)), output);
    golden("tumbling", job).input(path("trades.csv")).tolerance("average", 1e-12).check();
}

/// All subtasks of the source but one are idle, and watermarks pass all the while.
#[test]
fn of_one_slow_split() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| minutes(job.source(trickle(input, 1)), output);
    golden("tumbling", job).input(path("trades.csv")).tolerance("average", 1e-12).check();
}

/// Some parallelisms read the splits side by side, others one after the other.
#[test]
fn of_two_slow_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| minutes(job.source(trickle(input, 2)), output);
    golden("tumbling", job).input(path("trades.csv")).tolerance("average", 1e-12).check();
}
