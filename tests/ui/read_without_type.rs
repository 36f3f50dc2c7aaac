//! A file of nobody knows what.

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
    job.source(CsvFiles::read("trades.csv")).filter(|trade| trade.price > 0.0).sink(print());
}

fn main() {}
