//! JSON of a map whose keys are no text.

use std::collections::BTreeMap;

use millstream::{connectors::json, prelude::*};

#[derive(Record)]
struct Rates {
    by_pair: BTreeMap<(String, String), f64>,
}

fn main() {
    let rates = Rates { by_pair: BTreeMap::new() };
    let _ = json::format::<Rates>(rates.view(), &mut Vec::new());
}
