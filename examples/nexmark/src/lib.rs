//! The Nexmark benchmark: a stream of events from an auction house ([`Nexmark`] makes them), and questions about it ([`queries`]).
//!
//! `cargo run --release -p millstream-nexmark -- run q1` answers one; `--help` says what it takes.

pub mod event;
pub mod generator;
pub mod queries;

pub use event::{Auction, Bid, Event, Person};
pub use generator::Nexmark;
