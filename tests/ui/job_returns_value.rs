//! A job that returns something else than a result.

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
fn trades(job: &mut Job) -> u64 {
    job.source(CsvFiles::<Trade>::read("trades.csv")).sink(print());
    1
}

fn main() {}
