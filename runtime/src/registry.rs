//! The jobs of a binary: `#[job]` registers them, the command line finds them.

use std::fmt::Display;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::{
    failure::Location,
    graph::{BuildError, JobGraph},
    settings::{Outside, Settings},
    stream::{Guarantee, Job},
};

/// A job of this binary.
pub struct JobEntry {
    /// The name of its function.
    pub name: &'static str,
    /// Its doc comment.
    pub doc: &'static str,
    /// Where it is written.
    pub location: Location,
    /// Adds the job's own arguments to a command.
    pub augment: fn(Command) -> Command,
    /// Reads its arguments and builds the graph.
    pub build: fn(&ArgMatches, BuildOptions) -> Result<JobGraph, BuildError>,
}

inventory::collect!(JobEntry);

/// What is known when a job is built.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// The settings that the job starts from, and may change.
    pub settings: Settings,
    /// Settings given from outside. The job finds them applied, and they win over what it sets itself: who runs a job knows more of the
    /// machine than who wrote it.
    pub outside: Outside,
}

/// All jobs of this binary, by name.
pub fn jobs() -> Vec<&'static JobEntry> {
    let mut jobs: Vec<_> = inventory::iter::<JobEntry>.into_iter().collect();
    jobs.sort_by_key(|job| job.name);
    jobs
}

/// What a job function may return.
#[diagnostic::on_unimplemented(
    message = "a job function returns nothing, or `Result<(), E>` where `E` can be displayed; this one returns `{Self}`",
    label = "not a result of a job function"
)]
pub trait JobResult {
    /// The mistake, if there is one.
    fn into_result(self) -> Result<(), String>;
}

impl JobResult for () {
    fn into_result(self) -> Result<(), String> {
        Ok(())
    }
}

impl<E: Display> JobResult for Result<(), E> {
    fn into_result(self) -> Result<(), String> {
        self.map_err(|error| error.to_string())
    }
}

/// For a job without arguments.
pub fn augment_none(command: Command) -> Command {
    command
}

/// What the second parameter of a job is: arguments that clap reads.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from the command line",
    label = "not the arguments of a job",
    note = "put `#[derive(Args)]` on the struct, and `#[arg(long)]` on each field that is to be an option: `--field value`"
)]
pub trait JobArgs: Args {}
#[diagnostic::do_not_recommend]
impl<A: Args> JobArgs for A {}

/// For a job with arguments.
pub fn augment<A: JobArgs>(command: Command) -> Command {
    A::augment_args(command)
}

/// Builds a job without arguments.
///
/// # Errors
///
/// What is wrong with the job.
pub fn build_without<G: Guarantee, R: JobResult>(
    name: &str,
    location: Location,
    job: fn(&mut Job<G>) -> R,
    options: BuildOptions,
) -> Result<JobGraph, BuildError> {
    build(name, location, options, job)
}

/// Builds a job with arguments.
///
/// # Errors
///
/// What is wrong with the arguments or the job.
pub fn build_with<G: Guarantee, A: JobArgs, R: JobResult>(
    name: &str,
    location: Location,
    job: fn(&mut Job<G>, A) -> R,
    matches: &ArgMatches,
    options: BuildOptions,
) -> Result<JobGraph, BuildError> {
    let arguments = <A as FromArgMatches>::from_arg_matches(matches)
        .map_err(|error| BuildError::new(format!("job `{name}`: {error}")))?;
    build(name, location, options, |graph| job(graph, arguments))
}

pub(crate) fn build<G: Guarantee, R: JobResult>(
    name: &str,
    location: Location,
    options: BuildOptions,
    fill: impl FnOnce(&mut Job<G>) -> R,
) -> Result<JobGraph, BuildError> {
    let BuildOptions { mut settings, outside } = options;
    outside.apply(&mut settings);
    let mut job = Job::new(name, settings);
    fill(&mut job).into_result().map_err(|error| BuildError::new(format!("job `{name}` ({location}): {error}")))?;
    outside.apply(job.settings());
    outside.check(job.settings()).map_err(BuildError::new)?;
    job.build()
}
