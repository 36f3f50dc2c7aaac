//! [`Handle`]: how the leader is asked from outside of its loop. Its process may lead, or not, or lead again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{
    SinkExt,
    channel::{mpsc, oneshot},
};

use super::{Happening, lead::Lead};

/// Asks the leader. Clones ask the same.
#[derive(Clone, Default)]
pub(crate) struct Handle(Arc<Mutex<Whom>>);

#[derive(Default)]
struct Whom {
    leader: Option<mpsc::Sender<Happening>>,
    /// Where another process answers over HTTP, if that leads.
    elsewhere: Option<String>,
    /// Whoever waits until this process leads.
    waiting: Vec<oneshot::Sender<()>>,
}

/// This process does not lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotLeader {
    /// Where the leader answers over HTTP, if that is known.
    pub(crate) rest: Option<String>,
}

impl Handle {
    pub(super) fn leads(&self, leader: mpsc::Sender<Happening>) {
        let mut whom = self.lock();
        (whom.leader, whom.elsewhere) = (Some(leader), None);
        let waiting = std::mem::take(&mut whom.waiting);
        drop(whom);
        for waiting in waiting {
            let _ = waiting.send(()); // it may have gone away
        }
    }

    pub(super) fn stands_by(&self, elsewhere: Option<String>) {
        let mut whom = self.lock();
        (whom.leader, whom.elsewhere) = (None, elsewhere);
    }

    /// True if this process leads.
    pub(crate) fn is_leading(&self) -> bool {
        self.lock().leader.is_some()
    }

    /// Waits until this process leads.
    pub(crate) async fn leading(&self) {
        let leads = {
            let mut whom = self.lock();
            if whom.leader.is_some() {
                return;
            }
            let (sender, leads) = oneshot::channel();
            whom.waiting.push(sender);
            leads
        };
        let _ = leads.await; // it is kept as long as this handle
    }

    fn lock(&self) -> MutexGuard<'_, Whom> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has something done by the leader's loop, and waits until it has answered. What was begun goes on if nobody waits any more.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Lead, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T, NotLeader> {
        let (leader, rest) = {
            let whom = self.lock();
            (whom.leader.clone(), whom.elsewhere.clone())
        };
        let Some(mut leader) = leader else { return Err(NotLeader { rest }) };
        let (sender, answer) = oneshot::channel();
        let call = Box::new(move |lead: &mut Lead| call(lead, sender));
        if leader.send(Happening::Call(call)).await.is_err() {
            return Err(NotLeader { rest: None });
        }
        answer.await.map_err(|_| NotLeader { rest: None })
    }
}
