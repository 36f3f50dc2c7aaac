//! [`DoomedEnv`]: the real world, but for the steps of checkpoints: it counts them, and the process kills itself at the one that its environment names.

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use millstream::{env::Env, runtime::forward_env};
use rustix::process::{Signal, getpid, kill_process};

/// Names the file that the steps are written to, with how often each was reached, when the job has ended.
pub(crate) const STEPS: &str = "KILL_STEPS";
/// The step to die at, and which time: `name:3`.
pub(crate) const DIES_AT: &str = "KILL_AT_STEP";

/// What is to become of a process.
pub(crate) struct Doom {
    steps_file: Option<PathBuf>,
    dies_at: Option<(String, u64)>,
}

impl Doom {
    /// What the environment says; `None` if it says nothing.
    pub(crate) fn from_environment() -> Option<Self> {
        let steps_file = env::var_os(STEPS).map(PathBuf::from);
        let dies_at = env::var(DIES_AT).ok().map(|at| {
            let (name, nth) = at.rsplit_once(':').expect("a step is written `name:3`");
            (name.to_owned(), nth.parse().expect("it is numbered"))
        });
        (steps_file.is_some() || dies_at.is_some()).then_some(Self { steps_file, dies_at })
    }

    /// The world with this in it.
    pub(crate) fn around(self, inner: Arc<dyn Env>) -> DoomedEnv {
        DoomedEnv { inner, doom: self, steps: Mutex::default() }
    }
}

pub(crate) struct DoomedEnv {
    inner: Arc<dyn Env>,
    doom: Doom,
    steps: Mutex<BTreeMap<&'static str, u64>>,
}

impl DoomedEnv {
    /// Writes the steps so far, if a file for them was named: `name:3`, line by line.
    pub(crate) fn write_steps(&self) {
        let steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.doom.steps_file {
            let lines: String = steps.iter().map(|(name, count)| format!("{name}:{count}\n")).collect();
            fs::write(path, lines).expect("the steps can be written");
        }
    }
}

impl Env for DoomedEnv {
    fn step(&self, name: &'static str) {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let count = steps.entry(name).or_default();
        *count += 1;
        if self.doom.dies_at.as_ref().is_some_and(|(at, nth)| at == name && nth == count) {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
            loop {
                thread::park();
            }
        }
    }

    forward_env!(inner: spawn, now, wall, sleep_until, random, blocking, wait_in_place, files, network);
}
