//! What is known of a job from outside while it runs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{checkpoint::CheckpointHistory, control::Status, failure::Failure, settings::CheckpointSettings};

/// Shared between a job's driver and its handles.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    status: Status,
    has_run: bool,
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The checkpoint that an attempt goes on from.
    pub(super) fn restored(&self, checkpoint: Option<u64>) {
        self.lock().status.restored = checkpoint;
    }

    /// Its tasks are about to run: what fails from now on may be different the next time.
    pub(super) fn deployed(&self) {
        let mut inner = self.lock();
        inner.has_run = true;
        inner.status.is_restarting = false;
    }

    pub(super) fn has_run(&self) -> bool {
        self.lock().has_run
    }

    /// It has failed and waits to be started again.
    pub(super) fn failed(&self, failure: &Failure) {
        let status = &mut self.lock().status;
        status.restarts += 1;
        status.is_restarting = true;
        status.last_failure = Some(failure.to_string());
    }

    /// How many checkpoints were completed.
    pub(super) fn completed(&self) -> u64 {
        self.lock().status.checkpoints.completed
    }

    pub(super) fn settings(&self, settings: &CheckpointSettings) {
        self.lock().status.settings = settings.clone();
    }

    pub(super) fn checkpoints(&self, history: &CheckpointHistory) {
        self.lock().status.checkpoints = history.clone();
    }

    /// The checkpoints so far; one that was being made is none.
    pub(super) fn history(&self) -> CheckpointHistory {
        let mut history = self.lock().status.checkpoints.clone();
        debug_assert!(history.present.is_none(), "an attempt that has ended has ended its checkpoint");
        history.present = None;
        history
    }

    pub(super) fn status(&self) -> Status {
        self.lock().status.clone()
    }
}
