//! A field whose type is no record.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    at: std::time::Instant,
}

fn main() {}
