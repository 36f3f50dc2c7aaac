//! [`Asks`]: requests for splits on their way from the tasks to the loop. Of each task only the newest counts, so there are never more than tasks.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{Mutex, PoisonError},
    task::Poll,
};

use bytes::Bytes;
use futures::task::AtomicWaker;

use crate::control::{JobId, message::TaskRef};

/// A request for a split.
pub(crate) type Ask = ((JobId, TaskRef), (u64, Bytes));

/// Requests that wait.
#[derive(Default)]
pub(crate) struct Asks {
    waiting: Mutex<BTreeMap<(JobId, TaskRef), (u64, Bytes)>>,
    reader: AtomicWaker,
}

impl Asks {
    /// Takes a request, instead of an older one of the task.
    pub(crate) fn put(&self, job: JobId, task: TaskRef, request: u64, payload: Bytes) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert((job, task), (request, payload));
        drop(waiting);
        self.reader.wake();
    }

    /// The next request. Cancel safe.
    pub(crate) async fn next(&self) -> Ask {
        poll_fn(|cx| {
            self.reader.register(cx.waker());
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.pop_first().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}
