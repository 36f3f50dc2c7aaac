//! The first value, borrowed from the record.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    tags: Vec<f64>,
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(records(Vec::<Trade>::new()));
    trades.key_by(|t| t.quantity).at_end(|of| of.first(|trade| trade.symbol)).sink(print());
}

fn main() {}
