//! A closure that gives parts of its record.

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
    trades.flat_map(|trade| trade.symbol.split('-').collect::<Vec<_>>()).sink(print());
}

fn main() {}
