//! A map whose entries cannot be told apart.

use millstream::prelude::*;

#[derive(State, Default)]
struct Session {
    logins: u64,
    prices: MapState<f64, u64>,
}

fn main() {}
