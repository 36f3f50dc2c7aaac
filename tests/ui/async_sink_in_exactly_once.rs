//! A sink that may write records again, in a job that promises not to.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    symbol: String,
    price: f64,
}

struct Desk;

#[async_sink]
async fn stored(trade: Trade) {
    let _ = trade;
}

#[job]
fn trades(job: &mut Job<ExactlyOnce>) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.sink_async(stored);
}

fn main() {}
