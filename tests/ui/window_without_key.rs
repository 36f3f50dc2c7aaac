//! A window on a stream without a key.

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
    trades.event_time(monotonous()).window(tumbling(1.minutes())).aggregate(|of| of.count()).sink(print());
}

fn main() {}
