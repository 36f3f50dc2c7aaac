//! What is looked at before anything is started: whether sources and sinks find their arguments sound, and whether all state of a checkpoint has an owner.

use std::sync::Arc;

use millstream_state::manifest::Manifest;

use super::{
    deploy::Connectors,
    outlook::{Fate, Outlook, Prospect, RowTypes},
};
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

/// Refuses a checkpoint with state that nobody would take, unless it may be dropped: it would be lost without a word. Gives the states that are.
pub(crate) fn known_operators(graph: &JobGraph, manifest: &Manifest) -> Result<Vec<String>, Failure> {
    let outlook = Outlook::of(graph, manifest, &RowTypes::new());
    let checkpoint = manifest.checkpoint;
    let mut dropped = Vec::new();
    for Prospect { operator, state, fate, detail, repair } in outlook.prospects {
        let (state, repair) = (state.unwrap_or_default(), repair.unwrap_or_default());
        let what = format!("checkpoint {checkpoint} has state `{state}` of operator `{operator}`: {detail}");
        match fate {
            Fate::Restored | Fate::Migrated | Fate::Empty => {}
            Fate::Dropped if graph.settings.checkpoints.allow_dropped_state => {
                dropped.push(format!("{operator}: {state}"))
            }
            Fate::Dropped => {
                let hint = format!("{repair}, drop it with `--allow-dropped-state`, or begin anew with `--fresh`");
                return Err(Failure::new(what).with_hint(hint));
            }
            Fate::Refused => return Err(Failure::new(what).with_hint(repair)),
        }
    }
    Ok(dropped)
}
