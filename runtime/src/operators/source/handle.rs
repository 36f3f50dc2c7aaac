//! [`PoolHandle`]: what a subtask has of its source's pool of splits, wherever that is.

use std::{
    future::{Future, poll_fn},
    sync::Arc,
};

use futures::future::Either;

use super::{
    pool::{AtBarrier, Pool, Taken},
    remote::Remote,
};
use crate::{failure::Failure, source::Source};

pub(super) enum PoolHandle<S: Source> {
    /// All subtasks are in this process, with the pool.
    Shared(Arc<Pool<S>>),
    /// It is hosted elsewhere.
    Remote(Remote<S>),
}

impl<S: Source> PoolHandle<S> {
    /// Takes notice of what has been answered. Called before each step, it must not wait.
    pub(super) fn hear(&mut self) -> Result<(), Failure> {
        match self {
            Self::Shared(_) => Ok(()),
            Self::Remote(remote) => remote.hear(),
        }
    }

    /// Takes a split, if there is one for this subtask. It has to be opened before the next barrier.
    pub(super) fn take(&mut self, subtask: usize) -> Result<Taken<S::Split>, Failure> {
        match self {
            Self::Shared(pool) => Ok(pool.take(subtask)),
            Self::Remote(remote) => remote.take(),
        }
    }

    /// Says that the split which was taken last is open, and the subtask active.
    pub(super) fn begun(&mut self) -> Result<(), Failure> {
        match self {
            Self::Shared(pool) => pool.begun(),
            Self::Remote(remote) => remote.begun()?,
        }
        Ok(())
    }

    /// True if no watermark may pass, as far as is known here.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Shared(pool) => pool.holds(),
            Self::Remote(remote) => remote.holds(),
        }
    }

    /// Waits until [`PoolHandle::take`] may have another answer than [`Taken::Later`]. Cancel safe.
    pub(super) fn changed(&self, subtask: usize, seen: u64) -> impl Future<Output = ()> + Send {
        match self {
            Self::Shared(pool) => Either::Left(poll_fn(move |cx| pool.poll_changed(cx, subtask, seen).map(drop))),
            Self::Remote(remote) => Either::Right(remote.changed()),
        }
    }

    /// What the subtask adds to a checkpoint whose barrier it passes, besides the split that it reads.
    pub(super) fn at_barrier(&self, subtask: usize, checkpoint: u64) -> Result<AtBarrier<S>, Failure> {
        match self {
            Self::Shared(pool) => Ok(pool.passed(subtask, checkpoint)),
            Self::Remote(remote) => remote.at_barrier(),
        }
    }
}
