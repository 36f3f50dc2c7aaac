//! [`Failure`]: why a job stopped, in words that name the operator, the place in the user's source and the repair.

use std::{error::Error, fmt};

use serde::{Deserialize, Serialize};

/// A place in the user's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// As the compiler names the file.
    pub file: &'static str,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

impl Location {
    /// The place of the caller, through functions that are `#[track_caller]`.
    #[track_caller]
    pub fn caller() -> Self {
        std::panic::Location::caller().into()
    }
}

impl From<&'static std::panic::Location<'static>> for Location {
    fn from(at: &'static std::panic::Location<'static>) -> Self {
        Self { file: at.file(), line: at.line(), column: at.column() }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a task, and with it the job, stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    message: String,
    hint: Option<String>,
    operator: Option<String>,
    location: Option<Location>,
    cancelled: bool,
    class: FailureClass,
}

/// Who can do something about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureClass {
    /// Whoever wrote the job or started it: a panic in an operator, a file that is not there. Before the job has run for the first time such a failure is
    /// final; afterwards the restart strategy decides, as data may have been at fault that is gone by then.
    User,
    /// Whoever runs the cluster: a process that died, a disk that is full. The restart strategy decides.
    Environment,
    /// Whoever wrote the engine: something that cannot be. The restart strategy decides.
    Engine,
}

impl Failure {
    /// A failure with this message; who is at fault is added on the way up.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            operator: None,
            location: None,
            cancelled: false,
            class: FailureClass::User,
        }
    }

    /// An error of the outside world, with all its causes; those that an error has told itself are not told again.
    pub fn from_error(error: impl Error) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let told = cause.to_string();
            if !message.contains(&told) {
                message.push_str(": ");
                message.push_str(&told);
            }
            source = cause.source();
        }
        Self::new(message)
    }

    /// The task was told to stop; it is nobody's fault.
    pub fn cancelled() -> Self {
        Self { cancelled: true, ..Self::new("the job was cancelled") }
    }

    /// Adds how it can be repaired; shown on a line of its own behind the message.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Names the operator, unless one that is closer to the fault did.
    #[must_use]
    pub fn at_operator(mut self, name: &str, location: Option<Location>) -> Self {
        if self.operator.is_none() && !self.cancelled {
            self.operator = Some(name.to_owned());
            self.location = location;
        }
        self
    }

    /// Says that whoever runs the cluster can do something about it, and nobody else.
    #[must_use]
    pub(crate) fn of_environment(self) -> Self {
        self.with_class(FailureClass::Environment)
    }

    /// Says who can do something about it.
    #[must_use]
    pub(crate) fn with_class(self, class: FailureClass) -> Self {
        Self { class, ..self }
    }

    /// Who can do something about it.
    pub fn class(&self) -> FailureClass {
        self.class
    }

    /// What happened, without the operator.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What happened and where, without the repair.
    pub(crate) fn what(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(|f| match (&self.operator, &self.location) {
            (Some(operator), Some(location)) => write!(f, "operator `{operator}` ({location}): {}", self.message),
            (Some(operator), None) => write!(f, "operator `{operator}`: {}", self.message),
            _ => f.write_str(&self.message),
        })
    }

    /// How it can be repaired, if that is known.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The operator at fault, if one is.
    pub fn operator(&self) -> Option<&str> {
        self.operator.as_deref()
    }

    /// Where that operator stands in the user's source.
    pub fn location(&self) -> Option<Location> {
        self.location
    }

    /// True if the task only obeyed.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what().fmt(f)?;
        self.hint.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}

impl Error for Failure {}
