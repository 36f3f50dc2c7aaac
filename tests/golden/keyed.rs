//! What is kept for every key as long as the job runs: a count that is told for each record, and totals that are told at the end.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{
    PART_BYTES, golden, path,
    trade::{Trade, trades},
    trickle::trickle,
};

#[derive(Record, Clone, Debug)]
struct Nth {
    symbol: String,
    nth: u64,
}

#[derive(Record, Clone, Debug)]
struct Total {
    symbol: String,
    trades: u64,
    shares: i128,
    highest: f64,
}

fn keyed(trades: impl Stream<Out = Trade>, output: &Path) {
    let (running, totals) = trades.fork();
    running
        .key_by(|trade| trade.symbol.to_owned())
        .rolling(|of| of.count())
        .uid("running")
        .map(|(symbol, Rolling(nth))| Nth { symbol: symbol.to_owned(), nth })
        .sink(CsvFiles::write(output.join("running")).part_bytes(PART_BYTES));
    totals
        .key_by(|trade| trade.symbol.to_owned())
        .at_end(|of| (of.count(), of.sum(|trade| u64::from(trade.shares)), of.max(|trade| trade.price.unwrap_or(0.0))))
        .uid("totals")
        .map(|(symbol, (trades, shares, highest))| Total { symbol: symbol.to_owned(), trades, shares, highest })
        .sink(CsvFiles::write(output.join("totals")));
}

#[test]
fn of_a_file_in_many_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| keyed(job.source(trades(input)), output);
    golden("keyed", job).input(path("trades.csv")).tolerance("highest", 0.0).check();
}

#[test]
fn of_two_slow_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| keyed(job.source(trickle(input, 2)), output);
    golden("keyed", job).input(path("trades.csv")).tolerance("highest", 0.0).check();
}
