//! Ingestion time has its own watermarks.

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
    trades.ingestion_time(out_of_order(5.seconds())).sink(print());
}

fn main() {}
