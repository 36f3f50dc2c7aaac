//! Starting a job from the user's own `main`: [`run`] to its end, or [`start`] for a handle to wait, drain, cancel and read counters.

use std::{fmt, future::Future};

use crate::{
    env::TokioEnv,
    failure::{Failure, Location},
    graph::{BuildError, JobGraph},
    local::{self, JobHandle, JobReport},
    registry::{self, BuildOptions, JobResult},
    settings::Settings,
    stream::{Guarantee, Job},
};

/// A job function: `fn(&mut Job<G>, Args) -> R` or `fn(&mut Job<G>) -> R`, where `R` is nothing or a `Result<(), E>`. A function with `#[job]` on it is one.
///
/// `Shape` is there for the compiler alone: it tells the two kinds of functions apart, and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job function",
    label = "not a job function",
    note = "a job function is `fn name(job: &mut Job)` or `fn name(job: &mut Job, args: Args)`, and returns nothing or `Result<(), E>`"
)]
pub trait JobFn<Shape> {
    /// What it takes beside the job; `()` if nothing.
    type Args;

    /// Builds the graph.
    ///
    /// # Errors
    ///
    /// What is wrong with the job.
    fn build(self, args: Self::Args, location: Location, settings: Settings) -> Result<JobGraph, BuildError>;
}

impl<F, G, R> JobFn<fn(&mut Job<G>) -> R> for F
where
    F: FnOnce(&mut Job<G>) -> R,
    G: Guarantee,
    R: JobResult,
{
    type Args = ();

    fn build(self, (): (), location: Location, settings: Settings) -> Result<JobGraph, BuildError> {
        registry::build(name::<F>(), location, BuildOptions { settings, ..BuildOptions::default() }, self)
    }
}

impl<F, G, A, R> JobFn<fn(&mut Job<G>, A) -> R> for F
where
    F: FnOnce(&mut Job<G>, A) -> R,
    G: Guarantee,
    R: JobResult,
{
    type Args = A;

    fn build(self, args: A, location: Location, settings: Settings) -> Result<JobGraph, BuildError> {
        registry::build(
            name::<F>(),
            location,
            BuildOptions { settings, ..BuildOptions::default() },
            |job: &mut Job<G>| self(job, args),
        )
    }
}

/// The name of a function; `job` for a closure, which has none.
fn name<F>() -> &'static str {
    let path = std::any::type_name::<F>();
    let name = path.rsplit("::").next().unwrap_or(path);
    if name.chars().all(|c| c.is_alphanumeric() || c == '_') { name } else { "job" }
}

/// Why a job did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// It could not be built, so nothing was started.
    Build(BuildError),
    /// It failed or was cancelled; nothing more is committed.
    Failed(Failure),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => error.fmt(f),
            Self::Failed(failure) => failure.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<BuildError> for Error {
    fn from(error: BuildError) -> Self {
        Self::Build(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Runs a job on the present tokio runtime and waits for its end. `args` is `()` for a job without arguments.
///
/// # Errors
///
/// Why it could not be built, or why it failed.
///
/// # Cancel safety
///
/// The job is started when the future is first polled. If the future is dropped after that, the job runs on; use [`start`] to keep a hand on it.
///
/// # Panics
///
/// If it is polled outside of a tokio runtime.
#[track_caller]
pub fn run<Shape, F: JobFn<Shape>>(job: F, args: F::Args) -> impl Future<Output = Result<JobReport, Error>> {
    let location = Location::caller();
    async move { Ok(launch(job, args, location, Settings::default())?.wait().await?) }
}

/// Starts a job on the present tokio runtime. `args` is `()` for a job without arguments.
///
/// # Errors
///
/// What is wrong with the job; nothing is started then.
///
/// # Panics
///
/// Outside of a tokio runtime.
#[track_caller]
pub fn start<Shape, F: JobFn<Shape>>(job: F, args: F::Args) -> Result<JobHandle, BuildError> {
    launch(job, args, Location::caller(), Settings::default())
}

/// Starts a job as [`start`] does, with other settings than the defaults. What the job itself sets in code wins over them.
///
/// Neither the environment nor a file is looked at: that is for the command line of [`crate::cli`].
///
/// # Errors
///
/// What is wrong with the job or the settings; nothing is started then.
///
/// # Panics
///
/// Outside of a tokio runtime.
#[track_caller]
pub fn start_with<Shape, F: JobFn<Shape>>(job: F, args: F::Args, settings: Settings) -> Result<JobHandle, BuildError> {
    launch(job, args, Location::caller(), settings)
}

fn launch<Shape, F: JobFn<Shape>>(
    job: F,
    args: F::Args,
    location: Location,
    settings: Settings,
) -> Result<JobHandle, BuildError> {
    let graph = job.build(args, location, settings)?;
    Ok(local::start(graph, TokioEnv::current()))
}
