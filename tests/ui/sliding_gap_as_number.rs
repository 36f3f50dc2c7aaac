//! A length of time without its unit.

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
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv")).event_time(out_of_order(5.seconds()));
    trades.key_by(|trade| trade.quantity).window(sliding(60, 10)).aggregate(|of| of.count()).sink(print());
}

fn main() {}
