//! Operators with state for each key: the trades of each symbol in the order of time, the first of each minute, and its largest.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{
    PART_BYTES, golden, path,
    trade::{Trade, trades},
    trickle::trickle,
};

/// A trade in its place, and how long after the one before.
#[derive(Record, Clone, Debug)]
struct Step {
    symbol: String,
    nth: u64,
    at: Timestamp,
    since: Option<u64>,
}

#[derive(Record, Clone, Debug)]
struct First {
    symbol: String,
    at: Timestamp,
}

#[derive(Record, Clone, Debug)]
struct Large {
    symbol: String,
    minute: Timestamp,
    rank: u64,
    shares: u32,
}

fn by_key(trades: impl Stream<Out = Trade>, output: &Path) {
    // Watermarks are made by split, directly behind the source.
    let [to_sort, to_deduplicate, to_rank] = trades.event_time(out_of_order(30.seconds())).forks();
    to_sort
        .key_by(|trade| trade.symbol.to_owned())
        .sort_by_time()
        .uid("sorted")
        .key_by(|trade| trade.symbol.to_owned())
        .map_with_state(|trade, before: &mut Option<(u64, Timestamp)>| {
            let nth = before.map_or(1, |(nth, _)| nth + 1);
            let since = before.replace((nth, trade.at)).map(|(_, last)| (trade.at.millis() - last.millis()) as u64);
            Step { symbol: trade.symbol.to_owned(), nth, at: trade.at, since }
        })
        .uid("steps")
        .sink(CsvFiles::write(output.join("steps")).part_bytes(PART_BYTES));
    to_deduplicate
        .key_by(|trade| (trade.symbol.to_owned(), trade.at.round_down(1.minutes())))
        .deduplicate_first()
        .forget_after(1.minutes())
        .uid("firsts")
        .map(|trade| First { symbol: trade.symbol.to_owned(), at: trade.at })
        .sink(CsvFiles::write(output.join("firsts")).part_bytes(PART_BYTES));
    to_rank
        .key_by(|trade| trade.symbol.to_owned())
        .window(tumbling(1.minutes()))
        .top_n(3, |trade| trade.shares)
        .uid("largest")
        .map(|(symbol, window, rank, trade)| Large {
            symbol: symbol.to_owned(),
            minute: window.start,
            rank,
            shares: trade.shares,
        })
        .sink(CsvFiles::write(output.join("largest")).part_bytes(PART_BYTES));
}

#[test]
fn of_a_file_in_many_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| by_key(job.source(trades(input)), output);
    golden("by_key", job).input(path("trades.csv")).check();
}

#[test]
fn of_two_slow_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| by_key(job.source(trickle(input, 2)), output);
    golden("by_key", job).input(path("trades.csv")).check();
}
