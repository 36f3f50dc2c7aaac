//! Fused stateless operators, beside a cell that may be empty.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{PART_BYTES, golden, path, trade::trades};

#[derive(Record, Clone, Debug)]
struct Turnover {
    symbol: String,
    cents: i64,
    at: Timestamp,
}

fn turnover(job: &mut Job<ExactlyOnce>, input: &Path, output: &Path) {
    job.source(trades(input))
        .filter(|trade| trade.price.is_some_and(|price| price >= 50.0))
        .filter_map(|trade| {
            let price = trade.price?;
            let cents = (price * 100.0).round() as i64 * i64::from(trade.shares);
            Some(Turnover { symbol: trade.symbol.to_owned(), cents, at: trade.at })
        })
        .sink(CsvFiles::write(output).part_bytes(PART_BYTES));
}

#[test]
fn filter_and_map() {
    golden("filter_map", turnover).input(path("trades.csv")).check();
}
