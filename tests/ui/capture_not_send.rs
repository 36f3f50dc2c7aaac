//! A capture that cannot be sent to another thread.

use std::{cell::Cell, rc::Rc};

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
    let seen = Rc::new(Cell::new(0));
    trades.inspect(move |_| seen.set(seen.get() + 1)).sink(print());
}

fn main() {}
