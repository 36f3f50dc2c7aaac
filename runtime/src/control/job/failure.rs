//! [`JobFailure`]: why something failed and who can do something about it; [`Exceptions`]: the last failures of a job.

use std::{collections::VecDeque, fmt};

use serde::{Deserialize, Serialize};

use super::super::ids::{RegionId, SubtaskId};
pub(crate) use crate::failure::FailureClass;
use crate::{
    env::Instant,
    failure::{Failure, Location},
};

/// Of so many failures more is remembered than that they were.
pub(crate) const EXCEPTIONS_LIMIT: usize = 16;

/// A place in the user's source, as another process tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    file: String,
    line: u32,
    column: u32,
}

impl From<Location> for Place {
    fn from(Location { file, line, column }: Location) -> Self {
        Self { file: file.to_owned(), line, column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why something failed. Plain data, as it comes from another process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobFailure {
    pub(crate) class: FailureClass,
    /// What happened.
    pub(crate) message: String,
    /// The operator at fault, if one is, and where it stands in the user's source.
    pub(crate) operator: Option<(String, Option<Place>)>,
    /// How it can be repaired, if that is known.
    pub(crate) hint: Option<String>,
    /// The checkpoint that was gone on from cannot be read: there is another one before it, perhaps.
    pub(crate) rejects: bool,
}

impl JobFailure {
    pub(crate) fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), operator: None, hint: None, rejects: false }
    }

    /// What is told of a failure to other processes.
    pub(crate) fn of(failure: &Failure) -> Self {
        let place = failure.location().map(Place::from);
        Self {
            class: failure.class(),
            message: failure.message().to_owned(),
            operator: failure.operator().map(|operator| (operator.to_owned(), place)),
            hint: failure.hint().map(str::to_owned),
            rejects: false,
        }
    }

    /// What happened and where, without the repair.
    pub(crate) fn what(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| match &self.operator {
            Some((operator, Some(place))) => write!(f, "operator `{operator}` ({place}): {}", self.message),
            Some((operator, None)) => write!(f, "operator `{operator}`: {}", self.message),
            None => f.write_str(&self.message),
        })
    }

    /// The failure that was told, where the source of its job is known: operators stand in these files.
    pub(crate) fn into_failure(self, files: &[&'static str]) -> Failure {
        let mut failure = Failure::new(self.message).with_class(self.class);
        if let Some((operator, place)) = self.operator {
            let location = place.and_then(|Place { file, line, column }| {
                let file = files.iter().copied().find(|known| **known == file)?;
                Some(Location { file, line, column })
            });
            failure = failure.at_operator(&operator, location);
        }
        match self.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what().fmt(f)?;
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
    /// How often the job, or a part of it, was started again because of one.
    pub(crate) restarts: u64,
    /// The last [`EXCEPTIONS_LIMIT`], the oldest first.
    pub(crate) last: VecDeque<Exception>,
}

impl Exceptions {
    /// A failure that something was done about.
    pub(crate) fn push(&mut self, exception: Exception) {
        self.count += 1;
        self.restarts += u64::from(!exception.regions.is_empty());
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
