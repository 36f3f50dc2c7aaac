//! What goes on in the background for a sink, so that one who cleans up behind it can wait until nothing does.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
};

use futures::{StreamExt, channel::mpsc};
use millstream_runtime::env::{BoxFuture, Env};

use crate::background::background;

/// The background work of a sink. A task that is dropped leaves its work going on: a file may yet be made, or be written to.
#[derive(Debug, Clone)]
pub(super) struct UnderWay(Arc<Mutex<Channel>>);

/// Nothing is ever sent: the channel ends when whatever holds a sender has ended.
type Channel = (mpsc::Sender<Infallible>, mpsc::Receiver<Infallible>);

impl UnderWay {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(mpsc::channel(0))))
    }

    /// Starts work, as [`background`] does.
    pub(super) fn start<T: Send + 'static>(
        &self,
        env: &dyn Env,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> BoxFuture<'static, T> {
        let token = self.0.lock().unwrap_or_else(PoisonError::into_inner).0.clone();
        background(env, move || {
            let result = work();
            drop(token);
            result
        })
    }

    /// Waits until all work that was started before this has ended.
    pub(super) async fn ended(&self) {
        let (sender, mut receiver) = {
            let mut channel = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *channel, mpsc::channel(0))
        };
        drop(sender);
        while receiver.next().await.is_some() {}
    }
}
