//! Why a job, or a part of it, was started again or has failed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Now;
use crate::control::job::failure;

/// The failures of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Exceptions {
    /// How many there were, also those that are not remembered.
    pub(crate) count: u64,
    /// The last ones, the newest first. Each is a root cause; what followed from it is counted there.
    pub(crate) exceptions: Vec<Exception>,
}

impl Exceptions {
    /// The failures of a job, as they are shown.
    pub(crate) fn of(exceptions: &failure::Exceptions, now: Now) -> Self {
        let last = exceptions.last.iter().rev().map(|exception| Exception::of(exception, now));
        Self { count: exceptions.count, exceptions: last.collect() }
    }
}

/// Who can do something about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureClass {
    /// Whoever wrote the job or started it.
    User,
    /// Whoever runs the cluster.
    Environment,
    /// Whoever wrote the engine.
    Engine,
}

/// A failure that something was done about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Exception {
    /// When, since the epoch.
    pub(crate) at_ms: i64,
    /// Who can do something about it.
    pub(crate) class: FailureClass,
    /// What happened, and where in the user's source.
    pub(crate) message: String,
    /// How it can be repaired.
    pub(crate) hint: Option<String>,
    /// The operator that failed first.
    pub(crate) operator: Option<String>,
    /// The name of its vertex.
    pub(crate) vertex: Option<String>,
    /// The number of its subtask, from 0.
    pub(crate) subtask: Option<u32>,
    /// Where that ran.
    pub(crate) taskmanager: Option<String>,
    /// Which parts of the job restarted because of it.
    pub(crate) regions: Vec<u64>,
    /// How many failures followed before the job was started again.
    pub(crate) followed_by: u32,
}

impl Exception {
    /// A failure, as it is shown. The TaskManager is not known here.
    pub(crate) fn of(exception: &failure::Exception, now: Now) -> Self {
        let failure = &exception.failure;
        Self {
            at_ms: now.epoch_ms(exception.at),
            class: match failure.class {
                failure::FailureClass::User => FailureClass::User,
                failure::FailureClass::Environment => FailureClass::Environment,
                failure::FailureClass::Engine => FailureClass::Engine,
            },
            message: failure.what().to_string(),
            hint: failure.hint.clone(),
            operator: failure.operator.as_ref().map(|(operator, _)| operator.clone()),
            vertex: exception.task.as_ref().map(|(_, vertex)| vertex.clone()),
            subtask: exception.task.as_ref().map(|(subtask, _)| subtask.subtask),
            taskmanager: None,
            regions: exception.regions.iter().map(|region| region.0 as u64).collect(),
            followed_by: exception.followed_by,
        }
    }
}
