//! What the benches share: a ratio measured in one run, a copy through a socket, test data, a sink that adds up, and a way to run a job.
#![allow(
    clippy::disallowed_methods,
    reason = "benches stand outside of the engine: they read clocks and files themselves"
)]

pub mod bid;
pub mod compare;
pub mod keyed_count;
pub mod larger;
pub mod nexmark;
mod ratio;
pub mod raw_socket;
mod run;
pub mod seconds;
pub mod spilling;
mod tally;

pub use ratio::{Ratio, print_ratio, wanted};
pub use run::{Machine, settings};
pub use tally::{Tally, tally};
