//! A record that borrows.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    symbol: &'static str,
}

fn main() {}
