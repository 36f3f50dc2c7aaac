//! Golden jobs: a job, its input and its expected output, run in every way that must not make a difference.
//!
//! A folder holds the input (`input.csv`, or a directory `input`) and what is expected: `expected.csv` for a job that writes to its output
//! directory itself, or a directory `expected` with a file for each directory that the job writes below it (`expected/late.csv` for
//! `output.join("late")`). [`Golden::check`] runs the job on tokio and in the simulation, at several parallelisms and from several seeds,
//! and compares the rows in any order.
//!
//! ```no_run
//! use std::path::Path;
//! use millstream_runtime::stream::Job;
//! use millstream_testkit::golden::Golden;
//!
//! fn totals(job: &mut Job, input: &Path, output: &Path) {
//!     // job.source(CsvFiles::<Sale>::read(input)) .. .sink(CsvFiles::write(output));
//! }
//!
//! Golden::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/totals"), totals).tolerance("average", 1e-12).check();
//! ```
#![allow(
    clippy::disallowed_methods,
    reason = "the harness stands outside of the engine: it compares files and sets the engine up"
)]

mod compare;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use millstream_runtime::{
    env::{Env, TokioEnv},
    failure::Failure,
    graph::JobGraph,
    local,
    settings::Settings,
    stream::Job,
};

use self::compare::Tolerances;
use crate::{budget, rng::Rng, sim::SimEnv};

/// Builds a job that reads an input and writes part files into a directory, or into directories below it.
pub type JobFn = fn(&mut Job, input: &Path, output: &Path);

/// The environment variable that makes the simulation run from one seed only: the one that a failure has printed.
pub const SEED_VARIABLE: &str = "MILLSTREAM_TEST_SEED";

/// How long a job may take on tokio: a job that hangs fails instead.
const TOKIO_TIME_LIMIT: Duration = Duration::from_secs(120);
/// How long the environment is watched after the job, for tasks that stay behind, in virtual time.
const AFTERMATH: Duration = Duration::from_secs(1);
/// What is run at which each job has to give the same output.
const PARALLELISMS: [usize; 3] = [1, 2, 3];
/// Seeds per parallelism: at the desk and in CI, and with a full budget.
const SEEDS_SHORT: u64 = 5;
const SEEDS_FULL: u64 = 200;

/// A golden job; see the [module](self).
#[derive(Debug, Clone)]
pub struct Golden {
    folder: PathBuf,
    input: Option<PathBuf>,
    job: JobFn,
    tolerances: Tolerances,
}

/// One way to run a job.
#[derive(Debug, Clone, Copy)]
enum Way {
    Tokio { parallelism: usize },
    Simulated { parallelism: usize, seed: u64 },
}

impl Way {
    fn describe(self) -> String {
        match self {
            Self::Tokio { parallelism } => format!("on tokio at parallelism {parallelism}"),
            Self::Simulated { parallelism, seed } => {
                format!("simulated at parallelism {parallelism} from seed {seed} (again: {SEED_VARIABLE}={seed})")
            }
        }
    }
}

impl Golden {
    /// The golden job of a folder.
    pub fn new(folder: impl Into<PathBuf>, job: JobFn) -> Self {
        Self { folder: folder.into(), input: None, job, tolerances: Tolerances::default() }
    }

    /// Reads this instead of what is in the folder: several jobs may share an input.
    pub fn input(mut self, path: impl Into<PathBuf>) -> Self {
        self.input = Some(path.into());
        self
    }

    /// Compares the numbers of a column by their relative difference instead of letter by letter: sums of floats depend on the order of what is summed.
    pub fn tolerance(mut self, column: &str, relative: f64) -> Self {
        self.tolerances.add(column, relative);
        self
    }

    /// Runs the job in every way and compares.
    ///
    /// # Panics
    ///
    /// If a run fails, hangs or leaves tasks behind, if its output differs, or if the same seed does not give the same history: says how it was run.
    pub fn check(&self) {
        for parallelism in PARALLELISMS {
            let way = Way::Tokio { parallelism };
            self.run(way, |graph| on_tokio(graph, way));
        }
        for seed in seeds() {
            for parallelism in PARALLELISMS {
                self.simulate(parallelism, seed);
            }
        }
        for parallelism in PARALLELISMS {
            let seed = seeds().start;
            let (first, again) = (self.simulate(parallelism, seed), self.simulate(parallelism, seed));
            let how = Way::Simulated { parallelism, seed }.describe();
            assert_eq!(
                first,
                again,
                "{}: two runs took different steps, {how}: something is not drawn from the environment",
                self.name()
            );
        }
    }

    fn name(&self) -> String {
        format!("golden job {}", self.folder.file_name().unwrap_or_default().to_string_lossy())
    }

