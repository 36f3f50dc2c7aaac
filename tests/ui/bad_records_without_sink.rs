//! Diverted records are a stream that is not used.

use millstream::prelude::*;

#[job]
fn lines(job: &mut Job) {
    let lines = job.source(TextFiles::read("access.log")).divert_errors();
    lines.sink(print());
}

fn main() {}
