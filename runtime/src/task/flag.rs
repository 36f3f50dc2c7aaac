//! [`Flag`]: set once, seen by many; how tasks learn that they are to stop.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use futures::{FutureExt, channel::oneshot, future::Shared};

/// A flag that tasks can wait for. Clones are the same flag.
#[derive(Clone)]
pub(crate) struct Flag(Arc<Inner>);

struct Inner {
    set: AtomicBool,
    setter: Mutex<Option<oneshot::Sender<()>>>,
    seen: Shared<oneshot::Receiver<()>>,
}

impl Default for Flag {
    fn default() -> Self {
        let (setter, seen) = oneshot::channel();
        Self(Arc::new(Inner { set: AtomicBool::new(false), setter: Mutex::new(Some(setter)), seen: seen.shared() }))
    }
}

impl Flag {
    pub(crate) fn set(&self) {
        self.0.set.store(true, Ordering::SeqCst);
        // Dropping the sender wakes everyone who waits.
        self.0.setter.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.set.load(Ordering::Relaxed)
    }

    /// Waits until the flag is set. Cancel safe.
    pub(crate) async fn wait(&self) {
        let _ = self.0.seen.clone().await; // the sender is only ever dropped
    }
}
