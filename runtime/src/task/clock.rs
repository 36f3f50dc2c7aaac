//! The clock on the wall as a chain sees it: read once per step of its task.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use millstream_core::time::Timestamp;

/// Processing time as of the beginning of the task's present step; of its making, before the first one. Clones show the same.
#[derive(Clone)]
pub(crate) struct StepClock(Arc<AtomicI64>);

impl StepClock {
    pub(crate) fn new(wall: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(wall.millis())))
    }

    /// Begins a step. Called by the task alone.
    pub(crate) fn set(&self, wall: Timestamp) {
        self.0.store(wall.millis(), Relaxed);
    }

    /// As cheap as reading a field: only the task writes it, and it is on the task's own cache line most of the time.
    #[inline(always)]
    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Relaxed))
    }
}
