//! `run`: a job from its start to its exit code, with progress, logs, Ctrl-C, and a summary or a report.

use std::{future::pending, path::Path, sync::Arc, time::Duration};

use futures::{
    Stream, StreamExt,
    future::{Either, select},
};
use tracing::{
    dispatcher::{has_been_set, set_default, set_global_default},
    warn,
};

use super::{
    Console, EXIT_DONE, EXIT_FAILED, EXIT_USAGE,
    args::{Chosen, RunOptions},
    control::{Server, place},
    json, plan,
    progress::Progress,
    sample::Sample,
    savepoint, signals,
    summary::{self, Ending},
};
use crate::{
    env::{BoxFuture, Env, Instant, TokioEnv},
    failure::Failure,
    graph::JobGraph,
    local::{self, JobHandle, JobReport, JobStatus},
    source::Boundedness,
};

/// How long blocking work that is still under way may hold up the end of the process.
const SHUTDOWN_LIMIT: Duration = Duration::from_millis(500);

/// Runs a job.
pub(super) fn run(what: &Chosen, options: &RunOptions, console: &mut Console<'_>) -> u8 {
    let logs = options.logs.dispatch(&console.err, console.world.colours_err());
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().thread_name("millstream");
    // Whoever has a `main` of his own and has set up logs there wants them as they are.
    let _guard = if !console.world.owns_process {
        let of_thread = logs.clone();
        // A guard would take the logs away from the thread again when it is dropped.
        builder.on_thread_start(move || std::mem::forget(set_default(&of_thread)));
        Some(set_default(&logs))
    } else {
        if !has_been_set() {
            let _ = set_global_default(logs); // nobody was there first: that was just asked
        }
        None
    };
    let graph = match plan::build(what, console) {
        Ok(graph) => graph,
        Err(mistakes) => {
            if options.json {
                console.say(&format!("{}\n", json::not_started(what.job.name, &mistakes)));
            }
            return EXIT_USAGE;
        }
    };
    let runtime = match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => {
            console.error(&format!("no threads to run the job on: {error}"));
            return EXIT_FAILED;
        }
    };
    let code = runtime.block_on(async {
        let env: Arc<dyn Env> = TokioEnv::current();
        if let Err(message) = savepoint::announce(&graph, &env, options.quiet, console).await {
            console.error(&message);
            if options.json {
                console.say(&format!("{}\n", json::not_started(&graph.name, &[message])));
            }
            return EXIT_FAILED;
        }
        match signals::interrupts() {
            Ok(interrupts) => attend(graph, env, interrupts, options, console).await,
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
    /// With a checkpoint.
    Stopping,
    Draining,
    Cancelled,
}

impl Stop {
    /// What a further interrupt does, and what is said of it. A job that ends by itself has nothing to gain from a drain: half of its input would be
    /// committed as if it were all.
    fn interrupted(self, boundedness: Boundedness, has_checkpoints: bool) -> (Self, &'static str) {
        match (self, boundedness) {
            (Self::NotAsked, _) if has_checkpoints => (
                Self::Stopping,
                "interrupted: the job stops with a checkpoint, and goes on from there when it is started again; once more cancels it\n",
            ),
            (Self::Stopping, _) => (
                Self::Cancelled,
                "interrupted: the job is cancelled, and goes on from its last checkpoint when it is started again; once more leaves at once\n",
            ),
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

/// Looks at a running job, again and again.
#[derive(Clone)]
struct Look {
    job: JobHandle,
    env: Arc<dyn Env>,
    began: Instant,
    is_bounded: bool,
}

impl Look {
    fn sample(&self) -> Sample {
        self.look().0
    }

    fn look(&self) -> (Sample, JobStatus, Instant) {
        let (now, status) = (self.env.now(), self.job.status());
        let sample = Sample::new(now.since(self.began), self.job.chains(), &self.job.metrics().snapshot());
        let sample = Sample { wall: self.env.wall(), is_bounded: self.is_bounded, ..sample }.with(&status, now);
        (sample, status, now)
    }

    /// Begins to tell other processes.
    fn serve(self, dir: &Path) -> Server {
        let (job, env) = (self.job.clone(), Arc::clone(&self.env));
        let status = move || {
            let (sample, status, now) = self.look();
            json::status(self.job.name(), &sample, &status, now)
        };
        Server::start(dir, job, status, env)
    }
}

/// Starts a job, shows where it is, obeys interrupts, and says how it ended.
async fn attend(
    graph: JobGraph,
    env: Arc<dyn Env>,
    mut interrupts: impl Stream<Item = ()> + Unpin,
    options: &RunOptions,
    console: &mut Console<'_>,
) -> u8 {
    let boundedness = graph.boundedness();
    let mut progress = progress(&graph, options, console);
    let began = env.now();
    let checkpoints = graph.settings.checkpoints.dir.clone().filter(|_| graph.has_checkpoints());
    let job = local::start(graph, Arc::clone(&env));
    let look = Look { job: job.clone(), env: Arc::clone(&env), began, is_bounded: boundedness == Boundedness::Bounded };
    let server = checkpoints.as_ref().and_then(|location| {
        let dir = place::of(location, &console.world);
        let dir = dir.inspect_err(|error| warn!(error, "other processes cannot ask this job"));
        dir.ok().map(|dir| look.clone().serve(&dir))
    });
    let mut stop = Stop::NotAsked;
    let mut stopping: BoxFuture<'_, Result<u64, String>> = Box::pin(pending());
    let mut done = std::pin::pin!(job.wait());
    let result = loop {
        let tick = env.sleep(progress.interval());
        let asked = select(interrupts.next(), &mut stopping);
        match select(&mut done, select(asked, tick)).await {
            Either::Left((result, _)) => break result,
            Either::Right((Either::Left((Either::Left(_), _)), _)) => {
                let (next, message) = stop.interrupted(boundedness, checkpoints.is_some());
                console.note(message);
                match next {
                    Stop::Cancelled if stop == Stop::Cancelled => break Err(Failure::cancelled()),
                    Stop::Cancelled => job.cancel(),
                    Stop::Stopping => stopping = Box::pin(job.stop()),
                    Stop::NotAsked | Stop::Draining => job.drain(),
                }
                stop = next;
            }
            Either::Right((Either::Left((Either::Right((stopped, _)), _)), _)) => {
                stopping = Box::pin(pending());
                // A job that is cancelled has been told of already.
                if let Err(why) = stopped
                    && stop == Stop::Stopping
                {
                    console.note(&format!("the job was not stopped: {why}; interrupted once more it is cancelled\n"));
                }
            }
            Either::Right((Either::Right(_), _)) => progress.show(job.name(), look.sample(), &console.err),
        }
    };
    console.err.clear();
    if let Some(server) = server {
        server.close(&*env).await;
    }
    let ending = match &result {
        Ok(JobReport { stopped: Some(_), .. }) => Ending::Stopped,
        Ok(_) if stop == Stop::Draining => Ending::Drained,
        Ok(_) => Ending::Done,
        Err(failure) if failure.is_cancelled() => Ending::Cancelled,
        Err(_) => Ending::Failed,
    };
    conclude(job.name(), &look.sample(), &result.map(|_| ()), ending, options, console)
}

/// How progress is shown. A table that is redrawn would be torn by records that are printed on the same terminal; and a program that wants the report
/// has no use for lines.
fn progress(graph: &JobGraph, options: &RunOptions, console: &Console<'_>) -> Progress {
    let prints = graph
        .vertices
        .iter()
        .any(|vertex| vertex.sink.is_some() && vertex.last_operator().is_some_and(|sink| sink.name == "print"));
    let live = console.world.is_live() && !(console.world.out_is_terminal && prints);
    match live {
        _ if options.quiet => Progress::Quiet,
        true => Progress::live(console.world.colours_err()),
        false if options.json => Progress::Quiet,
        false => Progress::lines(),
    }
}

/// Writes the error if there is one, and the summary or the report.
fn conclude(
    job: &str,
    sample: &Sample,
    result: &Result<(), Failure>,
    ending: Ending,
    options: &RunOptions,
    console: &mut Console<'_>,
) -> u8 {
    // A job that was refused before it ran has nothing to sum up.
    if !options.quiet && !options.json && (ending != Ending::Failed || sample.records_read() > 0) {
        console.note(&summary::text(job, ending, sample, console.world.colours_err()));
    }
    let code = match result {
        Ok(()) => EXIT_DONE,
        Err(failure) if failure.is_cancelled() => {
            console.error(&format!("job `{job}` was cancelled: nothing more is committed"));
            EXIT_FAILED
        }
        Err(failure) => {
            console.error(&format!("job `{job}` failed: {failure}"));
            EXIT_FAILED
        }
    };
    if options.json {
        // On one line, and the last: records that the job prints are on lines of their own before it.
        console.say(&format!("{}\n", json::report(job, ending, sample, result.as_ref().err())));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_never_ends_is_drained_before_it_is_cancelled() {
        let (first, _) = Stop::NotAsked.interrupted(Boundedness::Unbounded, false);
        assert_eq!(first, Stop::Draining);
        assert_eq!(first.interrupted(Boundedness::Unbounded, false).0, Stop::Cancelled);
    }

    #[test]
    fn a_job_that_ends_by_itself_is_cancelled_at_once() {
        assert_eq!(Stop::NotAsked.interrupted(Boundedness::Bounded, false).0, Stop::Cancelled);
    }

    #[test]
    fn a_job_with_checkpoints_is_stopped_with_one_before_it_is_cancelled() {
        for boundedness in [Boundedness::Bounded, Boundedness::Unbounded] {
            let (first, said) = Stop::NotAsked.interrupted(boundedness, true);
            assert!(first == Stop::Stopping && said.contains("stops with a checkpoint"), "{said}");
            let (second, said) = first.interrupted(boundedness, true);
            assert!(second == Stop::Cancelled && said.contains("goes on from its last checkpoint"), "{said}");
            assert!(second.interrupted(boundedness, true).1.contains("leaving without cleaning up"));
        }
    }
}
