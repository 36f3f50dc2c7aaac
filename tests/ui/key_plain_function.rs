//! A key function without its attribute.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

fn symbol(trade: TradeView<'_>) -> &str {
    trade.symbol
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.key_with(symbol).at_end(|of| of.count()).sink(print());
}

fn main() {}
