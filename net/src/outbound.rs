//! `Outbound`: what one end of a connection has to send: batches of many channels, each as its credit allows, in turn; and [`Sender`], a task's end of a channel.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker, ready},
};

use futures::task::AtomicWaker;
use hashbrown::HashMap;
use millstream_core::batch::Batch;

use crate::{
    credit::{Credit, cost_bytes},
    frame::Kind,
    inbound::Incoming,
    link::LinkError,
    lock,
    wire::{ADDRESS_BYTES_LIMIT, Grant, NOTE_BYTES_LIMIT, cut_reason, encode_batch},
    writer::{BYTES_LIMIT, FRAMES_LIMIT, Outgoing, Pen, WriteHalf},
};

/// What is to be sent, shared by all that send.
///
/// Whoever has something to send writes it himself if nobody else is writing: another thread would have to be woken for it, which takes longer than the call, and on a
/// busy machine as long as others let it wait. The connection's own task writes what the system does not take at once, and what comes meanwhile.
pub(crate) struct Outbound {
    state: Mutex<State>,
    /// Locked by who has it according to [`State::turn`], so no writer waits for another; and by the connection's task to put the connection in and to take it out.
    pen: Mutex<Pen>,
    writer: AtomicWaker,
    /// Woken when the connection is given up.
    reader: AtomicWaker,
    channels_limit: usize,
}

#[derive(Default)]
struct State {
    channels: HashMap<u32, Channel>,
    /// The number of the next channel. Numbers are not used again.
    next: u32,
    /// Channels that may send, each once, in the order in which they became so: no channel starves another.
    ready: VecDeque<u32>,
    /// What does not wait for credit. At most a few for each channel.
    control: VecDeque<Control>,
    /// Channels that have something to grant, each once.
    grants: VecDeque<Arc<Incoming>>,
    turn: Turn,
    given_up: Option<LinkError>,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Turn {
    /// The connection's task, as soon as it is woken. Until it has brought the connection it is its turn, too.
    #[default]
    Task,
    /// Somebody who has just had something to send.
    Sender,
    /// Whoever comes.
    Free,
}

struct Channel {
    queue: VecDeque<Item>,
    /// What has been sent, as cost in bytes.
    sent: u64,
    is_ready: bool,
    credit: Arc<Credit>,
}

enum Item {
    Batch(Batch),
    Note(Box<[u8]>),
    Close,
}

struct Control {
    kind: Kind,
    channel: u32,
    meta: Box<[u8]>,
}

/// What the writer has taken, until it is encoded: that takes longer than the lock may be held.
#[derive(Default)]
pub(crate) struct Taken {
    control: Vec<Control>,
    /// The channel, what it sends, and whether that has used up its credit.
    items: Vec<(u32, Item, bool)>,
    grants: Vec<Arc<Incoming>>,
}

/// Why a channel could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The connection has ended.
    #[error("the connection has ended: {0}")]
    Link(LinkError),
    /// There are as many as there may be.
    #[error("the connection has {0} channels in one direction already, and may not have more")]
    Channels(usize),
    /// The address is too long.
    #[error("the address of a channel has {0} bytes, and may have {ADDRESS_BYTES_LIMIT} at most")]
    Address(usize),
}

impl Channel {
    fn may_send(&self) -> bool {
        match self.queue.front() {
            Some(Item::Batch(_)) => self.sent < self.credit.limit(),
            Some(Item::Note(_) | Item::Close) => true,
            None => false,
        }
    }
}

impl State {
    /// Has a channel's turn come, if there is something that it may send.
    fn settle(&mut self, number: u32) {
        if let Some(channel) = self.channels.get_mut(&number)
            && !channel.is_ready
            && channel.may_send()
        {
            channel.is_ready = true;
            self.ready.push_back(number);
        }
    }

    /// True if there is nothing to send now.
    fn is_quiet(&self) -> bool {
        self.control.is_empty() && self.grants.is_empty() && self.ready.is_empty()
    }

