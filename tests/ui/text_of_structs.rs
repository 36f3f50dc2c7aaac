//! A text sink of records that are not strings.

use millstream::prelude::*;

#[derive(Record, Clone)]
struct Trade {
    price: f64,
}

#[job]
fn trades(job: &mut Job) {
    job.source(records(vec![Trade { price: 1.0 }])).sink(TextFiles::write("out"));
}

fn main() {}
