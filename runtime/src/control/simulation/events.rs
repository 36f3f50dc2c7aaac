//! What may happen in the world.

use std::sync::Arc;

use millstream_state::manifest::CheckpointKind;

use super::{
    network::{Node, Packet},
    tasks::{Place, Step},
};
use crate::control::{
    ids::{AttemptId, ConnectionId, JobId},
    job::machine::{Input, Parallelism},
    message::TaskRef,
    topology::Topology,
};

#[derive(Debug, Clone)]
pub(super) enum Event {
    /// A TaskManager process has started.
    Begin(Node),
    /// A process is woken, if it still wants to be at this time.
    Wake(Node, u64),
    /// A standby looks whether there is a leader.
    Look(Node),
    /// A new leader has read which jobs there are.
    Adopt(Node),
    /// A TaskManager looks for the leader.
    FindLeader(Node),
    Deliver {
        connection: ConnectionId,
        to: Node,
        packet: Packet,
    },
    /// One end finds out that the other is gone.
    Close {
        connection: ConnectionId,
        end: Node,
    },
    Task {
        worker: Node,
        place: Place,
        step: Step,
    },
    /// Something is on its way to a task that was not there.
    Flow {
        place: Place,
        step: Step,
        tries: u32,
    },
    /// The driver of a leader has done something.
    Driver {
        manager: Node,
        done: Done,
    },
    /// Somebody submits a job, again and again until there is a leader that has it.
    Offer(JobId),
    /// Somebody asks something of a job.
    Ask,
    Fault(Fault),
    Revive(Node),
    Heal {
        from: Node,
        to: Node,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    KillWorker,
    KillManager,
    /// A link is cut, in one direction or both.
    Cut,
}

/// What the driver of a leader does: at this moment it happens to the log, the sinks or the graph.
#[derive(Debug, Clone)]
pub(super) enum Done {
    Recover {
        job: JobId,
        attempt: AttemptId,
    },
    Create {
        job: JobId,
        checkpoint: u64,
        kind: CheckpointKind,
        tasks: Vec<TaskRef>,
        topology: Arc<Topology>,
        fails: bool,
    },
    Commit {
        job: JobId,
        checkpoint: u64,
        fails: bool,
    },
    Rebuild {
        job: JobId,
        parallelism: Parallelism,
        fails: bool,
    },
    /// The leader finds out that it is none.
    Deposed,
    /// An answer on its way to the leader.
    Answer {
        job: JobId,
        input: Input,
    },
}
