//! A lookup in what always has a row.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

#[async_map]
async fn name(symbol: String) -> String {
    symbol
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.lookup(|trade| trade.symbol.to_owned(), name).map(|(_, name)| name.to_owned()).sink(print());
}

fn main() {}
