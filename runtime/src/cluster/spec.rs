//! [`JobSpec`]: what a job is, as data: enough for every process of the cluster to build the same graph, since all of them run the same binary.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millstream_state::{location::Location, remote::ObjectStoreSettings};
use serde::{Deserialize, Serialize};

use super::attendance::Attendance;
use crate::{
    failure::Failure,
    graph::{JobGraph, VertexId},
};

/// A job of the binary, with all that was given to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobSpec {
    /// The name of its function.
    pub(crate) job: String,
    /// Its own arguments, as words.
    pub(crate) args: Vec<String>,
    /// Settings by key, as they are written on the command line, that the job starts from: what its code sets wins over them.
    pub(crate) defaults: BTreeMap<String, String>,
    /// Settings by key that win over the job's code.
    pub(crate) settings: BTreeMap<String, String>,
    /// How many subtasks chains have, by [`vertex_key`]; wins over settings and code.
    pub(crate) parallelism: BTreeMap<String, u32>,
}

/// What TaskManagers are told to start the tasks of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StartInfo {
    pub(crate) spec: JobSpec,
    /// Tells the job's run from all others: see [`ConnectorContext::run`](crate::source::ConnectorContext::run).
    pub(crate) run: u64,
    /// Tells the attempt from all others: see [`ConnectorContext::attempt`](crate::source::ConnectorContext::attempt).
    pub(crate) attempt: u64,
    /// Where checkpoints are, if the job makes any.
    pub(crate) checkpoints: Option<StoreInfo>,
}

/// Where the checkpoints of a job are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoreInfo {
    pub(crate) location: Location,
    pub(crate) object_store: ObjectStoreSettings,
    /// The claim that segments are written under.
    pub(crate) claim: u64,
    /// The entry of the checkpoint to go on from.
    pub(crate) entry: Option<u64>,
    /// The savepoint to go on from, instead of an entry.
    pub(crate) from: Option<Location>,
    /// Segments that are there already are not to be built upon.
    pub(crate) wants_full: bool,
}

/// The jobs that a process can build. May block: called off the threads that run tasks.
pub(crate) trait Jobs: Send + Sync {
    /// Builds a job's graph, without [`JobSpec::parallelism`].
    ///
    /// # Errors
    ///
    /// What is wrong with the job, its arguments or its settings.
    fn build(&self, spec: &JobSpec) -> Result<SharedGraph, String>;

    /// What the jobs share with whoever has started them, if that is in this process.
    fn attendance(&self) -> Option<&Attendance> {
        None
    }
}

/// A job's graph, for all that is made of it in this process. It is locked while nothing is waited for.
pub(crate) type SharedGraph = Arc<Mutex<JobGraph>>;

/// A graph, for the moment.
pub(crate) fn locked(graph: &SharedGraph) -> MutexGuard<'_, JobGraph> {
    // What a graph is made of does not change, whatever panics when something is made of it.
    graph.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobSpec {
    /// The graph as it is to run.
    ///
    /// # Errors
    ///
    /// What is wrong with the job, its arguments or its settings.
    pub(crate) fn build(&self, jobs: &dyn Jobs) -> Result<SharedGraph, Failure> {
        let shared = jobs.build(self).map_err(Failure::new)?;
        let mut graph = locked(&shared);
        for (operator, parallelism) in &self.parallelism {
            let id = self.vertex(&graph, operator)?;
            let most = graph.max_parallelism(id);
            if *parallelism == 0 || *parallelism > most {
                let what = format!(
                    "`{operator}` cannot have {parallelism} subtasks: from 1 to {most}, its number of key groups"
                );
                return Err(Failure::new(what));
            }
            graph.vertices[id.0].parallelism = Some(*parallelism as usize);
        }
        drop(graph);
        Ok(shared)
    }

    /// True if the number of subtasks of a chain is said here.
    pub(crate) fn overrides(&self, graph: &JobGraph, id: VertexId) -> bool {
        self.parallelism.contains_key(&vertex_key(graph, id))
    }

    /// The chain of a key.
    fn vertex(&self, graph: &JobGraph, operator: &str) -> Result<VertexId, Failure> {
        let is_it = |id: usize| {
            let mut operators = graph.vertices[id].operators.iter();
            operators.any(|info| info.id_or_name() == operator || info.name == operator)
        };
        if let Some(number) = operator.strip_prefix('#').and_then(|number| number.parse().ok())
            && number < graph.vertices.len()
        {
            return Ok(VertexId(number));
        }
        match *(0..graph.vertices.len()).filter(|id| is_it(*id)).collect::<Vec<_>>() {
            [id] => Ok(VertexId(id)),
            [] => {
                let known = graph.vertices.iter().flat_map(|vertex| &vertex.operators);
                let known: Vec<_> = known.map(|info| format!("`{}`", info.id_or_name())).collect();
                let what = format!("job `{}` has no operator `{operator}`", self.job);
                Err(Failure::new(what).with_hint(format!("it has {}", known.join(", "))))
            }
            _ => {
                let what = format!("several operators of job `{}` are called `{operator}`", self.job);
                Err(Failure::new(what).with_hint("give them ids by `.uid(..)`, and name those"))
            }
        }
    }
}

/// What a chain is called where its number of subtasks is said: the id of an operator that no other chain has, or else its number in the graph.
pub(crate) fn vertex_key(graph: &JobGraph, id: VertexId) -> String {
    let count = |key: &str| {
        graph.vertices.iter().flat_map(|vertex| &vertex.operators).filter(|info| info.id_or_name() == key).count()
    };
    let own = graph.vertices[id.0].operators.iter().map(|info| info.id_or_name());
    own.into_iter().find(|key| count(key) == 1).unwrap_or_else(|| format!("#{}", id.0))
}
