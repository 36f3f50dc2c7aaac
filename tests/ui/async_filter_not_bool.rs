//! A filter that does not say whether the record stays.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

#[async_filter]
async fn is_cheap(trade: Trade) -> Option<bool> {
    Some(trade.price < 1.0)
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then_async(is_cheap).map(|trade| trade.price).sink(print());
}

fn main() {}
