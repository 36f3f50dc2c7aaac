//! A type of state has another layout than its version has in the lock file; others have a new version, or are not in the file.

use millstream::prelude::*;

#[derive(Record)]
struct Cart {
    items: Vec<u64>,
    note: String,
}

#[derive(Record)]
#[record(rename = "Fine")]
struct FineV1 {
    id: u64,
}

#[derive(Record)]
#[record(version = 2, from = FineV1)]
struct Fine {
    name: String,
}

impl From<FineV1> for Fine {
    fn from(old: FineV1) -> Self {
        Self { name: old.id.to_string() }
    }
}

#[derive(Record)]
struct Known {
    item: Fine,
}

#[derive(Record)]
struct Unknown {
    item: Fine,
}

fn main() {}
