//! Channels: one queue per sender and receiver, with credit in bytes. A queue holds sealed buffers and control events, in order. The sender may be in another process:
//! then a connection fills the queue, and the credit goes back over it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use futures::{channel::oneshot, task::AtomicWaker};
use millstream_core::{
    batch::{Batch, Marked},
    buffer::Received,
};
use millstream_net::{
    credit::{self, OVERDRAFT_BYTES},
    inbound::{Closed, Incoming, Inlet},
    link::LinkError,
    outbound,
    wire::ReceivedBatch,
};

use super::{
    in_flight::{ChannelId, InFlight, Overtaken, Recorded, Recorder, Recording},
    note,
};
use crate::checkpoint::Barrier;

/// What a batch takes of the credit.
fn cost_bytes(batch: &Batch) -> usize {
    credit::cost_bytes(batch.buffer.size(), batch.watermarks().len()) as usize
}

/// What a channel carries, in order: records with their watermarks, and what else the receiver has to know.
#[derive(Debug)]
pub(crate) enum Event {
    Data(Batch),
    /// Of a checkpoint: what is behind so many records of a batch. It took no credit.
    Rest(Batch, usize),
    /// Of a checkpoint: all that was on its way has come, and something new follows.
    Replayed,
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
    /// Records from a checkpoint, the first of which had been read.
    Restored { received: Received, watermarks: Vec<Marked>, skip: usize },
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
    /// How many barriers have come that may overtake.
    announcements: AtomicU64,
    /// Woken when one comes.
    announced: AtomicWaker,
    /// What each channel may have in flight, in bytes.
    credit_bytes: usize,
}

/// What a barrier overtakes.
pub(super) struct Overtaking<'a> {
    pub(super) checkpoint: u64,
    /// The channels on which it is waited for.
    pub(super) waited: Vec<bool>,
    /// Of these, those on which it may be in front of what was sent before it.
    pub(super) may: &'a dyn Fn(usize) -> bool,
    /// What is left of the batch that is being read, and its channel.
    pub(super) held: Option<(usize, InFlight)>,
    /// The channel of that batch.
    pub(super) reading: Option<usize>,
}

