//! The runtime of Millstream: typed streams become a graph of chains, which run as tasks connected by exchanges.

mod alignment;
mod annotated;
pub mod async_io;
mod attempt;
mod bad_record;
#[doc(hidden)]
pub mod bench;
pub mod by_key;
pub mod checkpoint;
pub mod cli;
pub mod cluster;
pub(crate) mod control;
pub mod env;
pub mod event_time;
mod exchange;
pub mod failure;
pub mod graph;
pub mod joins;
pub mod launch;
pub mod local;
pub mod metrics;
pub mod operator;
pub mod operators;
pub mod process;
pub mod registry;
pub(crate) mod rest;
pub mod restart;
pub mod settings;
pub mod sink;
pub mod source;
pub mod stream;
mod task;
pub mod windows;

pub use exchange::output::Output;
pub use task::{
    context::{ChainContext, OpenContext},
    head::{Background, BatchCursor, Head, NoInput, One, Ports, Progress, TaskContext, Two},
};
