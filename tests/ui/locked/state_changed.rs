//! The plain fields of state have changed since they were locked.

use millstream::prelude::*;

#[derive(State, Default)]
struct Account {
    count: u64,
    last: Option<u64>,
}

fn main() {}
