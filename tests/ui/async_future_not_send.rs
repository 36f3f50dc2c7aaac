//! A future that holds what cannot be sent while it waits.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

#[async_map]
async fn priced(trade: Trade) -> Trade {
    let symbol = std::rc::Rc::new(trade.symbol.clone());
    std::future::ready(()).await;
    Trade { symbol: symbol.to_string(), ..trade }
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then_async(priced).map(|trade| trade.price).sink(print());
}

fn main() {}
