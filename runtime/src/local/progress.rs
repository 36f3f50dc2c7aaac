//! What is known of a job from outside while it runs.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{checkpoint::stats::CheckpointHistory, failure::Failure};

/// How many failures are remembered.
const FAILURES_LIMIT: usize = 16;

/// How a job is doing.
#[derive(Debug, Clone, Default)]
pub struct JobStatus {
    /// How often it was started; 1 unless it has failed.
    pub attempts: u64,
    /// Why it failed, the last failures, oldest first.
    pub failures: VecDeque<Failure>,
    /// The checkpoint that the present attempt went on from, if it did not start anew.
    pub restored: Option<u64>,
    /// True while it waits to be started again.
    pub is_waiting: bool,
    /// Its checkpoints in this process.
    pub checkpoints: CheckpointHistory,
}

impl JobStatus {
    /// How often it was started again.
    pub fn restarts(&self) -> u64 {
        self.attempts.saturating_sub(1)
    }
}

/// Shared between a job's driver and its handles.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    status: JobStatus,
    completed: u64,
    has_run: bool,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attempt_begins(&self, attempts: u64) {
        let status = &mut self.lock().status;
        (status.attempts, status.is_waiting) = (attempts, false);
    }

    pub(super) fn restored(&self, checkpoint: Option<u64>) {
        self.lock().status.restored = checkpoint;
    }

    /// Its tasks are about to run: what fails from now on may be different the next time.
    pub(super) fn deployed(&self) {
        self.lock().has_run = true;
    }

    pub(super) fn has_run(&self) -> bool {
        self.lock().has_run
    }

    /// It has failed, and waits to be started again.
    pub(super) fn failed(&self, failure: &Failure) {
        let status = &mut self.lock().status;
        status.is_waiting = true;
        let failures = &mut status.failures;
        if failures.len() == FAILURES_LIMIT {
            failures.pop_front();
        }
        failures.push_back(failure.clone());
    }

    pub(super) fn completed_one(&self) {
        self.lock().completed += 1;
    }

    /// How many checkpoints were completed.
    pub(super) fn completed(&self) -> u64 {
        self.lock().completed
    }

    pub(super) fn checkpoints(&self, stats: &CheckpointHistory) {
        self.lock().status.checkpoints = stats.clone();
    }

    /// Subtasks have acknowledged the checkpoint that is being made.
    pub(super) fn present(&self, history: &CheckpointHistory) {
        self.lock().status.checkpoints.present.clone_from(&history.present);
    }

    pub(super) fn status(&self) -> JobStatus {
        self.lock().status.clone()
    }
}
