//! A gap that is taken from another record than the stream has.

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
struct Click {
    timeout: u64,
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv")).event_time(out_of_order(5.seconds()));
    let keyed = trades.key_by(|trade| trade.quantity);
    let sessions = session_with(|click: ClickView<'_>| click.timeout.seconds());
    keyed.window(sessions).aggregate(|of| of.count()).sink(print());
}

fn main() {}
