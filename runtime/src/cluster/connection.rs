//! [`ControlConnection`]: one end of a control connection, with a task that reads and one that writes.

use std::{
    collections::VecDeque,
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
};

use futures::{
    AsyncWrite, SinkExt,
    channel::mpsc,
    future::{Either, select},
    task::AtomicWaker,
};
use serde::{Serialize, de::DeserializeOwned};

use super::wire::{self, MESSAGE_BYTES_LIMIT, Messages, WireError};
use crate::{
    env::{Env, ReadHalf, WriteHalf},
    task::flag::Flag,
};

/// So many bytes may be on their way to the connection. Whoever does not read so much is given up.
const OUTGOING_BYTES_LIMIT: usize = 2 * MESSAGE_BYTES_LIMIT;

/// An end of a connection. Dropping it closes the connection behind what was sent.
pub(crate) struct ControlConnection {
    outgoing: Arc<Outgoing>,
    closed: Flag,
}

/// What a message was not sent for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SendError {
    /// It is too long: so many bytes.
    TooLong(usize),
    /// The other end does not read.
    Full,
}

/// Messages that wait to be written.
#[derive(Default)]
struct Outgoing {
    queue: Mutex<Queue>,
    writer: AtomicWaker,
}

#[derive(Default)]
struct Queue {
    messages: VecDeque<Vec<u8>>,
    /// Of the messages, and of those that are being written.
    bytes: usize,
    closed: bool,
}

impl ControlConnection {
    /// Runs a connection whose ends know each other. What comes is wrapped and delivered in order, and as the last thing why it has ended.
    pub(crate) fn start<T, H>(
        env: &Arc<dyn Env>,
        messages: Messages<ReadHalf>,
        writing: WriteHalf,
        mut deliver: mpsc::Sender<H>,
        wrap: impl Fn(Result<T, WireError>) -> H + Send + 'static,
    ) -> Self
    where
        T: DeserializeOwned + Send + 'static,
        H: Send + 'static,
    {
        let (outgoing, closed) = (Arc::<Outgoing>::default(), Flag::default());
        let (mut messages, stop) = (messages, closed.clone());
        env.spawn(
            "control connection, reading",
            Box::pin(async move {
                loop {
                    let next = match select(pin!(messages.next::<T>()), pin!(stop.wait())).await {
                        Either::Left((next, _)) => next,
                        Either::Right(_) => Err(WireError::Ended),
                    };
                    let is_last = next.is_err();
                    // Nobody may be there any more.
                    if deliver.send(wrap(next)).await.is_err() || is_last {
                        return stop.set();
                    }
                }
            }),
        );
        let (queue, stop) = (Arc::clone(&outgoing), closed.clone());
        env.spawn(
            "control connection, writing",
            Box::pin(async move {
                let mut writing = writing;
                let write = async {
                    while let Some(batch) = queue.take().await {
                        for message in batch {
                            wire::write(&mut writing, &message).await?;
                            queue.is_written(message.len());
                        }
                    }
                    std::io::Result::Ok(())
                };
                // Broken or closed: whoever reads finds out, too.
                let _ = select(pin!(write), pin!(stop.wait())).await;
                let _ = poll_fn(|cx| Pin::new(&mut writing).poll_close(cx)).await;
                stop.set();
            }),
        );
        Self { outgoing, closed }
    }

    /// Sends a message behind those before. Never waits.
    pub(crate) fn send(&self, message: &impl Serialize) -> Result<(), SendError> {
        let message = wire::encode(message).map_err(SendError::TooLong)?;
        let mut queue = self.outgoing.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.bytes + message.len() > OUTGOING_BYTES_LIMIT {
            return Err(SendError::Full);
        }
        queue.bytes += message.len();
        queue.messages.push_back(message);
        drop(queue);
        self.outgoing.writer.wake();
        Ok(())
    }
}

impl Drop for ControlConnection {
    fn drop(&mut self) {
        self.outgoing.queue.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.outgoing.writer.wake();
    }
}

impl ControlConnection {
    /// Ends it at once. What was not written is dropped.
    pub(crate) fn abort(self) {
        self.closed.set();
    }
}

impl Outgoing {
    /// What is to be written next; `None` when nothing will come any more.
    async fn take(&self) -> Option<VecDeque<Vec<u8>>> {
        poll_fn(|cx| {
            self.writer.register(cx.waker());
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            match (queue.messages.is_empty(), queue.closed) {
                (false, _) => Poll::Ready(Some(std::mem::take(&mut queue.messages))),
                (true, true) => Poll::Ready(None),
                (true, false) => Poll::Pending,
            }
        })
        .await
    }

    fn is_written(&self, bytes: usize) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).bytes -= bytes;
    }
}

#[cfg(test)]
mod tests;
