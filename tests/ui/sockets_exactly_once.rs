//! Lines over TCP in a job that would have to read them again.

use millstream::prelude::*;

#[job]
fn exact(job: &mut Job<ExactlyOnce>) {
    job.source(SocketLines::connect("127.0.0.1:9181")).sink(TextFiles::write("out"));
}

fn main() {}
