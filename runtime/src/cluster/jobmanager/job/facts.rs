//! [`Facts`]: what has to be known of a job's graph, for control and for those who look; and how a graph is built.

use std::collections::{BTreeMap, BTreeSet};

use millstream_state::{location::Location, remote::ObjectStoreSettings};

use super::super::archive::JobRecord;
use crate::{
    attempt::{chain_names, report::parallelism, wires::connected},
    cluster::spec::{JobSpec, Jobs, SharedGraph, locked, vertex_key},
    control::{
        Vertex,
        job::machine::{JobSettings, SLOT_TIMEOUT},
        topology::{Topology, VertexInfo},
    },
    failure::Failure,
    graph::{JobGraph, VertexId},
    restart::RestartStrategy,
    task::contain::contain,
};

/// What has to be known of a job's graph.
#[derive(Debug)]
pub(crate) struct Facts {
    /// Its vertices, as they are shown.
    pub(crate) shown: Vec<Shown>,
    /// How many members each alignment group has.
    pub(crate) groups: BTreeMap<String, u32>,
    /// Where its savepoints go unless it is said.
    pub(crate) savepoints: Option<Location>,
    /// How object stores are reached.
    pub(crate) object_store: ObjectStoreSettings,
    /// The files of the user's source that its operators stand in.
    pub(super) files: Vec<&'static str>,
    /// How many subtasks every operator has, by its id.
    pub(super) parallelism: BTreeMap<String, u32>,
}

impl Facts {
    pub(super) fn of(graph: &JobGraph, spec: &JobSpec) -> Self {
        Self {
            shown: shown(graph, spec),
            groups: groups(graph),
            savepoints: graph.settings.checkpoints.savepoints.clone(),
            object_store: graph.settings.checkpoints.object_store.clone(),
            files: graph.files(),
            parallelism: parallelism(graph),
        }
    }
}

/// What is known of a vertex.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// What it is called where its number of subtasks is said.
    pub(crate) key: String,
    /// Its number of subtasks is said by the job's code, and no setting changes it.
    pub(crate) is_fixed: bool,
    pub(crate) max_parallelism: u32,
    pub(crate) operators: Vec<String>,
}

/// A graph that was built, and what control has to know of it.
pub(crate) struct Built {
    pub(crate) graph: SharedGraph,
    pub(crate) topology: Topology,
    pub(crate) settings: JobSettings,
}

/// Builds a job. It may block.
pub(crate) fn build(record: &JobRecord, jobs: &dyn Jobs) -> Result<Built, Failure> {
    let shared = contain(|| record.spec.build(jobs)).and_then(|graph| graph)?;
    let graph = locked(&shared);
    let topology = topology(&graph).map_err(Failure::new)?;
    let checkpoints = graph.has_checkpoints().then(|| graph.settings.checkpoints.clone());
    let default = if checkpoints.is_some() { RestartStrategy::EXPONENTIAL_DELAY } else { RestartStrategy::None };
    let restart = graph.settings.restart.clone().unwrap_or(default);
    drop(graph);
    let is_attended = jobs.attendance().is_some();
    let settings = JobSettings { checkpoints, restart, slot_timeout: SLOT_TIMEOUT, is_attended };
    Ok(Built { graph: shared, topology, settings })
}

/// What control knows of a graph.
fn topology(graph: &JobGraph) -> Result<Topology, String> {
    let (names, groups) = (chain_names(graph), graph.slot_sharing_groups());
    let numbers: BTreeSet<_> = groups.iter().copied().collect();
    let numbers: BTreeMap<_, _> = numbers.into_iter().zip(0..).collect();
    let vertices = names.into_iter().enumerate().map(|(id, name)| VertexInfo {
        name,
        parallelism: graph.parallelism(VertexId(id)) as u32,
        group: numbers[groups[id]],
        connected: connected(graph, VertexId(id)) as u32,
    });
    let edges = graph.edges.iter().map(|edge| (Vertex(edge.from.0 as u32), Vertex(edge.to.0 as u32)));
    Topology::new(vertices.collect(), edges.collect())
}

/// How many members each alignment group of a graph has.
fn groups(graph: &JobGraph) -> BTreeMap<String, u32> {
    let mut groups = BTreeMap::new();
    for (id, vertex) in graph.vertices.iter().enumerate() {
        if let Some(alignment) = &vertex.alignment {
            *groups.entry(alignment.group().to_owned()).or_default() += graph.parallelism(VertexId(id)) as u32;
        }
    }
    groups
}

/// What is known of the vertices of a graph.
fn shown(graph: &JobGraph, spec: &JobSpec) -> Vec<Shown> {
    let of_vertex = |id: usize| Shown {
        key: vertex_key(graph, VertexId(id)),
        is_fixed: graph.vertices[id].parallelism.is_some() && !spec.overrides(graph, VertexId(id)),
        max_parallelism: graph.max_parallelism(VertexId(id)),
        operators: graph.vertices[id].operators.iter().map(|info| info.id_or_name()).collect(),
    };
    (0..graph.vertices.len()).map(of_vertex).collect()
}
