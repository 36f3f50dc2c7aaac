//! A field of state that is no record.

use millstream::prelude::*;

#[derive(State, Default)]
struct Session {
    logins: u64,
    began: Option<std::time::Instant>,
}

fn main() {}
