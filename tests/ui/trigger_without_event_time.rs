//! A trigger by event time on a stream that has none.

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
    let windows = trades.key_by(|trade| trade.quantity).window(tumbling(1.minutes()).processing_time());
    windows.trigger(triggers::event_time()).aggregate(|of| of.count()).sink(print());
}

fn main() {}
