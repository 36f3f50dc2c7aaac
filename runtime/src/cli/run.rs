//! `run`: a job from its start to its exit code, with progress, Ctrl-C and a summary.

use std::{sync::Arc, time::Duration};

use futures::{
    Stream, StreamExt,
    future::{Either, select},
};

use super::{
    Console, EXIT_DONE, EXIT_FAILED, EXIT_USAGE,
    args::Chosen,
    plan,
    progress::Progress,
    sample::Sample,
    signals,
    summary::{self, Ending},
};
use crate::{
    env::{Env, Instant, TokioEnv},
    failure::Failure,
    graph::JobGraph,
    local::{self, JobHandle},
    source::Boundedness,
};

/// How long blocking work that is still under way may hold up the end of the process.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(500);

/// Runs a job.
pub(super) fn run(what: &Chosen, quiet: bool, console: &mut Console<'_>) -> u8 {
    let Some(graph) = plan::build(what, console) else { return EXIT_USAGE };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("millstream").build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.error(&format!("no threads to run the job on: {error}"));
            return EXIT_FAILED;
        }
    };
    let code = runtime.block_on(async {
        match signals::interrupts() {
            Ok(interrupts) => attend(graph, TokioEnv::current(), interrupts, quiet, console).await,
            Err(error) => {
                console.error(&format!("Ctrl-C and SIGTERM cannot be listened to: {error}"));
                EXIT_FAILED
            }
        }
    });
    runtime.shutdown_timeout(SHUTDOWN_LIMIT);
    code
}

/// How far the user has gone in stopping a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    NotAsked,
    Draining,
    Cancelled,
}

impl Stop {
    /// What a further interrupt does, and what is said of it. A job that ends by itself has nothing to gain from a drain: half of its input would be
    /// committed as if it were all.
    fn interrupted(self, boundedness: Boundedness) -> (Self, &'static str) {
        match (self, boundedness) {
            (Self::NotAsked, Boundedness::Unbounded) => (
                Self::Draining,
                "interrupted: the sources end here and what they read is committed; once more cancels the job\n",
            ),
            (Self::NotAsked | Self::Draining, _) => (
                Self::Cancelled,
                "interrupted: the job is cancelled, nothing more is committed; once more leaves at once\n",
            ),
            (Self::Cancelled, _) => (Self::Cancelled, "interrupted again: leaving without cleaning up\n"),
        }
    }
}

/// Starts a job, shows where it is, obeys interrupts, and says how it ended.
async fn attend(
    graph: JobGraph,
    env: Arc<dyn Env>,
    mut interrupts: impl Stream<Item = ()> + Unpin,
    quiet: bool,
    console: &mut Console<'_>,
) -> u8 {
    let boundedness = graph.boundedness();
    let mut progress = progress(&graph, quiet, console);
    let began = env.now();
    let job = local::start(graph, Arc::clone(&env));
    let mut stop = Stop::NotAsked;
    let mut done = std::pin::pin!(job.wait());
    let result = loop {
        let tick = env.sleep(progress.interval());
        match select(&mut done, select(interrupts.next(), tick)).await {
            Either::Left((result, _)) => break result.map(|_| ()),
            Either::Right((Either::Left(_), _)) => {
                let (next, message) = stop.interrupted(boundedness);
                progress.note(message, console);
                match next {
                    Stop::Cancelled if stop == Stop::Cancelled => break Err(Failure::cancelled()),
                    Stop::Cancelled => job.cancel(),
                    Stop::NotAsked | Stop::Draining => job.drain(),
                }
                stop = next;
            }
            Either::Right((Either::Right(_), _)) => progress.show(job.name(), sample(&job, &*env, began), console),
        }
    };
    progress.end();
    conclude(&job, sample(&job, &*env, began), result, stop, quiet, console)
}

/// How progress is shown. A live line would be torn by records that are printed on the same terminal.
fn progress(graph: &JobGraph, quiet: bool, console: &Console<'_>) -> Progress {
    let prints = graph
        .vertices
        .iter()
        .any(|vertex| vertex.sink.is_some() && vertex.operators.last().is_some_and(|sink| sink.name == "print"));
    match quiet {
        true => Progress::Quiet,
        false if console.err_is_terminal && !(console.out_is_terminal && prints) => Progress::live(),
        false => Progress::lines(),
    }
}

fn sample(job: &JobHandle, env: &dyn Env, began: Instant) -> Sample {
    Sample::new(env.now().since(began), job.chains(), &job.metrics().snapshot())
}

/// Writes the summary, and the error if there is one.
fn conclude(
    job: &JobHandle,
    sample: Sample,
    result: Result<(), Failure>,
    stop: Stop,
    quiet: bool,
    console: &mut Console<'_>,
) -> u8 {
    let ending = match &result {
        Ok(()) if stop == Stop::Draining => Ending::Drained,
        Ok(()) => Ending::Done,
        Err(failure) if failure.is_cancelled() => Ending::Cancelled,
        Err(_) => Ending::Failed,
    };
    // A job that was refused before it ran has nothing to sum up.
    if !quiet && (ending != Ending::Failed || sample.records_read() > 0) {
        let strong = console.colours && console.err_is_terminal;
        console.note(&summary::text(job.name(), ending, &sample, strong));
    }
    match result {
        Ok(()) => EXIT_DONE,
        Err(failure) if failure.is_cancelled() => {
            console.error(&format!("job `{}` was cancelled: nothing was committed", job.name()));
            EXIT_FAILED
        }
        Err(failure) => {
            console.error(&format!("job `{}` failed: {failure}", job.name()));
            EXIT_FAILED
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_never_ends_is_drained_before_it_is_cancelled() {
        let (first, _) = Stop::NotAsked.interrupted(Boundedness::Unbounded);
        assert_eq!(first, Stop::Draining);
        assert_eq!(first.interrupted(Boundedness::Unbounded).0, Stop::Cancelled);
    }

    #[test]
    fn a_job_that_ends_by_itself_is_cancelled_at_once() {
        assert_eq!(Stop::NotAsked.interrupted(Boundedness::Bounded).0, Stop::Cancelled);
    }
}
