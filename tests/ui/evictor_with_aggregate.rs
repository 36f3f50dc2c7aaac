//! An evictor in front of an aggregate, which keeps no elements.

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
    let trades = trades.event_time(monotonous()).key_by(|trade| trade.quantity);
    trades.window(tumbling(1.minutes())).evictor(evictors::count(3)).aggregate(|of| of.count()).sink(print());
}

fn main() {}
