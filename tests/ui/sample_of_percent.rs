//! A share of the records as a whole number.

use millstream::prelude::*;

#[job]
fn numbers(job: &mut Job) {
    job.source(records(vec![1_u64])).sample(10).sink(print());
}

fn main() {}
