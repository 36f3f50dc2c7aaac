//! A join in windows that are not of time.

use millstream::prelude::*;

#[job]
fn numbers(job: &mut Job) {
    let left = job.source(records(vec![1_u64])).key_by(|number| number);
    let right = job.source(records(vec![1_u64])).key_by(|number| number);
    left.join(right).window(count(10)).inner(|left, _| left).map(|n| n + 1).sink(print());
}

fn main() {}
