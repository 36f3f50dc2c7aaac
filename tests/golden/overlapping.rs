//! Windows that overlap: kept running where the aggregate can subtract, and put together from a tree of slices where it cannot.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{PART_BYTES, golden, path, trade::trades};

#[derive(Record, Clone, Debug)]
struct Traded {
    symbol: String,
    start: Timestamp,
    end: Timestamp,
    trades: u64,
    shares: i128,
}

#[derive(Record, Clone, Debug)]
struct Between {
    symbol: String,
    start: Timestamp,
    least: u32,
    most: u32,
}

fn overlapping(job: &mut Job<ExactlyOnce>, input: &Path, output: &Path) {
    let (a, b) = job.source(trades(input)).event_time(out_of_order(30.seconds())).fork();
    let (a, c) = a.fork();
    let traded = |(symbol, window, (trades, shares)): (&str, Window, (u64, i128))| Traded {
        symbol: symbol.to_owned(),
        start: window.start,
        end: window.end,
        trades,
        shares,
    };
    a.key_by(|trade| trade.symbol.to_owned())
        .window(sliding(5.minutes(), 90.seconds()))
        .aggregate(|of| (of.count(), of.sum(|trade| trade.shares)))
        .uid("sliding")
        .map(traded)
        .sink(CsvFiles::write(output.join("sliding")).part_bytes(PART_BYTES));
    b.key_by(|trade| trade.symbol.to_owned())
        .window(sliding(7.minutes(), 1.minutes()))
        .aggregate(|of| (of.min(|trade| trade.shares), of.max(|trade| trade.shares)))
        .uid("extremes")
        .map(|(symbol, window, (least, most))| Between { symbol: symbol.to_owned(), start: window.start, least, most })
        .sink(CsvFiles::write(output.join("extremes")).part_bytes(PART_BYTES));
    c.key_by(|trade| trade.symbol.to_owned())
        .window(cumulate(10.minutes(), 2.minutes()))
        .allowed_lateness(1.hours())
        .aggregate(|of| (of.count(), of.sum(|trade| trade.shares)))
        .uid("cumulating")
        .map(traded)
        .sink(CsvFiles::write(output.join("cumulating")).part_bytes(PART_BYTES));
}

#[test]
fn of_a_file_in_many_splits() {
    golden("overlapping", overlapping).input(path("trades.csv")).check();
}
