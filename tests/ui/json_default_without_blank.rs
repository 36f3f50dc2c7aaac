//! A field that may be missing, and nothing says what it is then.

use millstream::{connectors::json, document::Scratch, prelude::*};

#[derive(Record)]
enum Side {
    Buy,
    Sell,
}

#[derive(Record)]
struct Order {
    #[record(default)]
    side: Side,
}

fn main() {
    let _ = json::parse::<Order>(b"{}", &mut Scratch::new());
}
