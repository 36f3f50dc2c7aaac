//! What the coordinator has to say to a subtask.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
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
    notices: Mutex<VecDeque<Notice>>,
    reader: AtomicWaker,
}

impl Inbox {
    pub(crate) fn send(&self, notice: Notice) {
        let mut notices = self.0.notices.lock().unwrap_or_else(PoisonError::into_inner);
        if notices.len() == NOTICES_LIMIT {
            notices.pop_front();
        }
        notices.push_back(notice);
        self.0.filled.store(true, Ordering::SeqCst);
        drop(notices);
        self.0.reader.wake();
    }

    /// The oldest notice. Costs a load while there is none.
    #[inline]
    pub(crate) fn take(&self) -> Option<Notice> {
        if !self.0.filled.load(Ordering::SeqCst) {
            return None;
        }
        let mut notices = self.0.notices.lock().unwrap_or_else(PoisonError::into_inner);
        let notice = notices.pop_front();
        self.0.filled.store(!notices.is_empty(), Ordering::SeqCst);
        notice
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
