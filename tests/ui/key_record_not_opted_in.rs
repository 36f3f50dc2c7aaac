//! A record as a key that is not marked as one.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Record)]
struct Product {
    symbol: String,
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.key_by(|trade| Product { symbol: trade.symbol.into() }).window(global()).aggregate(|of| of.count()).sink(print());
}

fn main() {}
