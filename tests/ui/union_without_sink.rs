//! A union that is bound and forgotten.

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
    let (few, many) = trades.split(|trade| trade.quantity < 10);
    let all = few.union(many);
}

fn main() {}
