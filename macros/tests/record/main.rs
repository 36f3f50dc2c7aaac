//! `#[derive(Record)]` on every shape of type: each record travels as bytes and comes back the same.

#[path = "../support/mod.rs"]
mod support;

mod attributes;
mod documents;
mod enums;
mod generics;
mod keys;
mod rows;
mod structs;
mod versions;
