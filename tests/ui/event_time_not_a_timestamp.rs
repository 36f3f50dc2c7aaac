//! A field with event time that is no timestamp.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    #[record(event_time)]
    at: u64,
}

fn main() {}
