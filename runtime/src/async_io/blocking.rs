//! [`Pool`]: clients that only one caller can use at a time, and who waits until it has its answer. Calls of blocking functions run beside the tasks, each with one.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::channel::oneshot;

use crate::env::{Env, blocking};

/// The clients of a subtask's blocking function. As many calls run at a time as there are clients.
pub struct Pool<C: Send + 'static> {
    env: Arc<dyn Env>,
    clients: Mutex<Clients<C>>,
}

struct Clients<C: Send + 'static> {
    free: Vec<C>,
    /// Calls that wait for one; no more than calls that may be in flight.
    waiting: VecDeque<oneshot::Sender<Lent<C>>>,
}

/// A client in use. It goes back when it is dropped, were it by a panic, or since nobody waits for the answer any more.
struct Lent<C: Send + 'static> {
    client: Option<C>,
    pool: Arc<Pool<C>>,
}

impl<C: Send + 'static> Pool<C> {
    pub(super) fn new(env: Arc<dyn Env>, free: Vec<C>) -> Self {
        Self { env, clients: Mutex::new(Clients { free, waiting: VecDeque::new() }) }
    }

    /// Runs blocking work with a client, once one is free. Whoever gives up waiting does not end work that has begun: its client is free when that is done.
    ///
    /// # Panics
    ///
    /// If the work does.
    pub async fn run<R: Send + 'static>(self: Arc<Self>, work: impl FnOnce(&mut C) -> R + Send + 'static) -> R {
        let mut lent = Arc::clone(&self).lend().await;
        blocking(&*self.env, move || work(lent.client.as_mut().expect("it is there until it goes back"))).await
    }

    async fn lend(self: Arc<Self>) -> Lent<C> {
        let waiting = {
            let mut clients = self.lock();
            if let Some(client) = clients.free.pop() {
                drop(clients);
                return Lent { client: Some(client), pool: self };
            }
            let (sender, receiver) = oneshot::channel();
            clients.waiting.retain(|waiting| !waiting.is_canceled());
            clients.waiting.push_back(sender);
            receiver
        };
        waiting.await.expect("the pool is there as long as somebody waits: it keeps who waits")
    }

    fn lock(&self) -> MutexGuard<'_, Clients<C>> {
        // Nothing in here panics while it is locked.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Send + 'static> Drop for Lent<C> {
    fn drop(&mut self) {
        let Some(mut client) = self.client.take() else { return };
        loop {
            let mut clients = self.pool.lock();
            let Some(waiting) = clients.waiting.pop_front() else {
                clients.free.push(client);
                return;
            };
            drop(clients);
            match waiting.send(Lent { client: Some(client), pool: Arc::clone(&self.pool) }) {
                Ok(()) => return,
                // It waits no longer.
                Err(mut lent) => match lent.client.take() {
                    Some(back) => client = back,
                    None => return,
                },
            }
        }
    }
}

impl<C: Send + 'static> fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
