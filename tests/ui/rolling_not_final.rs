//! A rolling result is taken for a final one.

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
    trades.key_by(|t| t.quantity).rolling(|of| of.count()).map(|(_, count)| count + 1).sink(print());
}

fn main() {}
