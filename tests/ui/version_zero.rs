//! Versions count from 1, and the first is made from nothing.

use millstream::prelude::*;

#[derive(Record)]
#[record(version = 0)]
struct Cart {
    items: Vec<u64>,
}

#[derive(Record)]
#[record(version = 1, from = Cart)]
struct Basket {
    items: Vec<u64>,
}

fn main() {}
