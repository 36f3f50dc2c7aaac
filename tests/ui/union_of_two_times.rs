//! A union of a stream with event time and one without.

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
    let others = job.source(CsvFiles::<Trade>::read("others.csv")).event_time(monotonous());
    trades.union(others).sink(print());
}

fn main() {}
