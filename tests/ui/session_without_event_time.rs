//! Sessions by event time on a stream that has none.

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
    trades.key_by(|trade| trade.quantity).window(session(30.seconds())).aggregate(|of| of.count()).sink(print());
}

fn main() {}
