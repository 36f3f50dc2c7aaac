//! A capture that borrows from the job function.

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
    let limit = 5.0;
    trades.filter(|trade| trade.price < limit).sink(print());
}

fn main() {}
