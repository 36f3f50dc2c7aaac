//! An answer that is no record.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

struct Price(f64);

#[async_map]
async fn price(trade: Trade) -> Price {
    Price(trade.price)
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then_async(price).sink(print());
}

fn main() {}
