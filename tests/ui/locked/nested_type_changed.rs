//! A type inside of a type of state has another layout than when that was locked.

use millstream::prelude::*;

#[derive(Record)]
struct Item {
    id: u32,
}

#[derive(Record)]
struct Order {
    item: Item,
}

fn main() {}
