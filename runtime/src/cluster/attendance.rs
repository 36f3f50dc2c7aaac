//! [`Attendance`]: what is different where somebody sits in front of a job, in the process that runs all of it.

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

use super::progress::Progress;
use crate::{
    metrics::Registry,
    task::{flag::Flag, state_memory::StateMemory},
};

/// What a job shares with whoever has started it in this process, and sits in front of it.
#[derive(Clone, Default)]
pub(crate) struct Attendance {
    /// Where all of its attempts measure.
    pub(crate) registry: Registry,
    /// Lets its sources come to an end.
    pub(crate) drain: Flag,
    /// What has become of it.
    pub(crate) progress: Progress,
    /// What its keyed state takes in memory, in all of its attempts.
    pub(crate) state: Arc<OnceLock<Arc<StateMemory>>>,
    /// How the subtasks of its sources, by vertex, draw from the pools of splits of the newest recovery: they look at these before each step, so watermarks pass, and are
    /// held back, at the same records each time.
    pub(crate) splits: Arc<Mutex<BTreeMap<usize, PoolHandles>>>,
}

/// Makes a subtask's handle to the pool of splits of its source.
pub(crate) type PoolHandles = Box<dyn Fn() -> Box<dyn Any + Send> + Send>;