    /// Runs the job in the simulation; gives its history.
    fn simulate(&self, parallelism: usize, seed: u64) -> u64 {
        let way = Way::Simulated { parallelism, seed };
        self.run(way, |graph| in_simulation(graph, seed))
    }

    /// Builds the job, runs it by `run`, and compares.
    fn run<R>(&self, way: Way, run: impl FnOnce(JobGraph) -> Result<R, Failure>) -> R {
        let context = format!("{}, {}", self.name(), way.describe());
        let scratch = tempfile::tempdir().unwrap_or_else(|error| panic!("{context}: no temporary directory: {error}"));
        let mut job = Job::new(self.name(), settings(way));
        (self.job)(&mut job, &self.find_input(), scratch.path());
        let graph = job.build().unwrap_or_else(|error| panic!("{context}: the job cannot be built: {error}"));
        let result = run(graph).unwrap_or_else(|failure| panic!("{context}: the job failed: {failure}"));
        let mut differences = String::new();
        for (output, expected) in self.expected() {
            if let Err(difference) = compare::output(&scratch.path().join(output), &expected, &self.tolerances) {
                differences.push_str(&format!("\n{}: {difference}", expected.display()));
            }
        }
        assert!(differences.is_empty(), "{context}: {differences}");
        result
    }

    fn find_input(&self) -> PathBuf {
        if let Some(input) = &self.input {
            return input.clone();
        }
        let file = self.folder.join("input.csv");
        if file.is_file() { file } else { self.folder.join("input") }
    }

    /// What the job has to write: directories below its output directory, and the files to compare them with.
    fn expected(&self) -> Vec<(PathBuf, PathBuf)> {
        let file = self.folder.join("expected.csv");
        if file.is_file() {
            return vec![(PathBuf::new(), file)];
        }
        let directory = self.folder.join("expected");
        let entries = fs::read_dir(&directory).unwrap_or_else(|error| {
            panic!("{}: neither expected.csv nor a directory `expected` can be read: {error}", self.name())
        });
        let mut expected: Vec<_> = entries
            .map(|entry| entry.expect("a directory that could be opened can be listed").path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
            .map(|path| (PathBuf::from(path.file_stem().unwrap_or_default()), path))
            .collect();
        expected.sort();
        assert!(!expected.is_empty(), "{}: the directory `expected` has no .csv file", self.name());
        expected
    }
}

fn seeds() -> std::ops::Range<u64> {
    match std::env::var(SEED_VARIABLE) {
        Ok(seed) => {
            let seed = seed.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE}={seed} is not a number"));
            seed..seed + 1
        }
        Err(_) => 0..budget::choose(SEEDS_SHORT, SEEDS_FULL),
    }
}

/// What must not make a difference either is drawn from the seed: buffer sizes and intervals, and memory so scarce that senders wait for credit.
fn settings(way: Way) -> Settings {
    match way {
        Way::Tokio { parallelism } => Settings { parallelism, ..Settings::default() },
        Way::Simulated { parallelism, seed } => {
            let mut rng = Rng::new(!seed);
            let mut one_of = |values: [u64; 3]| values[rng.index(3)];
            Settings {
                parallelism,
                buffer_bytes: one_of([1 << 10, 4 << 10, 32 << 10]) as usize,
                buffer_timeout: Duration::from_micros(one_of([100, 10_000, 1_000_000])),
                watermark_interval: Duration::from_millis(one_of([1, 200, 10_000])),
                memory_bytes: one_of([1 << 20, 8 << 20, 256 << 20]) as usize,
                ..Settings::default()
            }
        }
    }
}

fn on_tokio(graph: JobGraph, way: Way) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("tokio cannot be started: {error}"));
    runtime.block_on(async {
        match tokio::time::timeout(TOKIO_TIME_LIMIT, local::run(graph, TokioEnv::current())).await {
            Ok(ended) => ended.map(|_| ()),
            Err(_) => panic!("not done after {TOKIO_TIME_LIMIT:?} {}", way.describe()),
        }
    })
}

fn in_simulation(graph: JobGraph, seed: u64) -> Result<u64, Failure> {
    let sim = SimEnv::new(seed);
    let env: Arc<dyn Env> = sim.clone();
    let ended = sim.block_on(async {
        let ended = local::run(graph, env).await;
        sim.sleep(AFTERMATH).await;
        ended
    });
    let left = sim.tasks();
    sim.drop_tasks(); // they may hold the environment that holds them
    ended?;
    assert!(left.is_empty(), "tasks are left when the job has ended: {} (seed {seed})", left.join(", "));
    Ok(sim.history())
}
