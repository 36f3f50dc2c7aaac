//! [`Handle`]: how the leader is asked from outside of its loop. Its process may lead, or not, or lead again.

use std::sync::{Arc, Mutex, PoisonError};

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
}

/// This process does not lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotLeader {
    /// Where the leader answers over HTTP, if that is known.
    pub(crate) rest: Option<String>,
}

impl Handle {
    pub(super) fn leads(&self, leader: mpsc::Sender<Happening>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Whom { leader: Some(leader), elsewhere: None };
    }

    pub(super) fn stands_by(&self, elsewhere: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Whom { leader: None, elsewhere };
    }

    /// True if this process leads.
    pub(crate) fn is_leading(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).leader.is_some()
    }

    /// Has something done by the leader's loop, and waits until it has answered. What was begun goes on if nobody waits any more.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Lead, oneshot::Sender<T>) + Send + 'static,
    ) -> Result<T, NotLeader> {
        let (leader, rest) = {
            let whom = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
