//! A sink that gives records.

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
    trades.sink_async(priced);
}

fn main() {}
