//! Running a job in this process: in a cluster of its own, whose JobManager and one TaskManager talk through memory. So a job is run by one code, wherever
//! it runs: started again when it fails, with its checkpoints, and committed or aborted at the end.

mod attend;

use std::{fmt, sync::Arc, time::Duration};

use futures::{
    FutureExt,
    channel::{mpsc, oneshot},
    future::Shared,
};

use self::attend::Attendant;
pub use crate::cluster::progress::JobStatus;
use crate::{
    attempt::chain_names,
    cluster::attendance::Attendance,
    control::job::machine::Then,
    env::Env,
    failure::Failure,
    graph::{JobGraph, VertexId},
    metrics::Registry,
    task::flag::Flag,
};
pub use millstream_state::location::Location;

/// How many requests to a running job may wait.
const REQUESTS_LIMIT: usize = 16;

/// The counter of records that an operator or a source rejects and goes on without. What it counts is logged when the job ends.
pub(crate) const RECORDS_SKIPPED: &str = "records_skipped";

/// A job that runs. Dropping the handle leaves it running.
#[derive(Clone)]
pub struct JobHandle {
    name: Arc<str>,
    cancel: Flag,
    attendance: Attendance,
    chains: Arc<[ChainSummary]>,
    requests: mpsc::Sender<Request>,
    done: Shared<oneshot::Receiver<Result<JobReport, Failure>>>,
}

/// What is known of a chain that runs.
#[derive(Debug, Clone)]
pub struct ChainSummary {
    /// Its name, under which its metrics are found.
    pub name: String,
    /// How many subtasks it has.
    pub parallelism: usize,
    /// True if it reads a source.
    pub is_source: bool,
    /// True if it writes to a sink.
    pub is_sink: bool,
}

/// What is said of a job that has ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobReport {
    /// How long it ran.
    pub elapsed: Duration,
    /// The checkpoint that it was stopped with, if it was stopped so; otherwise all input has been read.
    pub stopped: Option<u64>,
}

/// A savepoint that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Savepoint {
    /// The number of the checkpoint that it is a copy of.
    pub checkpoint: u64,
    /// Where it is.
    pub place: Location,
}

/// What is asked of a running job.
enum Request {
    Checkpoint(oneshot::Sender<Result<u64, String>>),
    Stop(oneshot::Sender<Result<u64, String>>),
    Savepoint { to: Option<Location>, then: Then, answer: oneshot::Sender<Result<Savepoint, String>> },
    Set { key: String, value: String, answer: oneshot::Sender<Result<(), String>> },
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("name", &self.name).finish_non_exhaustive()
    }
}

impl JobHandle {
    /// The job's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the job has ended and its output is committed. Cancel safe; may be called again.
    ///
    /// # Errors
    ///
    /// Why it failed; [`Failure::is_cancelled`] if it was cancelled.
    pub async fn wait(&self) -> Result<JobReport, Failure> {
        self.done.clone().await.unwrap_or_else(|_| Err(Failure::new("the environment stopped before the job ended")))
    }

    /// Stops the job at once. What it wrote is not committed.
    pub fn cancel(&self) {
        self.cancel.set();
    }

    /// Lets the sources come to an end where they are; what they read so far flows through and is committed.
    pub fn drain(&self) {
        self.attendance.drain.set();
    }

    /// Makes a checkpoint now, or after the one that is being made. Gives its number once all of its output is committed.
    ///
    /// # Errors
    ///
    /// Why there is none: the job makes no checkpoints, it was given up, or the job has failed and is about to be started again, or has ended. While the job is being started
    /// the request waits.
    pub async fn checkpoint(&self) -> Result<u64, String> {
        self.request(Request::Checkpoint).await
    }

    /// Stops the job with a last checkpoint, from which it can go on later. Gives its number once all of its output is committed; the job then ends.
    ///
    /// # Errors
    ///
    /// Why there is none: then the job goes on.
    pub async fn stop(&self) -> Result<u64, String> {
        self.request(Request::Stop).await
    }

