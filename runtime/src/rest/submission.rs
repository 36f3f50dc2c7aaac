//! What is sent with commands: [`Submission`], a job that is to be run, and [`Rescale`], how parallel it is to be.

use std::collections::BTreeMap;

use clap::{ArgMatches, Command};
use millstream_core::key::LIMIT_MAX_PARALLELISM;
use millstream_state::location::{Location, LocationError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::dispatcher::{Refusal, Refused};
use crate::{
    registry::JobEntry,
    settings::{Origin, Outside},
};

/// The longest name that a job may be given, in bytes.
const NAME_BYTES_LIMIT: usize = 256;

/// A job that is to be run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submission {
    /// Which of the binary's jobs; may be left out if there is only one.
    #[serde(default)]
    pub(crate) job: Option<String>,
    /// Its own arguments, as words of a command line.
    #[serde(default)]
    pub(crate) args: Vec<String>,
    /// Settings by key, as they may be written in a file. They win over what the job's code sets.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// How it is called in this cluster; by default as the job.
    #[serde(default)]
    pub(crate) name: Option<String>,
}

/// A submission that fits to a binary.
pub(crate) struct Chosen {
    pub(crate) job: &'static JobEntry,
    pub(crate) matches: ArgMatches,
    pub(crate) outside: Outside,
}

impl Submission {
    /// Checks what needs no binary.
    ///
    /// # Errors
    ///
    /// Says which field is wrong, and what is allowed.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let invalid = |message| Err(Refused::new(Refusal::Invalid, message));
        if let Some(name) = &self.name
            && (name.is_empty() || name.len() > NAME_BYTES_LIMIT || name.chars().any(char::is_control))
        {
            return invalid(format!(
                "`name`: a text from 1 to {NAME_BYTES_LIMIT} bytes without control characters is expected"
            ));
        }
        self.outside().map(drop)
    }

    /// Its settings.
    ///
    /// # Errors
    ///
    /// Names the setting and what is allowed.
    pub(crate) fn outside(&self) -> Result<Outside, Refused> {
        let mut outside = Outside::default();
        let mut put = |(key, value): (&String, &String)| outside.put(key, value, Origin::Define);
        match self.settings.iter().try_for_each(&mut put) {
            Ok(()) => Ok(outside),
            Err(message) => Err(Refused::new(Refusal::Invalid, format!("`settings`: {message}"))),
        }
    }

    /// The job that is meant, with its arguments read and its settings checked.
    ///
    /// # Errors
    ///
    /// There is no such job, several are there and none is named, or its arguments or settings are wrong.
    pub(crate) fn choose(&self, jobs: &[&'static JobEntry]) -> Result<Chosen, Refused> {
        let names = || jobs.iter().map(|job| format!("`{}`", job.name)).collect::<Vec<_>>().join(", ");
        let job = match (&self.job, jobs) {
            (None, [job]) => *job,
            (None, _) => {
                let message = "there are several jobs in this binary: say which one";
                return Err(Refused::new(Refusal::Invalid, message).with_hint(format!("the jobs are {}", names())));
            }
            (Some(name), _) => *jobs.iter().find(|job| job.name == name).ok_or_else(|| {
                let message = format!("this binary has no job `{name}`");
                Refused::new(Refusal::Invalid, message).with_hint(format!("the jobs are {}", names()))
            })?,
        };
        let command = (job.augment)(Command::new(job.name)).no_binary_name(true).disable_help_flag(true);
        let matches = command.try_get_matches_from(&self.args).map_err(|error| {
            let message = error.to_string();
            let message = message.strip_prefix("error: ").unwrap_or(&message).trim();
            Refused::new(Refusal::Invalid, format!("the arguments of job `{}`: {message}", job.name))
        })?;
        Ok(Chosen { job, matches, outside: self.outside()? })
    }
}

/// Another parallelism, of a job or of some of its operators: one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rescale {
    /// Of the whole job.
    #[serde(default)]
    pub(crate) parallelism: Option<u32>,
    /// Of operators, by name or uid.
    #[serde(default)]
    pub(crate) operators: BTreeMap<String, u32>,
}

impl Rescale {
    /// Checks what needs no job.
    ///
    /// # Errors
    ///
    /// Says which field is wrong, and what is allowed.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let invalid = |message: String| Err(Refused::new(Refusal::Invalid, message));
        if self.parallelism.is_some() != self.operators.is_empty() {
            return invalid("one of `parallelism` and `operators` is expected".to_owned());
        }
        let whole = self.parallelism.iter().map(|n| ("parallelism", *n));
        let wrong = self.operators.iter().map(|(name, n)| (name.as_str(), *n)).chain(whole);
        match wrong.into_iter().find(|(_, n)| !(1..=LIMIT_MAX_PARALLELISM).contains(n)) {
            Some((name, n)) => {
                invalid(format!("`{name}`: a parallelism from 1 to {LIMIT_MAX_PARALLELISM} is expected, not {n}"))
            }
            None => Ok(()),
        }
    }
}

/// The job that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Submitted {
    /// Its id.
    pub(crate) job: String,
}

/// An order that was taken: it will be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Ordered {
    /// The job's id.
    pub(crate) job: String,
}

/// A savepoint that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavepointWanted {
    /// In which directory, as the JobManager sees it; it gets one of its own in there. By default where the job's setting `savepoint.dir` says.
    #[serde(default)]
    pub(crate) to: Option<String>,
    /// What becomes of the job.
    #[serde(default)]
    pub(crate) then: AfterSavepoint,
}

/// What becomes of a job of which a savepoint is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AfterSavepoint {
    /// It goes on.
    #[default]
    GoOn,
    /// It stops there.
    Stop,
    /// Its sources end where they are and everything fires; then it has come to its end.
    Drain,
}

impl SavepointWanted {
    /// Checks what can be checked anywhere.
    ///
    /// # Errors
    ///
    /// Says which field is wrong, and what is allowed.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        match &self.to {
            Some(to) => self::place(to).map(drop),
            None => Ok(()),
        }
    }

    /// Where it is to go, if that is said.
    ///
    /// # Errors
    ///
    /// It is no place that is the same for another process.
    pub(crate) fn place(&self) -> Result<Option<Location>, Refused> {
        self.to.as_deref().map(place).transpose()
    }
}

fn place(to: &str) -> Result<Location, Refused> {
    let invalid = |what: String| Refused::new(Refusal::Invalid, format!("`to`: {what}"));
    let place: Location = to.parse().map_err(|error: LocationError| invalid(error.to_string()))?;
    match place.as_directory() {
        Some(path) if !path.is_absolute() => {
            Err(invalid(format!("a path from the root is expected, not `{to}`: another process writes there")))
        }
        _ => Ok(place),
    }
}

/// A savepoint that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct SavepointMade {
    /// The job's id.
    pub(crate) job: String,
    /// The number of the checkpoint that it is a copy of.
    pub(crate) checkpoint: u64,
    /// Where it is.
    pub(crate) savepoint: String,
}

/// A checkpoint that is complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct CheckpointMade {
    /// The job's id.
    pub(crate) job: String,
    /// The number of the checkpoint.
    pub(crate) checkpoint: u64,
}
