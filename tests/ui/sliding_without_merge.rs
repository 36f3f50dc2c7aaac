//! Windows that overlap with an aggregate that does not merge.

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
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv")).event_time(out_of_order(5.seconds()));
    let keyed = trades.key_by(|trade| trade.quantity);
    keyed.window(sliding(1.hours(), 1.minutes())).aggregate(|of| of.fold(0_u64, |n, _| n + 1)).sink(print());
}

fn main() {}
