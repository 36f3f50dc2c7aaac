//! JSON of a generic record whose part is known to be a record, and no more.

use millstream::{connectors::json, prelude::*};

#[derive(Record)]
struct Tagged<T> {
    tag: u64,
    value: T,
}

fn write<T: Record>(tagged: &Tagged<T>, out: &mut Vec<u8>) {
    let _ = json::format::<Tagged<T>>(tagged.view(), out);
}

fn main() {}
