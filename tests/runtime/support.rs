//! Runs a job in a simulated environment and says what came of it.

use std::sync::Arc;

use millstream::{
    failure::Failure,
    graph::JobGraph,
    local::{self, JobHandle, JobReport},
    metrics::Metric,
    prelude::*,
    settings::Settings,
};
use millstream_testkit::{SimEnv, budget};

/// The seeds that a test tries.
pub(crate) fn seeds() -> std::ops::Range<u64> {
    0..budget::choose(3, 64)
}

/// Settings of this parallelism, with all else as it is by default.
pub(crate) fn parallel(parallelism: usize) -> Settings {
    Settings { parallelism, ..Settings::default() }
}

/// The graph of a job.
pub(crate) fn graph(settings: Settings, build: impl FnOnce(&mut Job)) -> JobGraph {
    let mut job = Job::<BestEffort>::new("test", settings);
    build(&mut job);
    job.build().expect("the job is well formed")
}

/// A job that was started in a simulation.
pub(crate) struct Simulated {
    pub(crate) sim: Arc<SimEnv>,
    pub(crate) job: JobHandle,
}

impl Simulated {
    pub(crate) fn start(seed: u64, settings: Settings, build: impl FnOnce(&mut Job)) -> Self {
        let sim = SimEnv::new(seed);
        let job = local::start(graph(settings, build), sim.clone());
        Self { sim, job }
    }

    /// Runs the job to its end. No task of it may be left then, but for blocking work that nobody waits for.
    pub(crate) fn wait(&self) -> Result<JobReport, Failure> {
        let result = self.sim.block_on(self.job.wait());
        let left: Vec<_> = self.sim.tasks().into_iter().filter(|name| name != "blocking").collect();
        assert!(left.is_empty(), "tasks outlive their job: {left:?} (seed {})", self.sim.seed());
        result
    }

    /// The sum of a counter over all operators and subtasks.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let metrics = self.job.metrics().snapshot();
        let named = metrics.into_iter().filter(|(id, _)| id.name == name);
        named.map(|(_, metric)| if let Metric::Counter(counter) = metric { counter.get() } else { 0 }).sum()
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.sim.drop_tasks(); // tasks hold their environment
    }
}

/// Runs a job that has to end well.
pub(crate) fn run(seed: u64, settings: Settings, build: impl FnOnce(&mut Job)) -> Simulated {
    let job = Simulated::start(seed, settings, build);
    if let Err(failure) = job.wait() {
        panic!("seed {seed}: {failure}");
    }
    job
}

/// Runs a job that has to fail.
pub(crate) fn fails(seed: u64, settings: Settings, build: impl FnOnce(&mut Job)) -> Failure {
    Simulated::start(seed, settings, build).wait().expect_err("the job fails")
}

/// Sorted, for comparing results that come in any order.
pub(crate) fn sorted<T: Ord>(mut records: Vec<T>) -> Vec<T> {
    records.sort();
    records
}

/// A time so many milliseconds after the epoch.
pub(crate) fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}
