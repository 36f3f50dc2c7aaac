//! A guarantee that there is not.

use millstream::prelude::*;

struct Twice;

#[job]
fn trades(job: &mut Job<Twice>) {
    job.source(records(vec![1_u64])).sink(print());
}

fn main() {}
