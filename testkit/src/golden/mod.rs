//! Golden jobs: a job, its input and its expected output, run in every way that must not make a difference.
//!
//! A folder holds the input (`input.csv`, or a directory `input`) and what is expected: `expected.csv` for a job that writes to its output
//! directory itself, or a directory `expected` with a file for each directory that the job writes below it (`expected/late.csv` for
//! `output.join("late")`). [`Golden::check`] compares the rows in any order, after running the job
//!
//! - on tokio and in the simulation, at several parallelisms and from several seeds, without checkpoints and with them;
//! - in worlds that end (see [`crash`](crate::crash)) at any time, in operations on files, and at every step of the checkpoint protocol: each time the
//!   job goes on in another world at another parallelism, and what was committed before stays;
//! - in clusters of several TaskManagers, of which one is lost;
//! - in worlds where an operation on a file fails, or a task panics, and the job starts again by itself.
//!
//! ```no_run
//! use std::path::Path;
//! use millstream_runtime::stream::{ExactlyOnce, Job};
//! use millstream_testkit::golden::Golden;
//!
//! fn totals(job: &mut Job<ExactlyOnce>, input: &Path, output: &Path) {
//!     // job.source(CsvFiles::<Sale>::read(input)) .. .sink(CsvFiles::write(output));
//! }
//!
//! Golden::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/totals"), totals).tolerance("average", 1e-12).check();
//! ```
#![allow(
    clippy::disallowed_methods,
    reason = "the harness stands outside of the engine: it compares files and sets the engine up"
)]

mod clusters;
mod compare;
mod crashes;
mod lives;
mod scratch;
mod table;

use std::{
    fs, ops,
    path::{Path, PathBuf},
    time::Duration,
};

use millstream_runtime::{
    env::TokioEnv,
    failure::Failure,
    graph::JobGraph,
    local,
    settings::Settings,
    stream::{ExactlyOnce, Job},
};

use self::{
    compare::Tolerances,
    lives::{Life, Lived},
    scratch::Scratch,
};
use crate::budget;

/// Builds a job that reads an input and writes part files into a directory, or into directories below it.
pub type JobFn = fn(&mut Job<ExactlyOnce>, input: &Path, output: &Path);

/// The environment variable that makes the simulation run from one seed only: the one that a failure has printed.
pub const SEED_VARIABLE: &str = "MILLSTREAM_TEST_SEED";

/// How long a job may take on tokio: a job that hangs fails instead.
const TOKIO_TIME_LIMIT: Duration = Duration::from_secs(120);
/// How often checkpoints are made on tokio.
const TOKIO_CHECKPOINT_INTERVAL: Duration = Duration::from_millis(5);
/// What is run at which each job has to give the same output.
const PARALLELISMS: [usize; 3] = [1, 2, 3];
/// Seeds per parallelism: at the desk and in CI, and with a full budget.
const SEEDS_SHORT: u64 = 3;
const SEEDS_FULL: u64 = 200;

/// A golden job; see the [module](self).
#[derive(Debug, Clone)]
pub struct Golden {
    folder: PathBuf,
    input: Option<PathBuf>,
    job: JobFn,
    tolerances: Tolerances,
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
    /// If a run fails, hangs or leaves tasks behind, if its output differs, is there twice or was there and is gone, or if the same seed does not give the same
    /// history: says how it was run.
    pub fn check(&self) {
        self.check_undisturbed();
        self.check_crashes();
        self.check_steps();
        self.check_faults();
        self.check_clusters();
    }

    /// What happens where nothing goes wrong.
    fn check_undisturbed(&self) {
        for (parallelism, checkpoints) in each_way() {
            let how = if checkpoints { ", with checkpoints" } else { "" };
            let scratch = Scratch::new(format!("{}, on tokio at parallelism {parallelism}{how}", self.name()));
            let mut settings = Settings { parallelism, ..Settings::default() };
            if checkpoints {
                settings.checkpoints.dir = Some(scratch.checkpoints().into());
                settings.checkpoints.interval = TOKIO_CHECKPOINT_INTERVAL;
            }
            let graph = self.graph(settings, &scratch);
            if let Err(failure) = on_tokio(graph) {
                panic!("{scratch}: the job failed: {failure}");
            }
            self.compare(&scratch);
        }
        for seed in seeds() {
            for (parallelism, checkpoints) in each_way() {
                self.undisturbed(Life { parallelism, seed, checkpoints, ..Life::default() });
            }
        }
        for (parallelism, checkpoints) in each_way() {
            let life = Life { parallelism, seed: seeds().start, checkpoints, ..Life::default() };
            let run = || self.undisturbed(life).history;
            assert!(
                run() == run(),
                "{}: two runs took different steps, {life}: something is not drawn from the environment",
                self.name()
            );
        }
    }

    /// Runs the job in a simulated world without mishap, and compares.
    fn undisturbed(&self, life: Life) -> Lived {
        let scratch = self.scratch(life.seed, &format!("simulated: {life}"));
        let lived = self.live(life, &scratch);
        scratch.ended_well(lived.ended.as_ref());
        self.compare(&scratch);
        lived
    }

    fn name(&self) -> String {
        format!("golden job {}", self.folder.file_name().unwrap_or_default().to_string_lossy())
    }

    /// Room for what is run from a seed.
    fn scratch(&self, seed: u64, how: &str) -> Scratch {
        Scratch::new(format!("{}, from seed {seed} (again: {SEED_VARIABLE}={seed}), {how}", self.name()))
    }

    fn graph(&self, settings: Settings, scratch: &Scratch) -> JobGraph {
        let mut job = Job::new(self.name(), settings);
        (self.job)(&mut job, &self.find_input(), &scratch.output());
        job.build().unwrap_or_else(|error| panic!("{scratch}: the job cannot be built: {error}"))
    }

    /// Compares the whole output.
    #[track_caller]
    fn compare(&self, scratch: &Scratch) {
        self.compare_by(scratch, compare::output);
    }

    #[track_caller]
    fn compare_by(&self, scratch: &Scratch, compare: fn(&Path, &Path, &Tolerances) -> Result<(), String>) {
        let mut differences = String::new();
        for (output, expected) in self.expected() {
            if let Err(difference) = compare(&scratch.output().join(output), &expected, &self.tolerances) {
                differences.push_str(&format!("\n{}: {difference}", expected.display()));
            }
        }
        assert!(differences.is_empty(), "{scratch}: {differences}");
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

/// Each parallelism without checkpoints, and with them.
fn each_way() -> impl Iterator<Item = (usize, bool)> {
    PARALLELISMS.into_iter().flat_map(|parallelism| [(parallelism, false), (parallelism, true)])
}

fn seeds() -> ops::Range<u64> {
    match std::env::var(SEED_VARIABLE) {
        Ok(seed) => {
            let seed = seed.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE}={seed} is not a number"));
            seed..seed + 1
        }
        Err(_) => 0..budget::choose(SEEDS_SHORT, SEEDS_FULL),
    }
}

fn on_tokio(graph: JobGraph) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap_or_else(|error| panic!("tokio cannot be started: {error}"));
    runtime.block_on(async {
        match tokio::time::timeout(TOKIO_TIME_LIMIT, local::run(graph, TokioEnv::current())).await {
            Ok(ended) => ended.map(|_| ()),
            Err(_) => Err(Failure::new(format!("not done after {TOKIO_TIME_LIMIT:?}"))),
        }
    })
}
