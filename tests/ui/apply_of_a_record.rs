//! The function on all elements returns a record instead of any number of them.

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
    trades.window(tumbling(1.minutes())).apply(|key, _, elements| (key, elements.len() as u64)).sink(print());
}

fn main() {}