struct State {
    queues: Vec<VecDeque<Arrival>>,
    /// Channels with events, each once, in the order in which they became so: no channel starves another.
    ready: VecDeque<usize>,
    /// Channels whose events wait until a barrier is aligned; they are not in `ready`.
    blocked: Vec<bool>,
    /// What was on its way at the checkpoint that the job goes on from: it comes before anything else.
    restored: VecDeque<(usize, Arrival)>,
    /// The newest barrier that may overtake, with the least patience that it had on any channel.
    announced: Option<Barrier>,
    /// What is in front of a barrier that has overtaken it.
    recording: Option<Recording>,
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
                restored: VecDeque::new(),
                announced: None,
                recording: None,
                closed: false,
            }),
            channels: (0..channels).map(|_| Credit::default()).collect(),
            waiting: AtomicBool::new(false),
            receiver: AtomicWaker::new(),
            barriers: AtomicUsize::new(0),
            announcements: AtomicU64::new(0),
            announced: AtomicWaker::new(),
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
        if let Some(next) = state.restored.pop_front() {
            self.waiting.store(false, Ordering::SeqCst);
            return Some(next);
        }
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

    /// Puts in what was on its way at the checkpoint that the job goes on from, in order.
    pub(super) fn restore(&self, batches: impl IntoIterator<Item = (usize, Arrival)>) {
        let restored = &mut self.lock().restored;
        let before = restored.len();
        restored.extend(batches);
        if restored.len() > before {
            restored.push_back((0, Arrival::Event(Event::Replayed)));
        }
    }

    /// How many barriers have come that may overtake.
    pub(super) fn announcements(&self) -> u64 {
        self.announcements.load(Ordering::SeqCst)
    }

    /// The newest barrier that may overtake.
    pub(super) fn announced(&self) -> Option<Barrier> {
        self.lock().announced
    }

    /// Waits until more than so many have come.
    pub(super) fn poll_announced(&self, seen: u64, cx: &mut Context<'_>) -> Poll<()> {
        if self.announcements() > seen {
            return Poll::Ready(());
        }
        self.announced.register(cx.waker());
        if self.announcements() > seen { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Has a barrier overtake what is in front of it on all channels: it is taken out of their queues, and what is in front of it there, and comes there before it does,
    /// is recorded. `None` if there is anything in front of it on a channel where it may not overtake, or it has not come there; then nothing is done.
    pub(super) fn overtake(&self, overtaking: Overtaking<'_>) -> Option<oneshot::Receiver<Recorded>> {
        let Overtaking { checkpoint, waited, may, held, reading } = overtaking;
        let state = &mut *self.lock();
        let is_it = |arrival: &Arrival| match arrival {
            Arrival::Event(Event::Barrier(barrier)) => barrier.checkpoint == checkpoint,
            _ => false,
        };
        let places: Vec<_> = state.queues.iter().map(|queue| queue.iter().position(is_it)).collect();
        for (channel, place) in places.iter().enumerate().filter(|(channel, _)| waited[*channel] && !may(*channel)) {
            let is_first = |place: usize| !state.queues[channel].range(..place).any(is_batch);
            let is_restored = state.restored.iter().any(|(of, arrival)| *of == channel && is_batch(arrival));
            if reading == Some(channel) || is_restored || !place.is_some_and(is_first) {
                return None;
            }
        }
        // What follows what was restored may be another stream's, so that its watermarks would not hold for it.
        let restored = state
            .restored
            .iter()
            .filter_map(|(channel, arrival)| Some((*channel, Recording::of(arrival)?.without_watermarks())));
        let mut batches: Vec<_> = held.into_iter().chain(restored).collect();
        let mut open = vec![false; waited.len()];
        for (channel, place) in places.into_iter().enumerate().filter(|(channel, _)| waited[*channel]) {
            let queue = &mut state.queues[channel];
            let in_front = place.unwrap_or(queue.len());
            batches.extend(queue.range(..in_front).filter_map(Recording::of).map(|batch| (channel, batch)));
            open[channel] = place.is_none() && !queue.iter().any(|it| matches!(it, Arrival::Event(Event::End)));
            if let Some(barrier) = place.and_then(|place| queue.remove(place)) {
                self.barriers.fetch_sub(usize::from(barrier.may_interrupt()), Ordering::Relaxed);
                if queue.is_empty() {
                    state.ready.retain(|ready| *ready != channel);
                }
            }
        }
        let (recording, recorded) = Recording::new(checkpoint, batches, open);
        state.recording = Some(recording);
        state.end_recording();
        Some(recorded)
    }

    /// What is in front of the barrier of this checkpoint, or an older one, is wanted no more.
    pub(super) fn stop_recording(&self, checkpoint: u64) {
        self.lock().recording.take_if(|recording| recording.checkpoint() <= checkpoint);
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
        (state.recording, state.restored) = (None, VecDeque::new());
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
        match state.recording.as_mut().map(|recording| recording.arrives(channel, &arrival)) {
            None => {}
            Some(Recorder::GoesOn) => state.end_recording(),
            Some(Recorder::Barrier) => return state.end_recording(),
            Some(Recorder::Over) => state.recording = None,
        }
        if let Arrival::Event(Event::Barrier(barrier)) = &arrival
            && barrier.patience.is_some()
        {
            state.announce(*barrier);
            self.announcements.fetch_add(1, Ordering::SeqCst);
            self.announced.wake();
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

impl State {
    /// Hands over what was recorded, if nothing more is to come.
    fn end_recording(&mut self) {
        if let Some(recording) = self.recording.take_if(|recording| recording.is_over()) {
            recording.finish();
        }
    }

    fn announce(&mut self, barrier: Barrier) {
        match &mut self.announced {
            Some(before) if before.checkpoint > barrier.checkpoint => {}
            Some(before) if before.checkpoint == barrier.checkpoint => {
                before.patience = before.patience.min(barrier.patience);
            }
            before => *before = Some(barrier),
        }
    }
}

fn is_batch(arrival: &Arrival) -> bool {
    matches!(arrival, Arrival::Event(Event::Data(_)) | Arrival::Received(_) | Arrival::Restored { .. })
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
    Here {
        shared: Arc<Shared>,
        channel: usize,
    },
    There {
        sender: outbound::Sender,
        /// Where what barriers overtake is left, and the channel that it is of; `None` on a channel where none overtakes.
        overtaken: Option<(ChannelId, Overtaken)>,
    },
}

impl Sender {
    /// To a receiver in this process.
    pub(crate) fn new(shared: Arc<Shared>, channel: usize) -> Self {
        Self(End::Here { shared, channel })
    }

    /// To a receiver in another process.
    pub(crate) fn remote(sender: outbound::Sender, overtaken: Option<(ChannelId, Overtaken)>) -> Self {
        Self(End::There { sender, overtaken })
    }

    /// Appends an event. Never waits: who sends asks [`Sender::has_credit`] afterwards. A barrier that may overtake does so at once where something waits to leave for
    /// another process: only the receiver would make room for it, and would wait for the barrier first.
    pub(crate) fn send(&self, event: Event) {
        match (&self.0, event) {
            (End::Here { shared, channel }, event) => shared.push(*channel, Arrival::Event(event)),
            (End::There { sender, .. }, Event::Data(batch)) => sender.send(batch),
            (End::There { sender, overtaken: Some((channel, overtaken)) }, event @ Event::Barrier(barrier))
                if barrier.patience.is_some() =>
            {
                overtaken.add(*channel, &sender.overtake(&note::encode(&event)));
            }
            (End::There { sender, .. }, event) => sender.note(&note::encode(&event)),
        }
    }

    /// True while what is in flight is below the credit.
    pub(crate) fn has_credit(&self) -> bool {
        match &self.0 {
            End::Here { shared, channel } => shared.channels[*channel].in_flight() < shared.credit_bytes,
            End::There { sender, .. } => sender.has_credit(),
        }
    }

    /// True if even the overdraft is used up.
    pub(crate) fn is_overdrawn(&self) -> bool {
        match &self.0 {
            End::Here { shared, channel } => {
                shared.channels[*channel].in_flight() >= shared.credit_bytes + OVERDRAFT_BYTES
            }
            End::There { sender, .. } => sender.is_overdrawn(),
        }
    }

    /// How much may be under way at once, in bytes.
    pub(crate) fn window_bytes(&self) -> usize {
        match &self.0 {
            End::Here { shared, .. } => shared.credit_bytes,
            End::There { sender, .. } => sender.window_bytes() as usize,
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
            End::There { sender, .. } => sender.poll_credit(cx),
        }
    }

    /// True if the receiver has nothing to do.
    pub(crate) fn receiver_waits(&self) -> bool {
        match &self.0 {
            End::Here { shared, .. } => shared.waiting.load(Ordering::Relaxed),
            End::There { sender, .. } => sender.receiver_waits(),
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