    /// Makes a savepoint: a checkpoint with all that it names, in a new directory within `to`, or within that of the setting `savepoint.dir`. A job begins with it by `--from`.
    /// The job goes on; checkpoints are made while the savepoint is being written.
    ///
    /// Semantics: Apache Flink, "Savepoints".
    ///
    /// # Errors
    ///
    /// Why there is none, as for [`checkpoint`](Self::checkpoint); or nothing can be written there.
    pub async fn savepoint(&self, to: Option<&Location>) -> Result<Savepoint, String> {
        self.savepoint_then(to, Then::GoOn).await
    }

    /// Stops the job with a savepoint. With `drain` its sources come to an end where they are and all windows and timers fire: then nothing is left to go on with, and the
    /// savepoint is for looking at.
    ///
    /// # Errors
    ///
    /// Why there is none. If the message says that the job has ended, its last checkpoint has what the savepoint should have had; otherwise the job goes on.
    pub async fn stop_with_savepoint(&self, to: Option<&Location>, drain: bool) -> Result<Savepoint, String> {
        self.savepoint_then(to, if drain { Then::Drain } else { Then::Stop }).await
    }

    async fn savepoint_then(&self, to: Option<&Location>, then: Then) -> Result<Savepoint, String> {
        let to = to.cloned();
        self.request(|answer| Request::Savepoint { to, then, answer }).await
    }

    /// Changes a setting of the running job: those of [`KEYS`](crate::settings::KEYS) that say so can be changed.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub async fn set(&self, key: &str, value: &str) -> Result<(), String> {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.request(|answer| Request::Set { key, value, answer }).await
    }

    /// How the job is doing.
    pub fn status(&self) -> JobStatus {
        self.attendance.progress.status()
    }

    async fn request<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Request,
    ) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        let mut requests = self.requests.clone();
        let ended = || "the job has ended".to_owned();
        requests.try_send(request(answer)).map_err(|error| match error.is_full() {
            true => format!("the job has {REQUESTS_LIMIT} requests to answer already: ask again later"),
            false => ended(),
        })?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }

    /// The job's metrics.
    pub fn metrics(&self) -> &Registry {
        &self.attendance.registry
    }

    /// Its chains.
    pub fn chains(&self) -> &[ChainSummary] {
        &self.chains
    }
}

/// Starts a job.
pub fn start(graph: JobGraph, env: Arc<dyn Env>) -> JobHandle {
    let (sender, done) = oneshot::channel();
    let (sender_of_requests, requests) = mpsc::channel(REQUESTS_LIMIT);
    let names = chain_names(&graph);
    let summary = |(id, name): (usize, &String)| ChainSummary {
        name: name.clone(),
        parallelism: graph.parallelism(VertexId(id)),
        is_source: graph.vertices[id].source.is_some(),
        is_sink: graph.vertices[id].sink.is_some(),
    };
    let handle = JobHandle {
        name: graph.name.as_str().into(),
        cancel: Flag::default(),
        attendance: Attendance::default(),
        chains: names.iter().enumerate().map(summary).collect(),
        requests: sender_of_requests,
        done: done.shared(),
    };
    let attendant = Attendant {
        name: graph.name.clone(),
        env: Arc::clone(&env),
        cancel: handle.cancel.clone(),
        attendance: handle.attendance.clone(),
        requests,
    };
    let name = format!("job {}", graph.name);
    env.spawn(
        &name,
        Box::pin(async move {
            let _ = sender.send(attendant.run(graph).await); // nobody may be waiting
        }),
    );
    handle
}

/// Runs a job to its end.
///
/// # Errors
///
/// Why it failed.
pub async fn run(graph: JobGraph, env: Arc<dyn Env>) -> Result<JobReport, Failure> {
    start(graph, env).wait().await
}
