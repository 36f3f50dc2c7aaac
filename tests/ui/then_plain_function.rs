//! A function that is not annotated.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

fn double(trade: TradeView<'_>) -> f64 {
    trade.price * 2.0
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then(double).sink(print());
}

fn main() {}
