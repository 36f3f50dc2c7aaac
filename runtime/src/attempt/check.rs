//! What is looked at before anything is started: whether sources and sinks find their arguments sound, and whether all state of a checkpoint has an owner.

use std::sync::Arc;

use millstream_state::manifest::Manifest;

use super::deploy::Connectors;
use crate::{
    cluster::spec::{SharedGraph, locked},
    env::blocking,
    failure::Failure,
    graph::{JobGraph, OperatorInfo, VertexId},
    task::contain::contain,
};

/// Lets sources and sinks look for mistakes.
///
/// # Errors
///
/// The first mistake, with its operator.
pub(crate) async fn connectors(graph: &SharedGraph, connectors: &Connectors<'_>) -> Result<(), Failure> {
    let contexts: Vec<_> = {
        let graph = locked(graph);
        let of_vertex = |id: usize| {
            let vertex = &graph.vertices[id];
            let connector = |operator| connectors.context(&graph, VertexId(id), operator);
            (connector(vertex.operators.first()), connector(vertex.last_operator()))
        };
        (0..graph.vertices.len()).map(of_vertex).collect()
    };
    let graph = Arc::clone(graph);
    blocking(&**connectors.env, move || {
        for (vertex, (source_cx, sink_cx)) in locked(&graph).vertices.iter().zip(&contexts) {
            let blame = |failure: Failure, operator: Option<&OperatorInfo>| match operator {
                Some(operator) => failure.at_operator(&operator.to_string(), Some(operator.location)),
                None => failure,
            };
            if let Some(source) = &vertex.source {
                let result = contain(|| source.check(source_cx)).and_then(|result| result);
                result.map_err(|failure| blame(failure, vertex.operators.first()))?;
            }
            if let Some(sink) = &vertex.sink {
                let result = contain(|| sink.check(sink_cx)).and_then(|result| result);
                result.map_err(|failure| blame(failure, vertex.last_operator()))?;
            }
        }
        Ok(())
    })
    .await
}

/// Refuses a checkpoint with state that nobody would take, unless it may be dropped: it would be lost without a word. Gives the operators whose state is.
pub(crate) fn known_operators(graph: &JobGraph, manifest: &Manifest) -> Result<Vec<String>, Failure> {
    let mut dropped = Vec::new();
    let operators =
        || {
            graph.vertices.iter().enumerate().flat_map(|(id, vertex)| {
                vertex.operators.iter().map(move |operator| (VertexId(id), operator.id_or_name()))
            })
        };
    for state in &manifest.operators {
        let Some((vertex, _)) = operators().find(|(_, id)| *id == state.id) else {
            if graph.settings.checkpoints.allow_dropped_state {
                dropped.push(state.id.clone());
                continue;
            }
            return Err(Failure::new(format!(
                "checkpoint {} has state of operator `{}`, which the job does not have",
                manifest.checkpoint, state.id
            ))
            .with_hint(format!(
                "give the operator that is to have it `.uid(\"{}\")`, drop the state with `--allow-dropped-state`, or begin anew with `--fresh`",
                state.id
            )));
        };
        let groups = graph.max_parallelism(vertex);
        if let Some(part) = state.keyed.iter().find(|part| part.groups.of != groups) {
            return Err(Failure::new(format!(
                "checkpoint {} has the keys of operator `{}` in {} key groups, and the job now has {groups}",
                manifest.checkpoint, state.id, part.groups.of
            ))
            .with_hint(format!("set its max_parallelism to {} again: it cannot change", part.groups.of)));
        }
    }
    Ok(dropped)
}