    /// Takes what the next channel has to send, and says whether that has used up its credit.
    fn next_item(&mut self) -> Option<(u32, Item, bool)> {
        loop {
            let number = self.ready.pop_front()?;
            let Some(channel) = self.channels.get_mut(&number) else { continue };
            channel.is_ready = false;
            if !channel.may_send() {
                continue; // it has agreed to less meanwhile
            }
            let Some(item) = channel.queue.pop_front() else { continue };
            if let Item::Batch(batch) = &item {
                let cost = cost_of(batch);
                channel.sent += cost;
            }
            let used_up = channel.sent >= channel.credit.limit();
            match item {
                Item::Close => drop(self.channels.remove(&number)),
                _ => self.settle(number),
            }
            return Some((number, item, used_up));
        }
    }
}

fn cost_of(batch: &Batch) -> u64 {
    cost_bytes(batch.buffer.size(), batch.watermarks().len())
}

impl Outbound {
    pub(crate) fn new(channels_limit: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            pen: Mutex::default(),
            writer: AtomicWaker::new(),
            reader: AtomicWaker::new(),
            channels_limit,
        })
    }

    /// Opens a channel. What is appended waits until the receiver grants credit.
    pub(crate) fn open(self: &Arc<Self>, address: &[u8]) -> Result<Sender, OpenError> {
        if address.len() > ADDRESS_BYTES_LIMIT {
            return Err(OpenError::Address(address.len()));
        }
        let mut state = lock(&self.state);
        if let Some(error) = &state.given_up {
            return Err(OpenError::Link(error.clone()));
        }
        let number = state.next;
        let next = number.checked_add(1).filter(|_| state.channels.len() < self.channels_limit);
        state.next = next.ok_or(OpenError::Channels(self.channels_limit))?;
        let credit = Arc::<Credit>::default();
        let channel = Channel { queue: VecDeque::new(), sent: 0, is_ready: false, credit: Arc::clone(&credit) };
        state.channels.insert(number, channel);
        state.control.push_back(Control { kind: Kind::Open, channel: number, meta: address.into() });
        self.write(state);
        Ok(Sender { outbound: Arc::clone(self), channel: number, credit })
    }

    fn append(&self, number: u32, item: Item) {
        let mut state = lock(&self.state);
        let Some(channel) = state.channels.get_mut(&number) else { return };
        if let Item::Batch(batch) = &item {
            let cost = cost_of(batch);
            channel.credit.append(cost);
        }
        channel.queue.push_back(item);
        state.settle(number);
        self.write(state);
    }

    /// Puts something small in front of all that a channel has waiting; gives the batches, in order.
    fn overtake(&self, number: u32, note: &[u8]) -> Vec<Batch> {
        let mut state = lock(&self.state);
        let Some(channel) = state.channels.get_mut(&number) else { return Vec::new() };
        let waiting = channel.queue.iter().filter_map(|item| match item {
            Item::Batch(batch) => Some(batch.clone()),
            Item::Note(_) | Item::Close => None,
        });
        let waiting = waiting.collect();
        channel.queue.push_front(Item::Note(note.into()));
        state.settle(number);
        self.write(state);
        waiting
    }

    /// The receiver of a channel has granted something. One that has ended meanwhile is none any more.
    pub(crate) fn granted(&self, number: u32, grant: Grant) -> Result<(), LinkError> {
        let mut state = lock(&self.state);
        let Some(channel) = state.channels.get_mut(&number) else { return Ok(()) };
        if grant.released > channel.sent || grant.released > grant.limit {
            return Err(LinkError::protocol(number, "the receiver has read what was not sent"));
        }
        if let Some(limit) = channel.credit.grant(grant, channel.sent) {
            let meta = limit.to_le_bytes().into();
            state.control.push_back(Control { kind: Kind::Settled, channel: number, meta });
        }
        state.settle(number);
        self.write(state);
        Ok(())
    }

    /// The receiver of a channel will read no more.
    pub(crate) fn refused(&self, number: u32) {
        let mut state = lock(&self.state);
        let Some(channel) = state.channels.remove(&number) else { return };
        state.control.push_back(Control { kind: Kind::Close, channel: number, meta: Box::default() });
        self.write(state);
        channel.credit.end();
    }

    /// This end will read no more of a channel.
    pub(crate) fn refuse(&self, number: u32, reason: &str) {
        let mut state = lock(&self.state);
        if state.given_up.is_none() {
            let meta = cut_reason(reason).as_bytes().into();
            state.control.push_back(Control { kind: Kind::Refuse, channel: number, meta });
            self.write(state);
        }
    }

    /// A channel of the other end has something to grant. Not to be called with the channel locked, which is asked what that is.
    pub(crate) fn grant(&self, incoming: Arc<Incoming>) {
        let mut state = lock(&self.state);
        // Otherwise nobody would take it out any more, and the two would keep each other.
        if state.given_up.is_none() {
            state.grants.push_back(incoming);
            self.write(state);
        }
    }

    /// Writes what there is to send if nobody else does, as much as the system takes at once. The rest is for the connection's task.
    fn write(&self, mut state: MutexGuard<'_, State>) {
        if state.turn != Turn::Free || state.is_quiet() {
            return; // whoever writes looks again before he ends
        }
        state.turn = Turn::Sender;
        drop(state);
        let written = lock(&self.pen).poll_write(self, &mut Context::from_waker(Waker::noop()));
        let is_written = match written {
            Poll::Ready(Ok(_)) => true,
            Poll::Ready(Err(error)) => {
                self.give_up(error);
                false
            }
            Poll::Pending => false,
        };
        let mut state = lock(&self.state);
        let is_done = is_written && state.is_quiet() && state.given_up.is_none();
        state.turn = if is_done { Turn::Free } else { Turn::Task };
        drop(state);
        if !is_done {
            self.writer.wake();
        }
    }

    /// Gives the connection up; the first reason counts. Senders are told, and held up no more.
    pub(crate) fn give_up(&self, error: LinkError) -> LinkError {
        let mut state = lock(&self.state);
        let error = state.given_up.get_or_insert(error).clone();
        let State { channels, ready, control, grants, .. } = &mut *state;
        let (channels, grants) = (std::mem::take(channels), std::mem::take(grants));
        ready.clear();
        control.clear();
        drop(state);
        drop(grants);
        for channel in channels.into_values() {
            channel.credit.end();
        }
        self.writer.wake();
        self.reader.wake();
        error
    }

    /// Waits, as the reader, until the connection is given up.
    pub(crate) fn poll_given_up(&self, cx: &mut Context<'_>) -> Poll<LinkError> {
        self.reader.register(cx.waker());
        match &lock(&self.state).given_up {
            Some(error) => Poll::Ready(error.clone()),
            None => Poll::Pending,
        }
    }

    /// Takes the connection, as its task, to write on it.
    pub(crate) fn connect(&self, connection: WriteHalf) {
        lock(&self.pen).connection = Some(connection);
    }

    /// Gives the connection back, when its task ends.
    pub(crate) fn disconnect(&self) -> Option<WriteHalf> {
        lock(&self.pen).connection.take()
    }

    /// Writes, as the connection's task, whenever it is its turn, until the connection is given up.
    pub(crate) fn poll_run(&self, cx: &mut Context<'_>) -> Poll<LinkError> {
        self.writer.register(cx.waker());
        loop {
            {
                let state = &mut *lock(&self.state);
                if state.turn == Turn::Sender {
                    return Poll::Pending; // who wakes this task if there is anything left to do
                }
                if let Some(error) = &state.given_up {
                    return Poll::Ready(error.clone());
                }
                if state.turn == Turn::Free {
                    return Poll::Pending;
                }
            }
            match ready!(lock(&self.pen).poll_write(self, cx)) {
                Ok(true) => {}
                Ok(false) => {
                    let mut state = lock(&self.state);
                    if state.is_quiet() {
                        state.turn = Turn::Free;
                    }
                }
                Err(error) => drop(self.give_up(error)),
            }
        }
    }

    /// Takes as much of what there is to send as goes out at once.
    pub(crate) fn take(&self, taken: &mut Taken) -> Result<(), LinkError> {
        let mut state = lock(&self.state);
        if let Some(error) = &state.given_up {
            return Err(error.clone());
        }
        let controls = state.control.len().min(FRAMES_LIMIT);
        taken.control.extend(state.control.drain(..controls));
        let grants = state.grants.len().min(FRAMES_LIMIT);
        taken.grants.extend(state.grants.drain(..grants));
        let mut bytes = 0;
        while taken.items.len() < FRAMES_LIMIT && bytes < BYTES_LIMIT {
            let Some(item) = state.next_item() else { break };
            if let (_, Item::Batch(batch), _) = &item {
                bytes += batch.buffer.size();
            }
            taken.items.push(item);
        }
        Ok(())
    }
}

