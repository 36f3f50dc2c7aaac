//! A key function of another record.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

#[key]
fn name(name: &str) -> &str {
    name
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.key_with(name).at_end(|of| of.count()).sink(print());
}

fn main() {}
