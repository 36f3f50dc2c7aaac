//! An async function where only those stand that never wait.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

#[async_map]
async fn priced(trade: Trade) -> Trade {
    trade
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then(priced).map(|trade| trade.price).sink(print());
}

fn main() {}