impl Taken {
    pub(crate) fn encode(&mut self, outgoing: &mut Outgoing) {
        for Control { kind, channel, meta } in self.control.drain(..) {
            outgoing.push(kind, channel, &meta, None);
        }
        for incoming in self.grants.drain(..) {
            if let Some(grant) = incoming.next_grant() {
                outgoing.push(Kind::Grant, incoming.number(), &grant.encode(), None);
            }
        }
        let mut meta = Vec::new();
        for (channel, item, used_up) in self.items.drain(..) {
            match item {
                Item::Batch(batch) => {
                    meta.clear();
                    encode_batch(&batch, used_up, &mut meta);
                    outgoing.push(Kind::Batch, channel, &meta, Some(batch.buffer));
                }
                Item::Note(note) => outgoing.push(Kind::Note, channel, &note, None),
                Item::Close => outgoing.push(Kind::Close, channel, &[], None),
            }
        }
    }
}

/// The sending end of a channel. Dropping it closes the channel, behind what was sent.
pub struct Sender {
    outbound: Arc<Outbound>,
    channel: u32,
    credit: Arc<Credit>,
}

impl Sender {
    /// Appends a batch, and writes it on the connection if it may go out, nobody else is writing, and the system takes it at once; otherwise the connection's task does.
    /// Never waits: who sends asks [`Sender::has_credit`] afterwards. If nobody reads any more, the batch is dropped.
    pub fn send(&self, batch: Batch) {
        self.outbound.append(self.channel, Item::Batch(batch));
    }

