//! Sinks that may write records again, in jobs that promise that each counts once.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: String,
    price: f64,
}

#[job]
fn printed(job: &mut Job<ExactlyOnce>) {
    job.source(CsvFiles::<Trade>::read("trades.csv")).filter(|trade| trade.price > 0.0).sink(print());
}

#[job]
fn appended(job: &mut Job<ExactlyOnce>) {
    let counts = job.source(CsvFiles::<Trade>::read("trades.csv")).key_by(|trade| trade.symbol.to_owned()).rolling(|of| of.count());
    counts.map(|(symbol, count)| format!("{symbol}: {count:?}")).sink(TextFiles::append("counts.txt"));
}

#[job]
fn rolled(job: &mut Job<ExactlyOnce>) {
    job.source(CsvFiles::<Trade>::read("trades.csv")).key_by(|trade| trade.symbol.to_owned()).rolling(|of| of.count()).sink(print());
}

/// This one is all right.
#[job]
fn written(job: &mut Job<ExactlyOnce>) {
    job.source(CsvFiles::<Trade>::read("trades.csv")).sink(CsvFiles::write("out"));
}

/// And so is this.
#[job]
fn printed_more_than_once(job: &mut Job<AtLeastOnce>) {
    job.source(CsvFiles::<Trade>::read("trades.csv")).sink(print());
}

fn main() {}
