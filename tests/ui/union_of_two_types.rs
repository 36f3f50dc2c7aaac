//! A union of streams of different types.

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
    let numbers = job.source(records(vec![1u64, 2, 3]));
    trades.union(numbers).sink(print());
}

fn main() {}