    /// Appends something small, in order with the batches. It takes no credit.
    ///
    /// # Panics
    ///
    /// If it is longer than [`NOTE_BYTES_LIMIT`].
    pub fn note(&self, note: &[u8]) {
        assert!(note.len() <= NOTE_BYTES_LIMIT, "a note is small");
        self.outbound.append(self.channel, Item::Note(note.into()));
    }

    /// As [`Sender::note`], but in front of all that waits for credit, which is told: the batches, in order. They are sent behind it.
    ///
    /// # Panics
    ///
    /// If it is longer than [`NOTE_BYTES_LIMIT`].
    pub fn overtake(&self, note: &[u8]) -> Vec<Batch> {
        assert!(note.len() <= NOTE_BYTES_LIMIT, "a note is small");
        self.outbound.overtake(self.channel, note)
    }

    /// True while what was sent and not yet read is below the credit; also if nobody reads any more.
    pub fn has_credit(&self) -> bool {
        self.credit.has_room()
    }

    /// True if even the overdraft is used up.
    pub fn is_overdrawn(&self) -> bool {
        self.credit.is_overdrawn()
    }

    /// Waits for credit. Only the last task that polled is woken.
    pub fn poll_credit(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.credit.poll_room(cx)
    }

    /// True if the receiver has read all that was sent, as far as is known here.
    pub fn receiver_waits(&self) -> bool {
        self.credit.is_settled()
    }

    /// How much may be under way at once, in bytes: what batches should not exceed.
    pub fn window_bytes(&self) -> u64 {
        self.credit.window()
    }

    /// True if nobody reads any more.
    pub fn has_ended(&self) -> bool {
        self.credit.has_ended()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.outbound.append(self.channel, Item::Close);
    }
}
