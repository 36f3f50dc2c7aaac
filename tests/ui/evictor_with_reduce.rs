//! An evictor in front of `reduce`, which keeps no elements.

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
    let trades = trades.event_time(monotonous()).key_by(|trade| trade.quantity);
    let windows = trades.window(tumbling(1.minutes())).evictor(evictors::time(5.seconds()));
    windows.reduce(|a, b| Trade::from_view(if a.price > b.price { a } else { b })).sink(CsvFiles::write("most"));
}

fn main() {}
