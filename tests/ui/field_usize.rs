//! A field whose width differs between machines.

use millstream::prelude::*;

#[derive(Record)]
struct Trade {
    quantity: usize,
}

fn main() {}
