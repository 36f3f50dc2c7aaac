//! [`SplitClient`]: what a subtask of a source and a pool of splits in another process say to each other, on the subtask's side. It knows nothing of what
//! they say, only of the order of it.
//!
//! The host takes its part of a checkpoint when that is triggered: a split that was assigned before is of the subtask, one that is assigned behind it is of the
//! host. Both come to the subtask over one connection, in order, and whoever drives that hands them over in order: answers to
//! [`SplitClient::assigned`], barriers to [`Inbox::send`]. An answer remembers how many notices were sent before it. So
//!
//! - it is not given out before the subtask has taken these notices: what was assigned behind a barrier is not opened before the barrier has passed;
//! - it belongs to the snapshot at a barrier that was sent behind it, though it may not have been given out by then.

use std::{
    future::poll_fn,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use bytes::Bytes;
use futures::task::AtomicWaker;

use crate::checkpoint::inbox::Inbox;

/// Hands an ask to whoever sends it, with its number. Must not wait.
type Sender = Box<dyn Fn(u64, Bytes) + Send + Sync>;

/// The open ask of one subtask, and the answer to it.
pub(crate) struct SplitClient {
    send: Sender,
    inbox: Inbox,
    /// An answer is there.
    answered: AtomicBool,
    state: Mutex<State>,
    reader: AtomicWaker,
}

#[derive(Default)]
struct State {
    /// The number of the newest ask.
    newest: u64,
    /// It has no answer yet.
    open: bool,
    answer: Option<Answer>,
}

struct Answer {
    payload: Bytes,
    /// How many notices were sent to the subtask before.
    behind: u64,
}

impl SplitClient {
    /// A client for one attempt of a subtask, which the inbox belongs to. `send` is told the number of each ask, which ascends from 1, and the ask.
    pub(crate) fn new(send: impl Fn(u64, Bytes) + Send + Sync + 'static, inbox: Inbox) -> Self {
        Self {
            send: Box::new(send),
            inbox,
            answered: AtomicBool::new(false),
            state: Mutex::default(),
            reader: AtomicWaker::new(),
        }
    }

    /// The answer to an ask has come. Ignored unless that is the newest and has had none. Never waits.
    pub(crate) fn assigned(&self, request: u64, payload: Bytes) {
        let mut state = self.lock();
        if !state.open || state.newest != request {
            return;
        }
        state.open = false;
        state.answer = Some(Answer { payload, behind: self.inbox.sent() });
        self.answered.store(true, Ordering::SeqCst);
        drop(state);
        self.reader.wake();
    }

    /// Asks, in place of what was asked before: the answer to that is dropped, whether it has come or not.
    pub(super) fn ask(&self, payload: Bytes) {
        let mut state = self.lock();
        state.newest += 1;
        (state.open, state.answer) = (true, None);
        self.answered.store(false, Ordering::SeqCst);
        let request = state.newest;
        drop(state);
        (self.send)(request, payload);
    }

    /// The answer to the newest ask, once. Costs a load while there is none.
    pub(super) fn take(&self) -> Option<Bytes> {
        if !self.answered.load(Ordering::SeqCst) {
            return None;
        }
        let mut state = self.lock();
        let answer = state.answer.take_if(|answer| answer.behind <= self.inbox.taken())?;
        self.answered.store(false, Ordering::SeqCst);
        Some(answer.payload)
    }

    /// At the barrier of the notice that was taken last: the answer that came before it and has not been taken.
    pub(super) fn at_barrier(&self) -> Option<Bytes> {
        let state = self.lock();
        let answer = state.answer.as_ref().filter(|answer| answer.behind < self.inbox.taken());
        answer.map(|answer| answer.payload.clone())
    }

    /// Waits until there is an answer to take. Cancel safe. An answer behind a notice that waits does not end it: the notice wakes the subtask.
    pub(super) async fn answered(&self) {
        poll_fn(|cx| {
            self.reader.register(cx.waker());
            let state = self.lock();
            let is_there = state.answer.as_ref().is_some_and(|answer| answer.behind <= self.inbox.taken());
            if is_there { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checkpoint::{Barrier, CheckpointKind, inbox::Notice};

    const SPLIT: Bytes = Bytes::from_static(b"split");

    fn trigger(checkpoint: u64) -> Notice {
        Notice::Trigger(Barrier::new(checkpoint, CheckpointKind::Periodic))
    }

    /// A client, its inbox, and what it has asked.
    fn client() -> (SplitClient, Inbox, Arc<Mutex<Vec<u64>>>) {
        let (inbox, asked) = (Inbox::default(), Arc::<Mutex<Vec<u64>>>::default());
        let sent = Arc::clone(&asked);
        let client =
            SplitClient::new(move |request, _| sent.lock().expect("nobody has panicked").push(request), inbox.clone());
        (client, inbox, asked)
    }

    #[test]
    fn an_answer_behind_a_barrier_is_not_given_out_before_it_and_is_not_part_of_it() {
        let (client, inbox, _) = client();
        client.ask(Bytes::new());
        inbox.send(trigger(1));
        client.assigned(1, SPLIT);
        assert_eq!(client.take(), None, "the barrier waits");
        assert_eq!(inbox.take(), Some(trigger(1)));
        assert_eq!(client.at_barrier(), None, "the host has it in its own part of checkpoint 1");
        // More notices that come meanwhile change nothing.
        inbox.send(trigger(2));
        assert_eq!(client.at_barrier(), None);
        assert_eq!(client.take(), Some(SPLIT), "no barrier waits before it");
        assert_eq!(client.take(), None);
    }

    #[test]
    fn an_answer_before_a_barrier_is_part_of_it_though_nobody_has_taken_it() {
        let (client, inbox, _) = client();
        client.ask(Bytes::new());
        client.assigned(1, SPLIT);
        inbox.send(trigger(1));
        assert_eq!(inbox.take(), Some(trigger(1)));
        assert_eq!(client.at_barrier(), Some(SPLIT));
        inbox.send(trigger(2));
        assert_eq!(inbox.take(), Some(trigger(2)));
        assert_eq!(client.at_barrier(), Some(SPLIT), "of each that follows, too, until it is taken");
        assert_eq!(client.take(), Some(SPLIT));
        assert_eq!(client.at_barrier(), None);
    }

    #[test]
    fn notices_that_an_inbox_has_no_room_for_are_not_waited_for() {
        let (client, inbox, _) = client();
        client.ask(Bytes::new());
        (1..=100).for_each(|checkpoint| inbox.send(trigger(checkpoint)));
        client.assigned(1, SPLIT);
        let mut taken = 0;
        while inbox.take().is_some() {
            taken += 1;
            assert_eq!(client.at_barrier(), None);
        }
        assert!(taken < 100, "{taken}");
        assert_eq!(client.take(), Some(SPLIT));
    }

    #[test]
    fn only_the_newest_ask_is_answered_and_once() {
        let (client, _, asked) = client();
        client.ask(Bytes::new());
        client.assigned(1, Bytes::from_static(b"first"));
        client.ask(Bytes::new());
        assert_eq!(client.take(), None, "what was asked before is of no concern any more");
        client.assigned(1, Bytes::from_static(b"again"));
        client.assigned(3, Bytes::from_static(b"nobody has asked that"));
        assert_eq!(client.take(), None);
        client.assigned(2, SPLIT);
        client.assigned(2, SPLIT);
        assert_eq!((client.take(), client.take()), (Some(SPLIT), None));
        client.assigned(2, SPLIT);
        assert_eq!(client.take(), None);
        assert_eq!(*asked.lock().expect("nobody has panicked"), [1, 2]);
    }
}
