//! A fold whose function returns another type than it begins with.

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
    trades.key_by(|t| t.quantity).rolling(|of| of.fold(0_u64, |sum, trade| sum as f64 + trade.price)).sink(print());
}

fn main() {}
