//! Jobs: each in short, and one with its vertices and subtasks.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::control::job::{attempt::ExecutionState, lifecycle};

/// The jobs that the leader knows, also those that have ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Jobs {
    /// One an entry, the oldest first.
    pub(crate) jobs: Vec<JobSummary>,
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JobState {
    /// It is known; its newest checkpoint is looked for.
    Created,
    /// It waits for slots.
    Waiting,
    /// Its tasks are being started.
    Deploying,
    /// All its tasks run.
    Running,
    /// A part of it has failed and is about to be started again, or it is rescaled.
    Restarting,
    /// The checkpoint that it ends with is being made.
    Stopping,
    /// It has failed for good; its tasks are being cancelled.
    Failing,
    /// It is to end at once; its tasks are being cancelled.
    Cancelling,
    /// It has failed.
    Failed,
    /// It has been cancelled.
    Cancelled,
    /// All its output is committed.
    Finished,
    /// Another leader has it.
    Suspended,
}

impl JobState {
    /// True if the job has ended. One that is suspended goes on with another leader.
    pub(crate) fn has_ended(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled | Self::Finished)
    }
}

impl From<lifecycle::JobState> for JobState {
    fn from(state: lifecycle::JobState) -> Self {
        match state {
            lifecycle::JobState::Created => Self::Created,
            lifecycle::JobState::Waiting => Self::Waiting,
            lifecycle::JobState::Deploying => Self::Deploying,
            lifecycle::JobState::Running => Self::Running,
            lifecycle::JobState::Restarting => Self::Restarting,
            lifecycle::JobState::Stopping => Self::Stopping,
            lifecycle::JobState::Failing => Self::Failing,
            lifecycle::JobState::Cancelling => Self::Cancelling,
            lifecycle::JobState::Failed => Self::Failed,
            lifecycle::JobState::Cancelled => Self::Cancelled,
            lifecycle::JobState::Finished => Self::Finished,
            lifecycle::JobState::Suspended => Self::Suspended,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Waiting => "waiting for slots",
            Self::Deploying => "deploying",
            Self::Running => "running",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Failing => "failing",
            Self::Cancelling => "cancelling",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Finished => "finished",
            Self::Suspended => "suspended",
        })
    }
}

/// A job in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobSummary {
    /// It keeps it through restarts, rescaling and changes of the leader.
    pub(crate) id: String,
    /// Its name; several jobs may have the same.
    pub(crate) name: String,
    /// How far it is.
    pub(crate) state: JobState,
    /// When it was submitted, since the epoch.
    pub(crate) started_at_ms: i64,
    /// From then until now, or until its end.
    pub(crate) duration_ms: u64,
    /// How many times it, or a part of it, was started again.
    pub(crate) restarts: u64,
    /// The highest of its vertices.
    pub(crate) parallelism: u32,
    /// How many subtasks it has.
    pub(crate) subtasks: u32,
    /// How many of these run.
    pub(crate) subtasks_running: u32,
}

/// A job with its vertices and subtasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobDetail {
    /// The job in short.
    #[serde(flatten)]
    pub(crate) summary: JobSummary,
    /// What it waits for, in words; while it waits for slots: how many it wants, and how many there are.
    pub(crate) status: Option<String>,
    /// Why it failed last, if it did.
    pub(crate) failure: Option<super::Exception>,
    /// The checkpoint that it went on from.
    pub(crate) restored_checkpoint: Option<u64>,
    /// Its chains, each in so many subtasks.
    pub(crate) vertices: Vec<Vertex>,
}

/// A chain of operators.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Vertex {
    /// Its number in the job's graph.
    pub(crate) id: u32,
    /// Its name.
    pub(crate) name: String,
    /// How many subtasks it has.
    pub(crate) parallelism: u32,
    /// How many it may have.
    pub(crate) max_parallelism: u32,
    /// True if it reads a source.
    pub(crate) source: bool,
    /// Its operators, from the head on.
    pub(crate) operators: Vec<String>,
    /// Its subtasks, by number.
    pub(crate) subtasks: Vec<Subtask>,
}

/// How far a subtask is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubtaskState {
    /// There has been no attempt.
    Idle,
    /// Its TaskManager has been told to start it.
    Deploying,
    /// It runs.
    Running,
    /// It has been told to end at once.
    Cancelling,
    /// It has ended well.
    Ended,
    /// It has failed.
    Failed,
    /// It has been cancelled.
    Cancelled,
    /// Its TaskManager is lost.
    Lost,
}

impl From<ExecutionState> for SubtaskState {
    fn from(state: ExecutionState) -> Self {
        match state {
            ExecutionState::Idle => Self::Idle,
            ExecutionState::Deploying => Self::Deploying,
            ExecutionState::Running => Self::Running,
            ExecutionState::Cancelling => Self::Cancelling,
            ExecutionState::Ended => Self::Ended,
            ExecutionState::Failed => Self::Failed,
            ExecutionState::Cancelled => Self::Cancelled,
            ExecutionState::Lost => Self::Lost,
        }
    }
}

/// A subtask, and the newest attempt to run it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Subtask {
    /// Its number, from 0.
    pub(crate) index: u32,
    /// How far it is.
    pub(crate) state: SubtaskState,
    /// The attempt: the leader that began it and a number, as `3.1`.
    pub(crate) attempt: Option<String>,
    /// Where it runs.
    pub(crate) taskmanager: Option<String>,
    /// In which slot there, from 0.
    pub(crate) slot: Option<u32>,
    /// What it has done.
    pub(crate) metrics: Option<SubtaskMetrics>,
}

/// What an attempt has done since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct SubtaskMetrics {
    /// Records that came in.
    pub(crate) records_in: u64,
    /// Records that went out.
    pub(crate) records_out: u64,
    /// Bytes that came in.
    pub(crate) bytes_in: u64,
    /// Bytes that went out.
    pub(crate) bytes_out: u64,
    /// The share of the time that it worked.
    pub(crate) busy: Option<f64>,
    /// The share that it waited for those behind it.
    pub(crate) backpressured: Option<f64>,
    /// The share that it waited for input.
    pub(crate) idle: Option<f64>,
}

impl SubtaskMetrics {
    /// The metrics of a subtask, as they are shown: what counters of these names say.
    pub(crate) fn of(counter: impl Fn(&str) -> u64) -> Self {
        let times = ["busy_ns", "backpressured_ns", "idle_ns"].map(&counter);
        let all: u128 = times.iter().map(|time| u128::from(*time)).sum();
        let [busy, backpressured, idle] = times.map(|time| (all > 0).then(|| time as f64 / all as f64));
        Self {
            records_in: counter("records_in"),
            records_out: counter("records_out"),
            bytes_in: counter("bytes_in"),
            bytes_out: counter("bytes_out"),
            busy,
            backpressured,
            idle,
        }
    }
}
