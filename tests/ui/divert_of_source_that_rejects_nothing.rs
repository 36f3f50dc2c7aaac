//! Bad records of a source that has none.

use millstream::prelude::*;

#[job]
fn numbers(job: &mut Job) {
    let (numbers, bad) = job.source(records(vec![1_u64, 2, 3])).divert_errors();
    numbers.sink(print());
    bad.sink(print());
}

fn main() {}
