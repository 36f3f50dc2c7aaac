//! A window over lines of text, which have neither a time nor a key.

use millstream::prelude::*;

#[job]
fn lines(job: &mut Job) {
    job.source(TextFiles::read("access.log")).window(tumbling(1.minutes())).aggregate(|of| of.count()).sink(print());
}

fn main() {}
