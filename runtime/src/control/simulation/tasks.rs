//! Tasks as a TaskManager runs them: they start, pass barriers along the edges of their job, fail, hang, and end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millstream_state::manifest::CheckpointKind;

use crate::control::{
    ids::{JobId, SubtaskId, Vertex},
    message::TaskRef,
    topology::Topology,
};

/// A task that is there.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) topology: Arc<Topology>,
    pub(super) running: bool,
    pub(super) cancelled: bool,
    /// It does nothing any more, but it can be cancelled.
    pub(super) stuck: bool,
    /// From whom the barrier of a checkpoint has come.
    pub(super) barriers: BTreeMap<u64, BTreeSet<SubtaskId>>,
    /// From whom nothing comes any more.
    pub(super) ended: BTreeSet<SubtaskId>,
    pub(super) finishing: bool,
    pub(super) requests: u64,
}

impl Task {
    pub(super) fn new(topology: Arc<Topology>) -> Self {
        Self {
            topology,
            running: false,
            cancelled: false,
            stuck: false,
            barriers: BTreeMap::new(),
            ended: BTreeSet::new(),
            finishing: false,
            requests: 0,
        }
    }

    /// The subtasks that send to one.
    pub(super) fn inputs(&self, of: SubtaskId) -> Vec<SubtaskId> {
        let edges = self.topology.edges().iter().filter(|(_, to)| *to == of.vertex);
        edges.flat_map(|(from, _)| subtasks(&self.topology, *from)).collect()
    }

    /// The subtasks that one sends to.
    pub(super) fn outputs(&self, of: SubtaskId) -> Vec<SubtaskId> {
        let edges = self.topology.edges().iter().filter(|(from, _)| *from == of.vertex);
        edges.flat_map(|(_, to)| subtasks(&self.topology, *to)).collect()
    }
}

fn subtasks(topology: &Topology, vertex: Vertex) -> impl Iterator<Item = SubtaskId> + use<> {
    (0..topology.vertex(vertex).parallelism).map(move |subtask| SubtaskId { vertex, subtask })
}

/// Something that a task does after a while.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Start,
    Fail,
    Stick,
    Drain,
    AskForSplit,
    /// A barrier has come from another task.
    Barrier {
        from: SubtaskId,
        checkpoint: u64,
        kind: CheckpointKind,
    },
    /// It passes a barrier on.
    Pass {
        checkpoint: u64,
        kind: CheckpointKind,
    },
    Decline {
        checkpoint: u64,
    },
    /// Another task has ended.
    EndOf(SubtaskId),
    /// It ends well.
    End,
    /// It has been told to end, and does.
    Stop,
}

/// Which task of which worker.
pub(super) type Place = (JobId, TaskRef);
