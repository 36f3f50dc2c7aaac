//! Idleness is a matter of the strategy, not of the stream.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    #[record(event_time)]
    at: Timestamp,
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.event_time(monotonous()).with_idleness(30.seconds()).sink(print());
}

fn main() {}
