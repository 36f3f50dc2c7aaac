//! Two stateful operators of one name.

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
    let (all, cheap) = trades.fork();
    all.key_by(|t| t.quantity).window(global()).aggregate(|of| of.count()).uid("count").sink(print());
    cheap.key_by(|t| t.quantity).window(global()).aggregate(|of| of.count()).uid("count").sink(print());
}

fn main() {}
