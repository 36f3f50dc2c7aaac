//! A map of what is no record.

use millstream::prelude::*;

#[derive(State, Default)]
struct Session {
    began: MapState<String, std::time::Instant>,
}

fn main() {}
