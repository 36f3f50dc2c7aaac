//! The runtime through the facade: chains, time, windows, failures, memory and messages, mostly in simulated environments.
#![allow(clippy::disallowed_methods, reason = "tests stand outside of the engine")]

mod alignment;
mod async_io;
mod branches;
mod by_key;
mod chains;
mod checkpoints;
mod errors;
mod event_time;
mod failures;
mod graphs;
mod guarantees;
mod heads;
mod held_back;
mod held_back_by_clock;
mod interrupted;
mod interrupted_joins;
mod joins;
mod keyed;
mod late_joins;
mod memory;
mod overlapping;
mod panes;
mod process;
mod resources;
mod savepoints;
mod script;
mod sessions;
mod slots;
mod spread;
mod spy;
mod support;
mod thinned;
mod unaligned;
mod windows;
