//! [`Progress`]: what has become of a job, for whoever sits in front of it in the same process.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
};

use tracing::warn;

use crate::{
    checkpoint::stats::{CheckpointHistory, CheckpointProgress},
    control::job::{
        failure::{EXCEPTIONS_LIMIT, Exceptions},
        lifecycle::JobState,
    },
    failure::Failure,
};

/// How a job is doing.
#[derive(Debug, Clone, Default)]
pub struct JobStatus {
    /// How often it, or a part of it, was started; 1 unless it has failed.
    pub attempts: u64,
    /// Why it failed, the last failures, oldest first.
    pub failures: VecDeque<Failure>,
    /// The checkpoint that it went on from last, if it did not start anew.
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

/// Shared between the leader, which tells what has become of the job, and the job's handles.
#[derive(Clone, Default)]
pub(crate) struct Progress(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    status: JobStatus,
    state: Option<JobState>,
    /// Failures that were told.
    told: u64,
    waker: Option<Waker>,
}

/// What a leader knows of a job.
pub(crate) struct Look<'a> {
    pub(crate) job: &'a str,
    pub(crate) state: JobState,
    pub(crate) restored: Option<u64>,
    pub(crate) exceptions: &'a Exceptions,
    pub(crate) checkpoints: &'a CheckpointHistory,
    /// The files of the user's source that its operators stand in.
    pub(crate) files: &'a [&'static str],
}

impl Progress {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The leader has done something for the job.
    pub(crate) fn look(&self, look: &Look<'_>) {
        let mut inner = self.lock();
        let Inner { status, state, told, waker } = &mut *inner;
        let has_moved = state.replace(look.state) != Some(look.state);
        status.restored = look.restored;
        status.is_waiting = look.state == JobState::Restarting;
        status.attempts = look.exceptions.restarts + 1;
        let new = (look.exceptions.count - *told).min(look.exceptions.last.len() as u64);
        *told = look.exceptions.count;
        for exception in look.exceptions.last.iter().skip(look.exceptions.last.len() - new as usize) {
            let failure = exception.failure.clone().into_failure(look.files);
            // What ends the job is told by whoever waits for it.
            if !exception.regions.is_empty() {
                warn!(job = look.job, error = %failure, "the job has failed and is started again");
                if status.failures.len() == EXCEPTIONS_LIMIT {
                    status.failures.pop_front();
                }
                status.failures.push_back(failure);
            }
        }
        let (before, now) = (&mut status.checkpoints, look.checkpoints);
        if (before.completed, before.failed) == (now.completed, now.failed) {
            before.present.clone_from(&now.present);
        } else {
            if now.failed > before.failed
                && let Some(last) = now.last.back()
                && let CheckpointProgress::Failed(reason) = &last.progress
            {
                warn!(job = look.job, checkpoint = last.checkpoint, reason, "checkpoint was given up");
            }
            before.clone_from(now);
        }
        let waker = waker.take_if(|_| has_moved);
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// How far the job is, as it was told last. `waker` is woken when that has changed.
    pub(crate) fn state(&self, waker: &Waker) -> Option<JobState> {
        let mut inner = self.lock();
        inner.waker = Some(waker.clone());
        inner.state
    }

    pub(crate) fn status(&self) -> JobStatus {
        self.lock().status.clone()
    }
}
