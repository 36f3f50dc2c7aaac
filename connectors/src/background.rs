//! Blocking work that goes on while its task does something else.

use futures::channel::oneshot;
use millstream_runtime::env::{BoxFuture, Env};

/// Starts blocking work at once. The future gives its result and may be kept, and polled again after it was left alone for a while.
pub(crate) fn background<T: Send + 'static>(
    env: &dyn Env,
    work: impl FnOnce() -> T + Send + 'static,
) -> BoxFuture<'static, T> {
    let (sender, receiver) = oneshot::channel();
    let running = env.blocking(Box::new(move || {
        let _ = sender.send(work()); // the one who asked may have gone away
    }));
    Box::pin(async move {
        running.await;
        receiver.await.expect("blocking work runs to its end, or the environment panics")
    })
}
