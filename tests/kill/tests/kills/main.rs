//! Processes that are killed, and go on: their committed output holds every result once. `MILLSTREAM_TEST_BUDGET=full` kills many more.
#![allow(clippy::disallowed_methods, reason = "the tests start processes, and look at what they leave")]

mod campaign;
mod faults;
#[path = "../shared/input.rs"]
mod input;
mod memory;
mod object_store;
#[path = "../shared/output.rs"]
mod output;
mod random;
mod steps;
mod wrong;
