//! A CSV sink of records that hold lists.

use millstream::prelude::*;

#[derive(Record)]
struct Basket {
    items: Vec<String>,
}

#[job]
fn baskets(job: &mut Job) {
    job.source(records(vec![Basket { items: vec![] }])).sink(CsvFiles::write("out"));
}

fn main() {}
