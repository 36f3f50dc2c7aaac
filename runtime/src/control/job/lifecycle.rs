//! [`JobState`]: the states of a job, and which may follow which.
//!
//! ```text
//! Created --> Waiting --> Deploying --> Running <--> Stopping --> Finished
//!                ^            |            |             |
//!                |            v            v             |
//!                +-------- Restarting <------------------+
//!
//! any of these --> Failing --> Failed
//!              --> Cancelling --> Cancelled
//!              --> Stopping                  the end was on its way already: a final checkpoint is there
//!              --> Suspended                 the leader is deposed; the next one begins with Created
//! ```
//!
//! Failing and Cancelling, too, may end as Suspended, and a job that is being cancelled is not failed any more.

use std::fmt;

/// How far a job is, as in Flink's `JobStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum JobState {
    /// It is known. The newest checkpoint is looked for, and sinks clear up.
    Created,
    /// It waits for slots.
    Waiting,
    /// Its tasks are being started.
    Deploying,
    /// All its tasks run.
    Running,
    /// A part of it has failed and is about to be started again, or it is rescaled. The rest runs on.
    Restarting,
    /// The checkpoint that it ends with is being made, or its tasks come to their end behind that.
    Stopping,
    /// It has failed for good; its tasks are being cancelled.
    Failing,
    /// It is to end at once; its tasks are being cancelled.
    Cancelling,
    /// It has failed.
    Failed,
    /// It has been cancelled.
    Cancelled,
    /// All its output is committed: it came to its end, or was stopped with a checkpoint.
    Finished,
    /// Another leader has it.
    Suspended,
}

impl JobState {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Created,
        Self::Waiting,
        Self::Deploying,
        Self::Running,
        Self::Restarting,
        Self::Stopping,
        Self::Failing,
        Self::Cancelling,
        Self::Failed,
        Self::Cancelled,
        Self::Finished,
        Self::Suspended,
    ];

    /// True if nothing follows, in the hands of this leader.
    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled | Self::Finished | Self::Suspended)
    }

    /// True if its end is decided.
    pub(crate) fn is_ending(self) -> bool {
        self.is_terminal() || matches!(self, Self::Failing | Self::Cancelling)
    }

    /// True if the one may follow the other.
    pub(crate) fn may_become(self, next: Self) -> bool {
        use JobState::*;
        match next {
            Created => false,
            Waiting => matches!(self, Created | Restarting),
            Deploying => matches!(self, Waiting),
            Running => matches!(self, Deploying | Stopping),
            Restarting => matches!(self, Waiting | Deploying | Running | Stopping | Created),
            Stopping => !self.is_ending() && self != Stopping,
            Failing => !self.is_ending(),
            Cancelling => !self.is_ending(),
            Failed => self == Failing,
            Cancelled => self == Cancelling,
            Finished => self == Stopping,
            Suspended => !self.is_terminal(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_states_are_final_and_all_others_can_reach_one() {
        for state in JobState::ALL {
            let next: Vec<_> = JobState::ALL.into_iter().filter(|next| state.may_become(*next)).collect();
            assert_eq!(next.is_empty(), state.is_terminal(), "{state}: {next:?}");
            assert!(!state.may_become(state) && !state.may_become(JobState::Created), "{state}");
            assert_eq!(state.may_become(JobState::Suspended), !state.is_terminal(), "{state}");
        }
    }
}
