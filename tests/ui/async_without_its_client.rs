//! A function by its name, though it has a client to open.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

#[async_map]
async fn priced(desk: &Desk, trade: Trade) -> Trade {
    let _ = desk;
    trade
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then_async(priced).map(|trade| trade.price).sink(print());
}

fn main() {}
