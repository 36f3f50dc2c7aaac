//! A new version of a type that cannot be made from the one before.

use millstream::prelude::*;

#[derive(Record)]
#[record(rename = "Cart")]
struct CartV1 {
    items: Vec<u64>,
}

#[derive(Record)]
#[record(version = 2, from = CartV1)]
struct Cart {
    items: Vec<String>,
}

fn main() {}
