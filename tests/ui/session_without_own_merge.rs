//! Sessions with an aggregate of one's own that has no `merge`.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
    quantity: u64,
    #[record(event_time)]
    at: Timestamp,
}

#[derive(Clone)]
struct Longest;

#[aggregate]
impl Longest {
    fn add(longest: &mut u64, trade: TradeView<'_>) {
        *longest = (*longest).max(trade.symbol.len() as u64);
    }

    fn finish(longest: &u64) -> u64 {
        *longest
    }
}

#[job]
fn trades(job: &mut Job) {
    let trades = job.source(CsvFiles::<Trade>::read("trades.csv")).event_time(out_of_order(5.seconds()));
    let keyed = trades.key_by(|trade| trade.quantity);
    keyed.window(session(30.seconds())).aggregate(|of| of.with(Longest)).sink(print());
}

fn main() {}
