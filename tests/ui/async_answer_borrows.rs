//! An answer that borrows from a record that is gone by then.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

#[async_map]
async fn symbol(trade: TradeView<'_>) -> &str {
    trade.symbol
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then_async(symbol).map(|symbol| symbol.len() as u64).sink(print());
}

fn main() {}
