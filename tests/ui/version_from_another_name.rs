//! The version before is stored under another name.

use millstream::prelude::*;

#[derive(Record)]
struct CartV1 {
    items: Vec<u64>,
}

#[derive(Record)]
#[record(version = 2, from = CartV1)]
struct Cart {
    items: Vec<String>,
}

impl From<CartV1> for Cart {
    fn from(_: CartV1) -> Self {
        Self { items: Vec::new() }
    }
}

fn main() {}
