//! A join in windows that differ by key.

use millstream::prelude::*;

#[job]
fn numbers(job: &mut Job) {
    let left = job.source(records(vec![1_u64])).key_by(|number| number);
    let right = job.source(records(vec![1_u64])).key_by(|number| number);
    left.join(right).window(session(1.minutes()).processing_time()).inner(|left, _| left).map(|n| n + 1).sink(print());
}

fn main() {}
