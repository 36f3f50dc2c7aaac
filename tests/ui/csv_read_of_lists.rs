//! A field that is no cell, in a struct that is read from CSV.

use millstream::prelude::*;

#[derive(Record)]
struct Basket {
    items: Vec<String>,
}

#[job]
fn baskets(job: &mut Job) {
    job.source(CsvFiles::<Basket>::read("baskets.csv")).sink(print());
}

fn main() {}
