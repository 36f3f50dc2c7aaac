//! [`TaskWaker`]: makes a task runnable, once until it is polled again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Wake,
};

use super::clock::Clock;

/// The number of a task, in the order of spawning; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TaskId(pub(super) u64);

/// Wakes one task. (Everything runs on one thread, so the flag orders nothing; wakers may be dropped anywhere.)
pub(super) struct TaskWaker {
    id: TaskId,
    /// The task is among the runnable ones.
    woken: AtomicBool,
    clock: Arc<Clock>,
}

impl TaskWaker {
    /// Begins a task; it is runnable from the start.
    pub(super) fn spawn(clock: &Arc<Clock>) -> Arc<Self> {
        let waker = Arc::new(Self { id: clock.new_task(), woken: AtomicBool::new(false), clock: clock.clone() });
        waker.wake_by_ref();
        waker
    }

    pub(super) fn id(&self) -> TaskId {
        self.id
    }

    /// The task is about to be polled: from here on it can be woken again.
    pub(super) fn begin(&self) -> TaskId {
        self.woken.store(false, Relaxed);
        self.id
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Relaxed) {
            self.clock.make_runnable(self.id);
        }
    }
}
