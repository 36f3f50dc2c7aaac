//! Clusters of real processes, to which things happen. `MILLSTREAM_TEST_BUDGET=full` lets more happen.
#![allow(clippy::disallowed_methods, reason = "the tests start processes, and look at what they leave")]

mod chaos;
mod cluster;
mod commands;
mod deposed;
mod events;
mod faults;
mod hostile;
mod hosts;
#[path = "../shared/input.rs"]
mod input;
mod leaving;
mod namespaces;
#[path = "../shared/output.rs"]
mod output;
mod panics;
mod ports;
mod process;
mod proxy;
mod rest;
mod retention;
mod takeover;
mod together;
mod waiting;

use std::io::{self, Write};

/// Tells something past the harness, which keeps to itself what a test that succeeds prints.
fn tell(what: &str) {
    let _ = writeln!(io::stderr().lock(), "{what}");
}
