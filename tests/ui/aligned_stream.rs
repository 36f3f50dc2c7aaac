//! The strategy of a stream is aligned, not the stream.

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
    trades.event_time(out_of_order(5.seconds())).aligned("trades", 20.seconds()).sink(print());
}

fn main() {}
