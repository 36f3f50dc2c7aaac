//! [`JobFailure`]: why something failed and who can do something about it; [`Exceptions`]: the last failures of a job.

use std::{collections::VecDeque, fmt};

use serde::{Deserialize, Serialize};

use super::super::ids::{RegionId, SubtaskId};
pub(crate) use crate::failure::FailureClass;
use crate::{env::Instant, failure::Failure};

/// Of so many failures more is remembered than that they were.
pub(crate) const EXCEPTIONS_LIMIT: usize = 16;

/// Why something failed. Plain data, as it comes from another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobFailure {
    pub(crate) class: FailureClass,
    /// What happened, and where in the user's source.
    pub(crate) message: String,
    /// How it can be repaired, if that is known.
    pub(crate) hint: Option<String>,
    /// The checkpoint that was gone on from cannot be read: there is another one before it, perhaps.
    pub(crate) rejects: bool,
}

impl JobFailure {
    pub(crate) fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, rejects: false }
    }

    /// What is told of a failure to other processes.
    pub(crate) fn of(failure: &Failure) -> Self {
        let hint = failure.hint().map(str::to_owned);
        Self { class: failure.class(), message: failure.what().to_string(), hint, rejects: false }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

/// A failure, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exception {
    pub(crate) at: Instant,
    /// The root cause.
    pub(crate) failure: JobFailure,
    /// The subtask that failed first, and the name of its vertex, if it was one.
    pub(crate) task: Option<(SubtaskId, String)>,
    /// What restarted because of it.
    pub(crate) regions: Vec<RegionId>,
    /// How many failures followed before the job was started again. They are seldom causes of their own.
    pub(crate) followed_by: u32,
}

/// The failures of a job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Exceptions {
    /// How many there were.
    pub(crate) count: u64,
    /// The last [`EXCEPTIONS_LIMIT`], the oldest first.
    pub(crate) last: VecDeque<Exception>,
}

impl Exceptions {
    /// A failure that something was done about.
    pub(crate) fn push(&mut self, exception: Exception) {
        self.count += 1;
        if self.last.len() == EXCEPTIONS_LIMIT {
            self.last.pop_front();
        }
        self.last.push_back(exception);
    }

    /// One more, of what was about to restart or end already.
    pub(crate) fn followed(&mut self) {
        if let Some(last) = self.last.back_mut() {
            last.followed_by = last.followed_by.saturating_add(1);
        }
    }

    /// Why the job fails, if it does.
    pub(crate) fn root_cause(&self) -> Option<&JobFailure> {
        self.last.back().map(|exception| &exception.failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_are_remembered_and_all_are_counted() {
        let mut exceptions = Exceptions::default();
        exceptions.followed(); // of nothing
        for n in 1..=20 {
            exceptions.push(Exception {
                at: Instant::from_nanos(n),
                failure: JobFailure::new(FailureClass::User, format!("number {n}")).with_hint("try again"),
                task: None,
                regions: Vec::new(),
                followed_by: 0,
            });
        }
        exceptions.followed();
        assert_eq!((exceptions.count, exceptions.last.len()), (20, EXCEPTIONS_LIMIT));
        assert_eq!(exceptions.last[0].failure.message, "number 5");
        assert_eq!(exceptions.last.back().map(|exception| exception.followed_by), Some(1));
        assert_eq!(exceptions.root_cause().map(ToString::to_string).as_deref(), Some("number 20\nhint: try again"));
    }
}
