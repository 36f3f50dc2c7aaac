//! A new version of a type that does not say what it is made from.

use millstream::prelude::*;

#[derive(Record)]
#[record(version = 2)]
struct Cart {
    items: Vec<u64>,
}

fn main() {}
