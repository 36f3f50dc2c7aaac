//! The checks that need the whole graph: what the types of single streams cannot say.

use std::collections::HashMap;

use super::{JobGraph, OperatorInfo, SINK, VertexId};
use crate::settings::{check_max_parallelism, check_parallelism};

/// The message for a stream that ends nowhere.
pub(crate) fn no_sink(last: Option<&OperatorInfo>) -> String {
    match last {
        Some(operator) => format!(
            "{}: the stream behind `{operator}` reaches no sink, so nothing would come of it: end it with `.sink(..)`, or remove it",
            operator.location
        ),
        None => "a branch of a stream reaches no sink, so nothing would come of it: end each branch with `.sink(..)`, or remove it".into(),
    }
}

/// Checks a graph whose chains all have an end.
pub(crate) fn graph(graph: &JobGraph, mistakes: &mut Vec<String>) {
    if let Err(mistake) = graph.settings.check() {
        mistakes.push(mistake);
    }
    if let (Some(from), false) = (&graph.settings.checkpoints.from, graph.has_checkpoints()) {
        mistakes.push(match graph.keeps_state {
            true => format!(
                "the job begins with the savepoint in {from}, and makes no checkpoints to go on from: say where they are kept, by `--checkpoint-dir`"
            ),
            false => format!(
                "the job is to begin with the savepoint in {from}, but promises best effort, so it restores no state: let its function take a `Job<ExactlyOnce>`"
            ),
        });
    }
    if graph.vertices.is_empty() {
        mistakes.push(format!("job `{}` is empty: begin with `job.source(..)` and end with `.sink(..)`", graph.name));
    }
    // What chains take from the settings has been checked there: one mistake, one message.
    for (id, vertex) in graph.vertices.iter().enumerate() {
        if vertex.parallelism.is_none() && vertex.max_parallelism.is_none() {
            continue;
        }
        let (parallelism, groups) = (graph.parallelism(VertexId(id)), graph.max_parallelism(VertexId(id)));
        if let Err(mistake) = check_max_parallelism(groups).and_then(|()| check_parallelism(parallelism, groups)) {
            mistakes.push(format!("chain `{}`: {mistake}", vertex.name()));
        }
    }
    ids(graph, mistakes);
}

/// Every stateful operator needs an id of its own, or its state could not be found again after a change of the job.
fn ids(graph: &JobGraph, mistakes: &mut Vec<String>) {
    let mut seen: HashMap<String, &OperatorInfo> = HashMap::new();
    for operator in graph.vertices.iter().flat_map(|vertex| &vertex.operators) {
        if !operator.stateful {
            continue;
        }
        // Without state to restore, only ids that somebody wrote down can be wrong.
        let Some(id) = operator.id().filter(|_| graph.keeps_state || operator.uid.is_some()) else {
            if graph.keeps_state {
                mistakes.push(format!(
                    "{}: the stateful operator `{operator}` has no name to find its state again by: {}",
                    operator.location,
                    add_uid(operator, operator.kind, 1)
                ));
            }
            continue;
        };
        if let Some(first) = seen.get(&id) {
            mistakes.push(format!(
                "{}: two stateful operators have the id `{id}`, the other one at {}: {}",
                operator.location,
                first.location,
                add_uid(operator, &id, 2)
            ));
        } else {
            seen.insert(id, operator);
        }
    }
}

/// How to give an operator an id of its own. Nothing comes behind a sink, so that gets it in its parentheses.
fn add_uid(operator: &OperatorInfo, id: &str, number: u8) -> String {
    match operator.kind {
        SINK => format!("give this one an id of its own: `.sink(<sink>.uid(\"{id}-{number}\"))`"),
        _ => format!("add `.uid(\"{id}-{number}\")` behind {}", if number == 1 { "it" } else { "this one" }),
    }
}
