//! Sessions: records that come late bring them together.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{
    PART_BYTES, golden, path,
    trade::{Trade, trades},
    trickle::trickle,
};

#[derive(Record, Clone, Debug)]
struct Burst {
    symbol: String,
    start: Timestamp,
    end: Timestamp,
    trades: u64,
    least: u32,
}

fn sessions(trades: impl Stream<Out = Trade>, output: &Path) {
    trades
        .event_time(out_of_order(30.seconds()))
        .key_by(|trade| trade.symbol.to_owned())
        .window(session(25.seconds()))
        .aggregate(|of| (of.count(), of.min(|trade| trade.shares)))
        .uid("bursts")
        .map(|(symbol, window, (trades, least))| Burst {
            symbol: symbol.to_owned(),
            start: window.start,
            end: window.end,
            trades,
            least,
        })
        .sink(CsvFiles::write(output).part_bytes(PART_BYTES));
}

#[test]
fn of_a_file_in_many_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| sessions(job.source(trades(input)), output);
    golden("sessions", job).input(path("trades.csv")).check();
}

#[test]
fn of_two_slow_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| sessions(job.source(trickle(input, 2)), output);
    golden("sessions", job).input(path("trades.csv")).check();
}
