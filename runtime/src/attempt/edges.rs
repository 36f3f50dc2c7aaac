//! Edges by name: how what was on its way between tasks is found again in the graph of the next attempt.

use std::{collections::HashMap, sync::Arc};

use millstream_state::manifest::{ChannelEnd, ChannelPart, Manifest};

use super::{chain_names, segments::Segments};
use crate::{
    checkpoint::channels::{CHANGED_HINT, EdgeName, Replay, ReplayedEdge, Reroute},
    failure::Failure,
    graph::{Edge, EdgeKind, JobGraph, VertexId},
};

/// What is known of the edges of a job, by their numbers: the chains at their ends, and which of several between the same it is.
pub(crate) fn edge_names(graph: &JobGraph) -> Arc<[EdgeName]> {
    let chains = chain_names(graph);
    let mut seen = HashMap::<String, usize>::new();
    let name = |Edge { from, to, kind, record, .. }: &Edge| {
        let mut edge = format!("{} -> {}", chains[from.0], chains[to.0]);
        let count = seen.entry(edge.clone()).or_default();
        *count += 1;
        if *count > 1 {
            edge = format!("{edge} #{count}");
        }
        let [senders, receivers] = [*from, *to].map(|vertex| graph.parallelism(vertex) as u32);
        EdgeName { edge, kind: kind.to_string(), record: record.clone(), senders, receivers }
    };
    graph.edges.iter().map(name).collect()
}

/// True if a barrier may overtake what is on its way over an edge: if that can be given to other numbers of subtasks, too.
///
/// Semantics: Apache Flink, "Checkpointing under backpressure", "Certain data distribution patterns": not where subtasks are connected one to one or in groups, since nobody can
/// say for which it would be then; and not where each record goes to all, who would have come to different points.
pub(crate) fn may_overtake(edge: &Edge) -> bool {
    match edge.kind {
        EdgeKind::Partitioned(_) => !edge.reroutes.0.is_empty(),
        EdgeKind::Global => true,
        EdgeKind::Forward | EdgeKind::Rescale | EdgeKind::Broadcast => false,
    }
}

/// Finds the edge that something was on its way over.
fn find(names: &[EdgeName], part: &ChannelPart) -> Result<usize, Failure> {
    let Some(number) = names.iter().position(|name| name.edge == part.edge) else {
        let what =
            format!("the checkpoint has records on their way over `{}`, and the job has no such edge", part.edge);
        return Err(Failure::new(what).with_hint(CHANGED_HINT));
    };
    let EdgeName { kind, record, .. } = &names[number];
    let (was, is) = match (*kind == part.kind, *record == part.record) {
        (true, true) => return Ok(number),
        (false, _) => (&part.kind, kind),
        (true, false) => (&part.record, record),
    };
    let what =
        format!("the checkpoint has records on their way over `{}`, which was `{was}` and is `{is}` now", part.edge);
    Err(Failure::new(what).with_hint(CHANGED_HINT))
}

/// Refuses a checkpoint with records on their way that the job has no place for.
///
/// # Errors
///
/// Names the edge, and what to do.
pub(crate) fn check(graph: &JobGraph, manifest: &Manifest) -> Result<(), Failure> {
    let names = edge_names(graph);
    manifest.channels.iter().try_for_each(|part| find(&names, part).map(drop))
}

/// What was on its way to a subtask at a checkpoint; `None` if that is nothing.
///
/// # Errors
///
/// As [`check`].
pub(crate) fn replay(
    graph: &JobGraph,
    names: &[EdgeName],
    (vertex, subtask): (VertexId, usize),
    manifest: &Manifest,
    segments: &Arc<Segments>,
) -> Result<Option<Replay>, Failure> {
    let mut edges = Vec::<ReplayedEdge>::new();
    for part in &manifest.channels {
        let number = find(names, part)?;
        let (edge, name) = (&graph.edges[number], &names[number]);
        if edge.to != vertex {
            continue;
        }
        let as_many = part.receivers == name.receivers;
        let of_others = part.end == ChannelEnd::Receiver && part.subtask != subtask as u32;
        if as_many && of_others || edge.kind == EdgeKind::Global && subtask > 0 {
            continue;
        }
        let receivers = (name.receivers as usize, graph.max_parallelism(vertex));
        let reroute = |(port, reroute): &(u8, Reroute)| (*port, reroute(subtask, receivers.0, receivers.1));
        let reroutes = !as_many && edge.kind != EdgeKind::Global;
        let reroutings = reroutes.then(|| edge.reroutes.0.iter().map(reroute).collect());
        match edges.iter_mut().find(|edge| edge.number == number) {
            Some(edge) => edge.parts.push(part.clone()),
            None => edges.push(ReplayedEdge { number, name: name.clone(), parts: vec![part.clone()], reroutings }),
        }
    }
    for edge in &mut edges {
        edge.parts.sort_by_key(|part| (part.end, part.subtask));
    }
    let segments = Arc::clone(segments);
    Ok((!edges.is_empty()).then_some(Replay { segments, edges, subtask }))
}
