//! Quantiles of a string.

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
    trades.key_by(|t| t.quantity).at_end(|of| of.quantiles([0.5], |trade| trade.symbol.to_owned())).sink(print());
}

fn main() {}
