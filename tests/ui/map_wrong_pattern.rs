//! A pattern that forgets the window.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    trades.key_by(|t| t.quantity).window(global()).aggregate(|of| of.count()).map(|(quantity, count)| quantity + count).sink(print());
}

fn main() {}
