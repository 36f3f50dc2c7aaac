//! What the coordinator has to say to a subtask.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Poll,
};

use futures::task::AtomicWaker;

use super::Barrier;

/// How many notices wait at most. One checkpoint is made at a time, so more only wait for a subtask that has not looked up for many of them; it then
/// misses the oldest, which says nothing that the newer ones do not.
const NOTICES_LIMIT: usize = 64;

/// A notice to a subtask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// To a source: send this barrier.
    Trigger(Barrier),
    /// The checkpoint is complete.
    Complete(u64),
    /// The checkpoint was given up.
    Abort(u64),
    /// To a source that has come to its end: what it read is committed, so it may end.
    Finish,
}

/// The notices to one subtask. Clones are the same inbox.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Inner>);

#[derive(Default)]
struct Inner {
    filled: AtomicBool,
    queue: Mutex<Queue>,
    /// How many notices the subtask has taken, with those that it has missed.
    taken: AtomicU64,
    reader: AtomicWaker,
}

#[derive(Default)]
struct Queue {
    notices: VecDeque<Notice>,
    /// How many there have been.
    sent: u64,
}

impl Inbox {
    pub(crate) fn send(&self, notice: Notice) {
        let mut queue = self.lock();
        if queue.notices.len() == NOTICES_LIMIT {
            queue.notices.pop_front();
        }
        queue.notices.push_back(notice);
        queue.sent += 1;
        self.0.filled.store(true, Ordering::SeqCst);
        drop(queue);
        self.0.reader.wake();
    }

    /// The oldest notice. Costs a load while there is none.
    #[inline]
    pub(crate) fn take(&self) -> Option<Notice> {
        if !self.0.filled.load(Ordering::SeqCst) {
            return None;
        }
        let mut queue = self.lock();
        let notice = queue.notices.pop_front();
        // Not counted where one is dropped: what the subtask does with the last that it took must not depend on what comes meanwhile.
        self.0.taken.store(queue.sent - queue.notices.len() as u64, Ordering::SeqCst);
        self.0.filled.store(!queue.notices.is_empty(), Ordering::SeqCst);
        notice
    }

    /// How many notices have been sent.
    pub(crate) fn sent(&self) -> u64 {
        self.lock().sent
    }

    /// The number of the notice that was taken last, from 1: as many have been sent up to it.
    pub(crate) fn taken(&self) -> u64 {
        self.0.taken.load(Ordering::SeqCst)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is a notice. Cancel safe.
    pub(crate) async fn filled(&self) {
        poll_fn(|cx| {
            if self.0.filled.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            self.0.reader.register(cx.waker());
            if self.0.filled.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
