//! A client that calls cannot share.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

struct Count(std::cell::Cell<u64>);

#[async_map]
async fn priced(count: &Count, trade: Trade) -> Trade {
    count.0.set(1);
    trade
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then_async(priced(|_| Ok::<_, String>(Count(0.into())))).map(|trade| trade.price).sink(print());
}

fn main() {}
