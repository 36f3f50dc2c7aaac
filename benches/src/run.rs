//! Runs jobs: on tokio, with as many threads as the job has subtasks.

use std::sync::Arc;

use millstream::{
    ExactlyOnce, Job,
    env::{Env, TokioEnv},
    local::{self, JobHandle},
    settings::{Settings, StateSettings},
};

/// So much memory for keyed state that none goes to files: what that costs has a bench of its own.
const STATE_BYTES: usize = 8 << 30;

/// The default settings with a parallelism, and memory for any state.
pub fn settings(parallelism: usize) -> Settings {
    let state = StateSettings { memory_bytes: Some(STATE_BYTES), ..StateSettings::default() };
    Settings { parallelism, state, ..Settings::default() }
}

/// A tokio runtime, made once so that no job pays for its threads.
#[derive(Debug)]
pub struct Machine(tokio::runtime::Runtime);

impl Machine {
    /// A runtime with so many threads.
    ///
    /// # Panics
    ///
    /// If the threads cannot be made.
    pub fn new(threads: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
        Self(runtime.expect("a bench starts its threads"))
    }

    /// The environment of jobs that run here.
    pub fn env(&self) -> Arc<dyn Env> {
        let _inside = self.0.enter();
        TokioEnv::current()
    }

    /// Builds a job and runs it to its end.
    ///
    /// # Panics
    ///
    /// If it cannot be built, or fails.
    pub fn run(&self, parallelism: usize, build: impl FnOnce(&mut Job)) {
        let mut job = Job::new("bench", settings(parallelism));
        build(&mut job);
        let graph = job.build().unwrap_or_else(|error| panic!("the bench's job cannot be built: {error}"));
        if let Err(failure) = self.0.block_on(local::run(graph, self.env())) {
            panic!("the bench's job failed: {failure}");
        }
    }

    /// Starts a job that may make checkpoints.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    pub fn start(&self, settings: Settings, build: impl FnOnce(&mut Job<ExactlyOnce>)) -> JobHandle {
        let mut job = Job::new("bench", settings);
        build(&mut job);
        let graph = job.build().unwrap_or_else(|error| panic!("the bench's job cannot be built: {error}"));
        local::start(graph, self.env())
    }

    /// Runs something beside the jobs.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> tokio::task::JoinHandle<()> {
        self.0.spawn(future)
    }

    /// Waits for a future.
    pub fn wait<F: Future>(&self, future: F) -> F::Output {
        self.0.block_on(future)
    }
}
