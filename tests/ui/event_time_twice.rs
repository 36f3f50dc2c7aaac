//! Two fields with event time.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    #[record(event_time)]
    made: Timestamp,
    #[record(event_time)]
    settled: Timestamp,
}

fn main() {}
