//! Keyed tumbling windows over an input that is out of order within the stated bound: nothing is late, however it is split.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{golden, path, trade::trades};

#[derive(Record, Clone, Debug)]
struct Minute {
    symbol: String,
    start: Timestamp,
    end: Timestamp,
    trades: u64,
    shares: i128,
    average: f64,
}

fn minutes(job: &mut Job, input: &Path, output: &Path) {
    job.source(trades(input))
        .event_time(out_of_order(30.seconds()))
        .filter(|trade| trade.price.is_some())
        .key_by(|trade| trade.symbol.to_owned())
        .window(tumbling(1.minutes()))
        .aggregate(|of| {
            (of.count(), of.sum(|trade| u64::from(trade.shares)), of.avg(|trade| trade.price.unwrap_or(0.0)))
        })
        .map(|(symbol, window, (trades, shares, average))| Minute {
            symbol: symbol.to_owned(),
            start: window.start,
            end: window.end,
            trades,
            shares,
            average,
        })
        .sink(CsvFiles::write(output));
}

#[test]
fn tumbling_windows() {
    golden("tumbling", minutes).input(path("trades.csv")).tolerance("average", 1e-12).check();
}
