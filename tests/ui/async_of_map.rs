//! A function that never waits where async functions stand.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

#[map]
fn price(trade: TradeView<'_>) -> f64 {
    trade.price
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then_async(price).sink(print());
}

fn main() {}
