//! Two streams that are to be joined, and a sink.

use millstream::prelude::*;

#[job]
fn numbers(job: &mut Job) {
    let left = job.source(records(vec![1_u64])).key_by(|number| number);
    let right = job.source(records(vec![1_u64])).key_by(|number| number);
    left.join(right).sink(print());
}

fn main() {}
