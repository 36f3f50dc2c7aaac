//! A key record with a float in it.

use millstream::prelude::*;

#[derive(Record)]
#[record(key)]
struct Place {
    latitude: f64,
    longitude: f64,
}

fn main() {}
