//! Records combined by key in a stream without a key.

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
    trades.reduce(|_, next| Trade::from_view(next)).sink(print());
}

fn main() {}
