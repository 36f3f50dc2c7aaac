//! The in-process channel: one queue per sender and receiver, with credit in bytes. A queue holds sealed buffers and control events,
//! in order.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use millstream_core::batch::Batch;

use crate::checkpoint::Barrier;

/// By how much a sender may exceed its credit before its thread has to wait, in bytes. Fused operators cannot pause in the middle of a record.
pub(crate) const OVERDRAFT_BYTES: usize = 1 << 20;
/// What a buffer costs besides its bytes: allocations, counts and its place in the queue. Without it records of no size, or buffers of one small
/// record each, would take memory and no credit.
const BUFFER_OVERHEAD_BYTES: usize = 128;

/// What a batch takes of the credit.
fn cost_bytes(batch: &Batch) -> usize {
    batch.size() + BUFFER_OVERHEAD_BYTES
}

/// What a channel carries, in order: records with their watermarks, and what else the receiver has to know.
#[derive(Debug)]
pub(crate) enum Event {
    Data(Batch),
    Idle,
    Active,
    Barrier(Barrier),
    End,
}

impl Event {
    fn may_interrupt(&self) -> bool {
        matches!(self, Self::Barrier(barrier) if barrier.may_interrupt())
    }
}

/// What the senders and the receiver of one gate share.
pub(crate) struct Shared {
    state: Mutex<State>,
    channels: Vec<Credit>,
    /// True while the receiver waits for input: senders then flush at once.
    waiting: AtomicBool,
    receiver: AtomicWaker,
    /// How many barriers are in the queues that may pass while something is pending.
    barriers: AtomicUsize,
    /// What each channel may have in flight, in bytes.
    credit_bytes: usize,
}

struct State {
    queues: Vec<VecDeque<Event>>,
    /// Channels with events, each once, in the order in which they became so: no channel starves another.
    ready: VecDeque<usize>,
    /// Channels whose events wait until a barrier is aligned; they are not in `ready`.
    blocked: Vec<bool>,
    /// The receiver is gone: its job is stopping.
    closed: bool,
}

#[derive(Default)]
struct Credit {
    in_flight_bytes: AtomicUsize,
    sender: AtomicWaker,
}

impl Shared {
    pub(crate) fn new(channels: usize, credit_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                queues: (0..channels).map(|_| VecDeque::new()).collect(),
                ready: VecDeque::with_capacity(channels),
                blocked: vec![false; channels],
                closed: false,
            }),
            channels: (0..channels).map(|_| Credit::default()).collect(),
            waiting: AtomicBool::new(false),
            receiver: AtomicWaker::new(),
            barriers: AtomicUsize::new(0),
            credit_bytes,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next event of any channel; registers the task if there is none.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<(usize, Event)> {
        if let Some(next) = self.try_next() {
            return Poll::Ready(next);
        }
        self.receiver.register(cx.waker());
        self.waiting.store(true, Ordering::SeqCst);
        // An event may have come between the look and the registration.
        match self.try_next() {
            Some(next) => Poll::Ready(next),
            None => Poll::Pending,
        }
    }

    /// Takes the next event of any channel, if there is one.
    pub(crate) fn try_next(&self) -> Option<(usize, Event)> {
        let mut state = self.lock();
        let channel = state.ready.pop_front()?;
        let event = state.queues[channel].pop_front().expect("a ready channel has an event");
        if !state.queues[channel].is_empty() {
            state.ready.push_back(channel);
        }
        self.waiting.store(false, Ordering::SeqCst);
        if event.may_interrupt() {
            self.barriers.fetch_sub(1, Ordering::Relaxed);
        }
        Some((channel, event))
    }

    /// True if a barrier is on its way to the receiver that may pass while something is pending.
    pub(crate) fn has_barrier(&self) -> bool {
        self.barriers.load(Ordering::Relaxed) > 0
    }

    /// Lets the events of a channel wait. Their sender is held up once it has used up its credit.
    pub(crate) fn block(&self, channel: usize) {
        let state = &mut *self.lock();
        state.blocked[channel] = true;
        state.ready.retain(|ready| *ready != channel);
    }

    /// Lets the events of all channels come again.
    pub(crate) fn unblock(&self) {
        let state = &mut *self.lock();
        for (channel, blocked) in state.blocked.iter_mut().enumerate() {
            if std::mem::take(blocked) && !state.queues[channel].is_empty() {
                state.ready.push_back(channel);
            }
        }
    }

    /// Gives credit back for a batch that has been read.
    pub(crate) fn release(&self, channel: usize, batch: &Batch) {
        let credit = &self.channels[channel];
        let before = credit.in_flight_bytes.fetch_sub(cost_bytes(batch), Ordering::SeqCst);
        if before >= self.credit_bytes {
            credit.sender.wake();
        }
    }

    /// Says that no one will read any more: senders are never held up, what they send is dropped.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for queue in &mut state.queues {
            queue.clear();
        }
        drop(state);
        for credit in &self.channels {
            credit.in_flight_bytes.store(0, Ordering::SeqCst);
            credit.sender.wake();
        }
    }
}

/// The sending end of one channel.
pub(crate) struct Sender {
    shared: Arc<Shared>,
    channel: usize,
}

impl Sender {
    pub(crate) fn new(shared: Arc<Shared>, channel: usize) -> Self {
        Self { shared, channel }
    }

    /// Appends an event. Never waits: who sends asks [`Sender::has_credit`] afterwards.
    pub(crate) fn send(&self, event: Event) {
        let mut state = self.shared.lock();
        if state.closed {
            return;
        }
        if let Event::Data(batch) = &event {
            self.credit().in_flight_bytes.fetch_add(cost_bytes(batch), Ordering::SeqCst);
        }
        if event.may_interrupt() {
            self.shared.barriers.fetch_add(1, Ordering::Relaxed);
        }
        let queue = &mut state.queues[self.channel];
        queue.push_back(event);
        if queue.len() == 1 && !state.blocked[self.channel] {
            state.ready.push_back(self.channel);
        }
        drop(state);
        if self.shared.waiting.load(Ordering::SeqCst) {
            self.shared.receiver.wake();
        }
    }

    fn credit(&self) -> &Credit {
        &self.shared.channels[self.channel]
    }

    /// True while what is in flight is below the credit.
    pub(crate) fn has_credit(&self) -> bool {
        self.credit().in_flight_bytes.load(Ordering::SeqCst) < self.shared.credit_bytes
    }

    /// True if even the overdraft is used up.
    pub(crate) fn is_overdrawn(&self) -> bool {
        self.credit().in_flight_bytes.load(Ordering::SeqCst) >= self.shared.credit_bytes + OVERDRAFT_BYTES
    }

    /// Waits for credit.
    pub(crate) fn poll_credit(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_credit() {
            return Poll::Ready(());
        }
        self.credit().sender.register(cx.waker());
        if self.has_credit() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// True if the receiver has nothing to do.
    pub(crate) fn receiver_waits(&self) -> bool {
        self.shared.waiting.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests;
