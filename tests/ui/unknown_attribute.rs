//! An attribute that does not exist.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    #[record(evnt_time)]
    at: Timestamp,
}

fn main() {}
