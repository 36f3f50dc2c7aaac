//! A resource that is opened without a result.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

struct Rates(f64);

#[map]
fn rated(rates: &Rates, trade: TradeView<'_>) -> f64 {
    trade.price * rates.0
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then(rated(|_| Rates(1.5))).sink(print());
}

fn main() {}
