//! What the JobManager and the TaskManagers say to each other, as data.
//!
//! ```text
//! TaskManager                                    JobManager
//!     Register {sent}           ---------------->
//!                               <----------------   Registered {sent}
//!     Heartbeat {sent}          ---------------->                            every interval
//!                               <----------------   HeartbeatAnswer {sent, noted}
//!                               <----------------   Deploy                   again and again until
//!     Deployed                  ---------------->                            this comes
//!     Report {seq, ..}          ---------------->                            again and again until `noted` names it
//!                               <----------------   Order: Cancel, Trigger, Complete, Abort, Finish
//!     SplitRequest {request}    ---------------->                            again and again until
//!                               <----------------   SplitAssignment          this comes
//! ```
//!
//! A connection delivers in order until it is closed, but nothing here relies on that: each message may be lost, come late, twice, or in another order.
//! What must arrive is said again, after pauses that grow up to a bound, until it is answered; and whoever takes it does no harm by taking it again. An
//! order to cancel or to finish is answered by the reports that follow from it, one to trigger by acknowledgements. `Complete` and `Abort` are said once:
//! the next checkpoint says the same again.
//!
//! What a checkpoint has of a source relies on order, though: an answer that was given before a checkpoint was triggered must come before the trigger, or its
//! split is in no snapshot. So both go over one connection, and with that connection the TaskManager's tasks end.

use std::sync::Arc;

use bytes::Bytes;
use millstream_state::manifest::CheckpointKind;
use serde::{Deserialize, Serialize};

use super::{
    heartbeats::HeartbeatSettings,
    ids::{AttemptId, Epoch, JobId, SlotIndex, SubtaskId, TaskManagerId},
    job::failure::JobFailure,
};
use crate::{checkpoint::SubtaskReport, env::Instant};

/// A message to a TaskManager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToTaskManager {
    /// The leader that says it.
    pub(crate) epoch: Epoch,
    pub(crate) body: Command,
}

/// A message to a JobManager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToJobManager {
    /// The leader that it is for.
    pub(crate) epoch: Epoch,
    /// Who says it.
    pub(crate) taskmanager: TaskManagerId,
    pub(crate) body: Notification,
}

/// A subtask of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct TaskRef {
    pub(crate) subtask: SubtaskId,
    pub(crate) attempt: AttemptId,
}

/// What a leader says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Command {
    /// The TaskManager's slots may be given tasks from now on.
    Registered {
        /// From the message that this answers.
        sent: Instant,
        /// How to keep in touch.
        heartbeats: HeartbeatSettings,
    },
    /// The leader is there.
    HeartbeatAnswer {
        /// From the message that this answers.
        sent: Instant,
        /// Reports that have arrived.
        noted: Vec<u64>,
    },
    /// Start tasks.
    Deploy(Arc<Deploy>),
    /// Pass something on to tasks.
    Order { job: JobId, order: Order, tasks: Vec<TaskRef> },
    /// What the pool of splits of a source answers to a subtask: a split, that none will come, or how the pool is now.
    SplitAssignment { job: JobId, task: TaskRef, request: u64, payload: Bytes },
}

/// What a TaskManager says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Notification {
    /// It has slots, none of which is in use.
    Register {
        /// When this was said, by its own clock.
        sent: Instant,
        /// How many slots.
        slots: u32,
        /// Where it takes data connections.
        endpoint: Arc<str>,
    },
    /// It is there.
    Heartbeat {
        /// When this was said, by its own clock.
        sent: Instant,
    },
    /// All tasks of a [`Deploy`] have been given to it, or none, for a reason.
    Deployed { job: JobId, attempt: AttemptId, result: Result<(), String> },
    /// Something has become of a task.
    Report {
        /// Ascends, so that the answer can name it.
        seq: u64,
        job: JobId,
        task: TaskRef,
        report: Report,
    },
    /// A subtask of a source wants a split, or to hear when what it knows of the pool is no longer so. `request` ascends for each task, and a newer one takes the
    /// place of the one before.
    SplitRequest { job: JobId, task: TaskRef, request: u64, payload: Bytes },
}

/// The tasks of an attempt that a TaskManager is to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Deploy {
    pub(crate) job: JobId,
    pub(crate) attempt: AttemptId,
    /// The checkpoint to begin with, if there is one.
    pub(crate) restore: Option<u64>,
    /// What is needed to start them; opaque to control.
    pub(crate) payload: Bytes,
    /// Which subtask in which slot.
    pub(crate) tasks: Vec<(SubtaskId, SlotIndex)>,
    /// Where all subtasks of the region are: the same for each TaskManager.
    pub(crate) placement: Arc<Placement>,
}

/// Where the subtasks of a region are, so that channels can be connected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Placement {
    /// The TaskManagers that have some, and where each takes data connections.
    pub(crate) taskmanagers: Vec<(TaskManagerId, Arc<str>)>,
    /// Each subtask, with a position in `taskmanagers`.
    pub(crate) tasks: Vec<(SubtaskId, u32)>,
}

/// What tasks are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// End at once.
    Cancel,
    /// Sources: send the barrier of a checkpoint.
    Trigger { checkpoint: u64, kind: CheckpointKind },
    /// A checkpoint is complete.
    Complete { checkpoint: u64 },
    /// A checkpoint has come to nothing.
    Abort { checkpoint: u64 },
    /// Sources: come to an end where you are.
    Drain,
    /// Sources: the final checkpoint is committed, so send the end.
    Finish,
}

/// What has become of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Report {
    /// It has begun, with its channels connected.
    Running,
    /// A source has come to the end of its input. It lives on to pass barriers.
    Drained,
    /// It has done its part of a checkpoint; `state` is what the manifest is to say of it, opaque to control.
    Ack { checkpoint: u64, stats: SubtaskReport, state: Bytes },
    /// It cannot do its part of a checkpoint.
    Declined { checkpoint: u64, reason: String },
    /// It has ended well. `output` is what its job commits, if it makes no checkpoints; opaque to control.
    Ended { output: Bytes },
    /// It has failed.
    Failed(JobFailure),
    /// It has ended because it was told to.
    Cancelled,
}

impl Report {
    /// True if the task is no more.
    pub(crate) fn is_terminal(&self) -> bool {
        matches!(self, Self::Ended { .. } | Self::Failed(_) | Self::Cancelled)
    }
}
