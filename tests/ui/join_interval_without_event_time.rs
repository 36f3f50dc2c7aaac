//! An interval join of streams without event time.

use millstream::prelude::*;

#[job]
fn numbers(job: &mut Job) {
    let left = job.source(records(vec![1_u64])).key_by(|number| number);
    let right = job.source(records(vec![1_u64])).key_by(|number| number);
    left.join(right).between(before(1.seconds()), after(1.seconds())).inner(|left, _| left).map(|number| number + 1).sink(print());
}

fn main() {}
