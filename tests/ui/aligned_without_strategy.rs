//! An alignment without a watermark strategy.

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
    trades.event_time(millstream::event_time::Alignment::new("trades", 20.seconds())).sink(print());
}

fn main() {}
