//! A window whose size has no unit.

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
    trades.event_time(monotonous()).key_by(|t| t.quantity).window(tumbling(60)).aggregate(|of| of.count()).sink(print());
}

fn main() {}
