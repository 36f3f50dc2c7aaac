//! A rate that does not say in which time.

use millstream::prelude::*;

#[job]
fn numbers(job: &mut Job) {
    job.source(records(vec![1_u64])).throttle(1_000_u64).sink(print());
}

fn main() {}
