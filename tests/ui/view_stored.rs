//! A view in a record.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Record)]
struct Seen {
    first: TradeView<'static>,
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.map(|trade| Seen { first: trade }).sink(print());
}

fn main() {}
