//! Channels: one queue per sender and receiver, with credit in bytes. A queue holds sealed buffers and control events, in order. The sender may be in another process:
//! then a connection fills the queue, and the credit goes back over it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::task::AtomicWaker;
use millstream_core::batch::Batch;
use millstream_net::{
    credit::{self, OVERDRAFT_BYTES},
    inbound::{Closed, Incoming, Inlet},
    link::LinkError,
    outbound,
    wire::ReceivedBatch,
};

use super::note;
use crate::checkpoint::Barrier;

/// What a batch takes of the credit.
fn cost_bytes(batch: &Batch) -> usize {
    credit::cost_bytes(batch.buffer.size(), batch.watermarks().len()) as usize
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

/// What has come to the receiver.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// As it was sent.
    Event(Event),
    /// Records from another process, which nobody has looked at yet.
    Received(ReceivedBatch),
    /// The connection to the sender's process has ended.
    Lost(LinkError),
}

impl Arrival {
    fn may_interrupt(&self) -> bool {
        matches!(self, Self::Event(Event::Barrier(barrier)) if barrier.may_interrupt())
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
    queues: Vec<VecDeque<Arrival>>,
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
    /// The channel over a connection that fills the queue, if the sender is in another process: that counts the credit.
    incoming: OnceLock<Arc<Incoming>>,
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

    /// Takes what has come next on any channel; registers the task if there is nothing.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<(usize, Arrival)> {
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

    /// Takes what has come next on any channel, if there is anything.
    pub(crate) fn try_next(&self) -> Option<(usize, Arrival)> {
        let mut state = self.lock();
        let channel = state.ready.pop_front()?;
        let arrival = state.queues[channel].pop_front().expect("a ready channel has an event");
        if !state.queues[channel].is_empty() {
            state.ready.push_back(channel);
        }
        self.waiting.store(false, Ordering::SeqCst);
        if arrival.may_interrupt() {
            self.barriers.fetch_sub(1, Ordering::Relaxed);
        }
        Some((channel, arrival))
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
        if let Some(incoming) = credit.incoming.get() {
            return incoming.release(cost_bytes(batch) as u64);
        }
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
            if let Some(incoming) = credit.incoming.get() {
                incoming.refuse(REFUSED);
            }
        }
    }

    /// Has a channel filled by a connection. Its sender may then begin.
    pub(crate) fn attach(self: &Arc<Self>, channel: usize, incoming: Arc<Incoming>) {
        let is_first = self.channels[channel].incoming.set(Arc::clone(&incoming)).is_ok();
        if !is_first || self.lock().closed {
            return incoming.refuse(REFUSED);
        }
        incoming.accept(Arc::new(Entrance { shared: Arc::clone(self), channel }));
    }

    /// Puts something into the queue of a channel, unless nobody will read it.
    fn push(&self, channel: usize, arrival: Arrival) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if let Arrival::Event(Event::Data(batch)) = &arrival {
            self.channels[channel].in_flight_bytes.fetch_add(cost_bytes(batch), Ordering::SeqCst);
        }
        if arrival.may_interrupt() {
            self.barriers.fetch_add(1, Ordering::Relaxed);
        }
        let queue = &mut state.queues[channel];
        queue.push_back(arrival);
        if queue.len() == 1 && !state.blocked[channel] {
            state.ready.push_back(channel);
        }
        drop(state);
        if self.waiting.load(Ordering::SeqCst) {
            self.receiver.wake();
        }
    }
}

/// Why a channel from another process is refused.
const REFUSED: &str = "the receiving task has ended";

/// Where a connection puts what comes for a channel.
struct Entrance {
    shared: Arc<Shared>,
    channel: usize,
}

impl Inlet for Entrance {
    fn batch(&self, batch: ReceivedBatch) {
        self.shared.push(self.channel, Arrival::Received(batch));
    }

    fn note(&self, note: &[u8]) -> bool {
        let Some(event) = note::decode(note) else { return false };
        self.shared.push(self.channel, Arrival::Event(event));
        true
    }

    /// A sender that has closed the channel has said before how it ended: by an end of the input, or by failing, which is told otherwise.
    fn closed(&self, closed: &Closed) {
        if let Closed::Link(error) = closed {
            self.shared.push(self.channel, Arrival::Lost(error.clone()));
        }
    }
}

/// The sending end of one channel.
pub(crate) struct Sender(End);

/// Where the receiver is.
enum End {
    Here { shared: Arc<Shared>, channel: usize },
    There(outbound::Sender),
}

impl Sender {
    /// To a receiver in this process.
    pub(crate) fn new(shared: Arc<Shared>, channel: usize) -> Self {
        Self(End::Here { shared, channel })
    }

    /// To a receiver in another process.
    pub(crate) fn remote(sender: outbound::Sender) -> Self {
        Self(End::There(sender))
    }

    /// Appends an event. Never waits: who sends asks [`Sender::has_credit`] afterwards.
    pub(crate) fn send(&self, event: Event) {
        match (&self.0, event) {
            (End::Here { shared, channel }, event) => shared.push(*channel, Arrival::Event(event)),
            (End::There(sender), Event::Data(batch)) => sender.send(batch),
            (End::There(sender), event) => sender.note(&note::encode(&event)),
        }
    }

    /// True while what is in flight is below the credit.
    pub(crate) fn has_credit(&self) -> bool {
        match &self.0 {
            End::Here { shared, channel } => shared.channels[*channel].in_flight() < shared.credit_bytes,
            End::There(sender) => sender.has_credit(),
        }
    }

    /// True if even the overdraft is used up.
    pub(crate) fn is_overdrawn(&self) -> bool {
        match &self.0 {
            End::Here { shared, channel } => {
                shared.channels[*channel].in_flight() >= shared.credit_bytes + OVERDRAFT_BYTES
            }
            End::There(sender) => sender.is_overdrawn(),
        }
    }

    /// How much may be under way at once, in bytes.
    pub(crate) fn window_bytes(&self) -> usize {
        match &self.0 {
            End::Here { shared, .. } => shared.credit_bytes,
            End::There(sender) => sender.window_bytes() as usize,
        }
    }

    /// Waits for credit.
    pub(crate) fn poll_credit(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.0 {
            _ if self.has_credit() => Poll::Ready(()),
            End::Here { shared, channel } => {
                shared.channels[*channel].sender.register(cx.waker());
                if self.has_credit() { Poll::Ready(()) } else { Poll::Pending }
            }
            End::There(sender) => sender.poll_credit(cx),
        }
    }

    /// True if the receiver has nothing to do.
    pub(crate) fn receiver_waits(&self) -> bool {
        match &self.0 {
            End::Here { shared, .. } => shared.waiting.load(Ordering::Relaxed),
            End::There(sender) => sender.receiver_waits(),
        }
    }
}

impl Credit {
    fn in_flight(&self) -> usize {
        self.in_flight_bytes.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests;
