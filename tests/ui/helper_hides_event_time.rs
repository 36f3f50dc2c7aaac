//! A helper whose type says nothing of event time.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

fn priced(trades: impl Stream<Out = Trade>) -> impl Stream<Out = Trade> {
    trades.filter(|trade| trade.price > 0.0)
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    priced(trades.event_time(monotonous())).key_by(|t| t.quantity).window(tumbling(1.minutes())).aggregate(|of| of.count()).sink(print());
}

fn main() {}
