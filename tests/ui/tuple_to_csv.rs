//! A tuple in a file whose columns need names.

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
    trades.key_by(|t| t.quantity).at_end(|of| of.count()).sink(CsvFiles::write("out"));
}

fn main() {}
