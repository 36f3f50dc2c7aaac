//! A stream that is split, forked and put together again, with two sinks.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{PART_BYTES, golden, path, trade::trades};

#[derive(Record, Clone, Debug)]
struct Labelled {
    symbol: String,
    label: String,
    shares: u32,
}

fn split_and_union(job: &mut Job<ExactlyOnce>, input: &Path, output: &Path) {
    let (dear, cheap) = job.source(trades(input)).split(|trade| trade.price.is_some_and(|price| price > 100.0));
    let (kept, dear) = dear.fork();
    kept.sink(CsvFiles::write(output.join("dear")));
    let dear =
        dear.map(|trade| Labelled { symbol: trade.symbol.to_owned(), label: "dear".into(), shares: trade.shares });
    let cheap =
        cheap.map(|trade| Labelled { symbol: trade.symbol.to_owned(), label: "cheap".into(), shares: trade.shares });
    dear.union(cheap).sink(CsvFiles::write(output.join("all")).part_bytes(PART_BYTES));
}

#[test]
fn split_fork_and_union() {
    // 202.0 is written as 202.
    golden("split_union", split_and_union).input(path("trades.csv")).tolerance("price", 0.0).check();
}
