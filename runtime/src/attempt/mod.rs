//! What an attempt to run a job consists of, whoever drives it and wherever its tasks run: its tasks and their channels, its sinks, and the store of its
//! checkpoints.

pub(crate) mod check;
pub(crate) mod deploy;
pub(crate) mod edges;
pub(crate) mod outlook;
pub(crate) mod report;
pub(crate) mod savepoint;
pub(crate) mod segments;
pub(crate) mod sinks;
pub(crate) mod store;
pub(crate) mod wires;

use std::collections::HashMap;

use crate::graph::{JobGraph, Vertex};

/// The names of the chains, each made unique.
pub(crate) fn chain_names(graph: &JobGraph) -> Vec<String> {
    let mut seen = HashMap::<String, usize>::new();
    let name = |vertex: &Vertex| {
        let name = vertex.name();
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name} #{count}") }
    };
    graph.vertices.iter().map(name).collect()
}
