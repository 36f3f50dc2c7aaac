//! A capacity that lets no call begin.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

#[async_map(capacity = 0)]
async fn priced(desk: &Desk, trade: Trade) -> Trade {
    let _ = desk;
    trade
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.then_async(priced(|_| Ok::<_, String>(Desk))).map(|trade| trade.price).sink(print());
}

fn main() {}
