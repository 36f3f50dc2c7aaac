//! Sessions with an aggregate that does not merge.

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
    keyed.window(session(30.seconds())).aggregate(|of| of.collect(|trade| trade.price)).sink(print());
}

fn main() {}
