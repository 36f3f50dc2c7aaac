//! A stream that is used twice.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.filter(|trade| trade.price < 1.0).sink(print());
    trades.filter(|trade| trade.price > 9.0).sink(print());
}

fn main() {}
