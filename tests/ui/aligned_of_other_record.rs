//! An aligned strategy that looks at records of another type.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Record)]
struct Quote {
    symbol: String,
    last: bool,
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv"));
    let strategy = punctuated(|quote: QuoteView<'_>, at| quote.last.then_some(at));
    trades.event_time(strategy.aligned("trades", 20.seconds())).sink(print());
}

fn main() {}
