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
    minutes_of(trades.event_time(out_of_order(30.seconds())), output);
}

fn minutes_of(trades: impl Stream<Out = Trade, Time = EventTime>, output: &Path) {
    trades
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

/// The slow one has half of the trades, and the one that is read at once the others.
#[test]
fn of_two_sources_that_are_aligned() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| {
        let strategy = || out_of_order(30.seconds()).aligned("trades", 2.minutes()).updated_every(5.milliseconds());
        let even = |shares: u32| shares.is_multiple_of(2);
        let slow = job.source(trickle(input, 2)).event_time(strategy()).filter(move |trade| even(trade.shares));
        let fast = job.source(trades(input)).event_time(strategy()).filter(move |trade| !even(trade.shares));
        minutes_of(slow.union(fast), output);
    };
    golden("tumbling", job).input(path("trades.csv")).tolerance("average", 1e-12).check();
}
