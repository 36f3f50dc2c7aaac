//! Two streams that meet by key: in windows, as they come, and by how far apart records happened.

use std::path::Path;

use millstream::prelude::*;
use millstream_connectors::csv::CsvFiles;

use crate::{
    PART_BYTES, golden, path,
    trade::{Trade, TradeView, trades},
    trickle::trickle,
};

#[derive(Record, Clone, Debug)]
struct Pair {
    symbol: String,
    minute: Timestamp,
    large: Option<u32>,
    small: Option<u32>,
}

fn pair(large: Option<TradeView<'_>>, small: Option<TradeView<'_>>) -> Pair {
    let (symbol, at) = match (large, small) {
        (Some(trade), _) => (trade.symbol.to_owned(), trade.at),
        (_, Some(trade)) => (trade.symbol.to_owned(), trade.at),
        (None, None) => panic!("one of the two is there"),
    };
    let minute = Timestamp::from_millis(at.millis().div_euclid(60_000) * 60_000);
    Pair { symbol, minute, large: large.map(|trade| trade.shares), small: small.map(|trade| trade.shares) }
}

#[derive(Record, Clone, Debug)]
struct Both {
    symbol: String,
    large: u32,
    small: u32,
}

fn both(large: TradeView<'_>, small: TradeView<'_>) -> Both {
    Both { symbol: large.symbol.to_owned(), large: large.shares, small: small.shares }
}

#[key]
fn symbol(trade: TradeView<'_>) -> &str {
    trade.symbol
}

/// Trades of at least 480 shares, of at most 150, and dear ones meet.
fn joins(trades: impl Stream<Out = Trade>, output: &Path) {
    let trades = trades.event_time(out_of_order(30.seconds()));
    let (large, rest) = trades.split(|trade| trade.shares >= 480);
    let (rest, dear) = rest.fork();
    let small = rest.filter(|trade| trade.shares <= 150);
    let dear = dear.filter(|trade| trade.price.is_some_and(|price| price > 247.0));
    let ([a, b, c, d, h], [e, f, g, i]) = (large.forks(), small.forks());
    a.key_with(symbol)
        .join(e.key_with(symbol))
        .window(tumbling(1.minutes()))
        .full(pair)
        .uid("windows")
        .sink(CsvFiles::write(output.join("windows")).part_bytes(PART_BYTES));
    b.key_with(symbol)
        .join(f.key_with(symbol))
        .inner(both)
        .uid("pairs")
        .sink(CsvFiles::write(output.join("pairs")).part_bytes(PART_BYTES));
    c.key_with(symbol)
        .join(g.key_with(symbol))
        .between(before(30.seconds()), after(1.minutes()).exclusive())
        .inner(both)
        .uid("near")
        .sink(CsvFiles::write(output.join("near")).part_bytes(PART_BYTES));
    d.key_with(symbol)
        .join(dear.key_with(symbol))
        .semi()
        .uid("semi")
        .sink(CsvFiles::write(output.join("semi")).part_bytes(PART_BYTES));
    h.key_with(symbol)
        .join(i.key_with(symbol))
        .window(session(25.seconds()))
        .full(pair)
        .uid("sessions")
        .sink(CsvFiles::write(output.join("sessions")).part_bytes(PART_BYTES));
}

#[test]
fn of_a_file_in_many_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| joins(job.source(trades(input)), output);
    golden("joins", job).input(path("trades.csv")).check();
}

#[test]
fn of_two_slow_splits() {
    let job = |job: &mut Job<ExactlyOnce>, input: &Path, output: &Path| joins(job.source(trickle(input, 2)), output);
    golden("joins", job).input(path("trades.csv")).check();
}
