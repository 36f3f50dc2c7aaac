//! [`Dispatcher`]: what the REST interface asks of the leader; [`Refused`]: why it does not answer.

use std::fmt;

use super::{
    prometheus::Sample,
    submission::{Rescale, SavepointWanted, Submission},
    views::{BinaryJobs, Checkpoints, ClusterConfig, ClusterOverview, Exceptions, JobDetail, Jobs, TaskManagers},
};
use crate::{control::JobId, env::BoxFuture};

/// An answer of the leader that is still to come.
pub(crate) type Answer<'a, T> = BoxFuture<'a, Result<T, Refused>>;

/// The leader, as it is asked over HTTP.
///
/// Whoever implements it answers questions at once, from what is known. Commands answer when what they order is sure to happen: a job is stored, a
/// checkpoint complete. A future may be dropped before it is done, since the one who asked has gone away: a command that was begun goes on then. Methods are called
/// from several tasks at a time.
pub(crate) trait Dispatcher: Send + Sync {
    /// How the cluster is.
    fn overview(&self) -> Answer<'_, ClusterOverview>;
    /// The jobs that are known, also those that have ended; the oldest first.
    fn jobs(&self) -> Answer<'_, Jobs>;
    /// A job with its vertices and subtasks.
    fn job(&self, job: JobId) -> Answer<'_, JobDetail>;
    /// The failures of a job.
    fn exceptions(&self, job: JobId) -> Answer<'_, Exceptions>;
    /// The checkpoints of a job.
    fn checkpoints(&self, job: JobId) -> Answer<'_, Checkpoints>;
    /// The TaskManagers that are registered.
    fn taskmanagers(&self) -> Answer<'_, TaskManagers>;
    /// The jobs of the binary.
    fn binary_jobs(&self) -> Answer<'_, BinaryJobs>;
    /// The configuration that jobs start from.
    fn config(&self) -> Answer<'_, ClusterConfig>;
    /// Takes a job; it is stored when this answers. What was submitted is checked already, but for what only the binary knows.
    fn submit(&self, submission: Submission) -> Answer<'_, JobId>;
    /// Ends a job at once: nothing more is committed. Answers when the order is taken. A job that has ended already is a conflict.
    fn cancel(&self, job: JobId) -> Answer<'_, ()>;
    /// Stops a job with a checkpoint, and answers with its number when it is complete and committed.
    fn stop(&self, job: JobId) -> Answer<'_, u64>;
    /// Makes a checkpoint, and answers with its number when it is complete.
    fn checkpoint(&self, job: JobId) -> Answer<'_, u64>;
    /// Makes a savepoint, and answers with the number of its checkpoint and where it is, when it is complete, and the job has done what is to follow.
    fn savepoint(&self, job: JobId, wanted: SavepointWanted) -> Answer<'_, (u64, String)>;
    /// Gives a job, or some of its operators, another parallelism. Answers when it runs so.
    fn rescale(&self, job: JobId, rescale: Rescale) -> Answer<'_, ()>;
    /// All metrics: those of the cluster, and of jobs by operator and subtask.
    fn metrics(&self) -> Answer<'_, Vec<Sample>>;
    /// True if this process leads and takes jobs.
    fn is_ready(&self) -> BoxFuture<'_, bool>;
}

/// Whose turn it is when something is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no such job.
    NotFound,
    /// What was sent cannot be: whoever sent it has to change it.
    Invalid,
    /// It does not fit to how things are, as when a job that has ended is to be stopped.
    Conflict,
    /// Another process leads.
    NotLeader,
    /// It cannot be done now, but perhaps later.
    Unavailable,
    /// The engine is at fault.
    Internal,
}

/// Why a question or a command is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) refusal: Refusal,
    /// What is wrong.
    pub(crate) message: String,
    /// How it can be repaired.
    pub(crate) hint: Option<String>,
    /// Where the leader answers, as `http://host:port`, if it is another process and known.
    pub(crate) leader: Option<String>,
    /// The jobs that may be meant, where several may.
    pub(crate) candidates: Vec<String>,
}

impl Refused {
    pub(crate) fn new(refusal: Refusal, message: impl Into<String>) -> Self {
        Self { refusal, message: message.into(), hint: None, leader: None, candidates: Vec::new() }
    }

    /// There is no job of this id.
    pub(crate) fn no_job(id: impl fmt::Display) -> Self {
        Self::new(Refusal::NotFound, format!("there is no job `{id}`")).with_hint("`list` shows the jobs there are")
    }

    /// Another process leads, which answers at this URL.
    pub(crate) fn not_leader(leader: Option<String>) -> Self {
        let message = match &leader {
            Some(leader) => format!("another process leads: it answers at {leader}"),
            None => "nobody leads at the moment".to_owned(),
        };
        Self { leader, ..Self::new(Refusal::NotLeader, message) }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
