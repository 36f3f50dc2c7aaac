//! A trigger whose function takes views of another record than the stream has.

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
struct Quote {
    price: f64,
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    let trades = trades.event_time(monotonous()).key_by(|trade| trade.quantity);
    let change = |a: QuoteView<'_>, b: QuoteView<'_>| (a.price - b.price).abs();
    trades.window(tumbling(1.minutes())).trigger(triggers::delta(0.5, change)).aggregate(|of| of.count()).sink(print());
}

fn main() {}
