//! What things of the control plane are called: one type for each kind of number, so that none is taken for another.

use std::{fmt, num::NonZeroU64};

use serde::{Deserialize, Serialize};

/// Which leader: the number of its claim in the log, so a later leader has a higher one. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Epoch(NonZeroU64);

impl Epoch {
    /// The leader whose claim has this number; `None` for 0, which no entry of the log has.
    pub(crate) fn new(claim: u64) -> Option<Self> {
        NonZeroU64::new(claim).map(Self)
    }

    /// The number of the claim.
    pub(crate) fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A job. It keeps its id through restarts, rescaling and changes of the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct JobId(pub(crate) u128);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// One try to run a region of a job. Later ones are greater, also those of a later leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct AttemptId {
    /// The leader that began it.
    pub(crate) epoch: Epoch,
    /// Ascends within a job and epoch, from 1.
    pub(crate) number: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.number)
    }
}

/// A TaskManager process. Each draws its own when it starts, so one that comes back is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct TaskManagerId(pub(crate) u128);

impl fmt::Display for TaskManagerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A connection between two processes, as the one end numbers its own: later ones have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// A slot of a TaskManager, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct SlotIndex(pub(crate) u32);

/// A slot of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SlotId {
    pub(crate) taskmanager: TaskManagerId,
    pub(crate) slot: SlotIndex,
}

/// A chain of a job, by its number in the job's graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Vertex(pub(crate) u32);

/// A subtask of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct SubtaskId {
    pub(crate) vertex: Vertex,
    /// From 0, below the parallelism of the vertex.
    pub(crate) subtask: u32,
}

impl fmt::Display for SubtaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "vertex {}, subtask {}", self.vertex.0, self.subtask)
    }
}

/// A subtask by its number in the whole job, from 0: those of the first vertex come first. What the checkpoint coordinator calls a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TaskIndex(pub(crate) usize);

/// A part of a job that fails and restarts as a whole, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RegionId(pub(crate) usize);

/// Somebody who waits for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RequestId(pub(crate) u64);
