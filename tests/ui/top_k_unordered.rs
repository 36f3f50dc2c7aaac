//! The greatest of what has no order.

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
    trades.key_by(|t| t.quantity).at_end(|of| of.top_k(3, |trade| Trade::from_view(trade))).sink(print());
}

fn main() {}
