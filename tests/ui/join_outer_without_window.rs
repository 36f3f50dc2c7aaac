//! An outer join without windows.

use millstream::prelude::*;

#[job]
fn numbers(job: &mut Job) {
    let left = job.source(records(vec![1_u64])).key_by(|number| number);
    let right = job.source(records(vec![1_u64])).key_by(|number| number);
    left.join(right).left(|left: u64, right: Option<u64>| left + right.unwrap_or(0)).map(|number| number + 1).sink(print());
}

fn main() {}
