//! What subtasks have acknowledged of a checkpoint, put together to what its manifest says.

use std::{collections::BTreeMap, future::Future};

use futures::future::join_all;
use millstream_state::manifest::{KeyedPart, OperatorState, ValuePart};

use crate::{
    checkpoint::subtask::OperatorReport,
    failure::Failure,
    graph::{JobGraph, VertexId},
};

/// What a subtask has of an operator.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) operator: String,
    pub(crate) keyed: Vec<KeyedPart>,
    pub(crate) values: Vec<ValuePart>,
}

impl Part {
    /// How much of it is new, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let values: usize = self.values.iter().map(|part| part.bytes.len()).sum();
        // Of a chain of segments only the last is new.
        let keyed = self.keyed.iter().filter_map(|part| part.segments.last()).map(|segment| segment.bytes);
        values as u64 + keyed.sum::<u64>()
    }
}

/// Waits until the rows of a snapshot are stored.
pub(crate) async fn stored(operators: Vec<(String, OperatorReport)>) -> Result<Vec<Part>, Failure> {
    all(operators.into_iter().map(|(operator, report)| async move {
        let keyed = all(report.uploads).await?;
        Ok(Part { operator, keyed, values: report.values })
    }))
    .await
}

/// Waits for all of these, which go on side by side. Also if one fails: other uploads are part of the next checkpoint, or clear up behind themselves.
async fn all<T>(parts: impl IntoIterator<Item = impl Future<Output = Result<T, Failure>>>) -> Result<Vec<T>, Failure> {
    join_all(parts).await.into_iter().collect()
}

/// The number of subtasks of every operator of a job, by its id.
pub(crate) fn parallelism(graph: &JobGraph) -> BTreeMap<String, u32> {
    let of_vertex = |id: usize| {
        let parallelism = graph.parallelism(VertexId(id)) as u32;
        graph.vertices[id].operators.iter().map(move |operator| (operator.id_or_name(), parallelism))
    };
    (0..graph.vertices.len()).flat_map(of_vertex).collect()
}

/// The states of a job's operators, as they come in.
#[derive(Debug, Default)]
pub(crate) struct Gathered(BTreeMap<String, OperatorState>);

impl Gathered {
    /// Adds what a subtask has. `parallelism` as [`parallelism`] says.
    pub(crate) fn add(&mut self, parts: Vec<Part>, parallelism: &BTreeMap<String, u32>) {
        for Part { operator, keyed, values } in parts {
            let parallelism = parallelism.get(&operator).copied().unwrap_or(1);
            let state = self.0.entry(operator.clone()).or_insert_with(|| OperatorState {
                id: operator,
                parallelism,
                keyed: Vec::new(),
                values: Vec::new(),
            });
            state.keyed.extend(keyed);
            state.values.extend(values);
        }
    }

    /// What the manifest says, by operator.
    pub(crate) fn into_operators(self) -> Vec<OperatorState> {
        self.0.into_values().collect()
    }
}
