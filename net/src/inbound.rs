//! [`Incoming`]: the receiving end of a channel; and what the frames of the other end mean.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, Weak},
};

use hashbrown::HashMap;

use crate::{
    frame::Kind,
    link::LinkError,
    lock,
    outbound::Outbound,
    reader::Frame,
    window::{Borrower, Pool, Released, Window, WindowBytes},
    wire::{ADDRESS_BYTES_LIMIT, Grant, NOTE_BYTES_LIMIT, ReceivedBatch, decode_settled},
};

/// Who is told of channels that the other end opens.
pub trait Acceptor: Send + Sync {
    /// A channel was opened, and says what it is for. Accept or refuse it, now or later; until then its sender has no credit. Called by the reader of the
    /// connection: what takes long holds up all channels.
    fn opened(&self, channel: Arc<Incoming>, address: &[u8]);
}

/// Where what a channel carries is put. Called by the reader of the connection, in order.
pub trait Inlet: Send + Sync {
    /// A batch has come; its cost is given back by [`Incoming::release`].
    fn batch(&self, batch: ReceivedBatch);
    /// Something small has come. False if it means nothing: that ends the connection.
    fn note(&self, note: &[u8]) -> bool;
    /// Nothing more comes. Called once.
    fn closed(&self, closed: &Closed);
}

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The sender has closed the channel, behind all that it had to send.
    BySender,
    /// The connection has ended.
    Link(LinkError),
}

/// The receiving end of a channel.
pub struct Incoming {
    number: u32,
    outbound: Arc<Outbound>,
    pool: Arc<Pool>,
    state: Mutex<State>,
    this: Weak<Incoming>,
}

struct State {
    window: Window,
    /// It waits for the writer, to grant something.
    is_queued: bool,
    inlet: Option<Arc<dyn Inlet>>,
    refused: bool,
    closed: Option<Closed>,
}

impl Incoming {
    fn new(number: u32, outbound: &Arc<Outbound>, pool: &Arc<Pool>, bytes: WindowBytes) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            number,
            outbound: Arc::clone(outbound),
            pool: Arc::clone(pool),
            state: Mutex::new(State {
                window: Window::new(bytes),
                is_queued: false,
                inlet: None,
                refused: false,
                closed: None,
            }),
            this: this.clone(),
        })
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    /// Takes the channel: what comes is put there, and the sender may begin. Accepting again does nothing.
    pub fn accept(&self, inlet: Arc<dyn Inlet>) {
        let mut state = lock(&self.state);
        if let Some(closed) = state.closed.clone() {
            drop(state);
            return inlet.closed(&closed);
        }
        if state.inlet.is_none() && !state.refused {
            state.inlet = Some(inlet);
            state.window.open();
            self.grant(state);
        }
    }

    /// Wants no more of it. What still comes is dropped.
    pub fn refuse(&self, reason: &str) {
        let mut state = lock(&self.state);
        if state.closed.is_none() && !std::mem::replace(&mut state.refused, true) {
            state.inlet = None;
            drop(state);
            self.outbound.refuse(self.number, reason);
        }
    }

    /// True if nothing more comes.
    pub fn is_closed(&self) -> bool {
        lock(&self.state).closed.is_some()
    }

    /// Gives credit back for a batch that has been read, by its [cost](ReceivedBatch::cost).
    pub fn release(&self, cost: u64) {
        let mut state = lock(&self.state);
        if state.closed.is_some() {
            return;
        }
        let Released { tell, is_short } = state.window.release(cost, &self.pool);
        let begins_to_borrow = state.window.borrowed() > 0 && !std::mem::replace(&mut state.window.remembered, true);
        match tell {
            true => self.grant(state),
            false => drop(state),
        }
        if begins_to_borrow {
            self.pool.remember(self.this.clone());
        }
        if is_short {
            self.pool.reclaim();
        }
    }

    /// Has the writer tell the sender what it may do. That may be this thread, at once, so the channel must not be locked then.
    fn grant(&self, mut state: MutexGuard<'_, State>) {
        let was_queued = std::mem::replace(&mut state.is_queued, true);
        drop(state);
        if !was_queued && let Some(this) = self.this.upgrade() {
            self.outbound.grant(this);
        }
    }

    /// What the writer has to say for it.
    pub(crate) fn next_grant(&self) -> Option<Grant> {
        let mut state = lock(&self.state);
        state.is_queued = false;
        state.window.grant()
    }

    fn arrived(&self, batch: ReceivedBatch) -> Result<(), LinkError> {
        let mut state = lock(&self.state);
        let arrived = state.window.arrived(batch.cost(), batch.used_up);
        arrived.map_err(|_| LinkError::protocol(self.number, "the sender exceeds its credit"))?;
        let inlet = state.inlet.clone();
        drop(state);
        if let Some(inlet) = inlet {
            inlet.batch(batch);
        }
        Ok(())
    }

    fn settled(&self, limit: u64) -> Result<(), LinkError> {
        let mut state = lock(&self.state);
        let settled = state.window.settled(limit, &self.pool);
        settled.map_err(|_| LinkError::protocol(self.number, "the sender settles what was not asked"))?;
        self.grant(state);
        Ok(())
    }

    fn close(&self, closed: Closed) {
        let mut state = lock(&self.state);
        state.window.close(&self.pool);
        state.closed = Some(closed.clone());
        let inlet = state.inlet.take();
        drop(state);
        if let Some(inlet) = inlet {
            inlet.closed(&closed);
        }
    }
}

impl Borrower for Incoming {
    fn reclaim(&self) -> bool {
        let mut state = lock(&self.state);
        state.window.remembered = state.window.borrowed() > 0;
        let remembered = state.window.remembered;
        if state.window.reclaim() {
            self.grant(state);
        }
        remembered
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("number", &self.number).finish_non_exhaustive()
    }
}

/// The channels that the other end has opened.
pub(crate) struct Inbound {
    channels: HashMap<u32, Arc<Incoming>>,
    acceptor: Arc<dyn Acceptor>,
    outbound: Arc<Outbound>,
    pool: Arc<Pool>,
    window: WindowBytes,
    channels_limit: usize,
}

impl Inbound {
    pub(crate) fn new(
        acceptor: Arc<dyn Acceptor>,
        outbound: Arc<Outbound>,
        pool: Arc<Pool>,
        window: WindowBytes,
        channels_limit: usize,
    ) -> Self {
        Self { channels: HashMap::new(), acceptor, outbound, pool, window, channels_limit }
    }

    /// Does what a frame says.
    pub(crate) fn frame(&mut self, frame: Frame<'_>) -> Result<(), LinkError> {
        let Frame { header, meta, body } = frame;
        let number = header.channel;
        if header.kind != Kind::Batch && !body.is_empty() {
            return Err(LinkError::protocol(number, "only batches have a body"));
        }
        match header.kind {
            Kind::Open => self.open(number, meta),
            Kind::Grant => self.outbound.granted(number, Grant::decode(meta)?),
            Kind::Refuse => {
                self.outbound.refused(number);
                Ok(())
            }
            Kind::Batch => self.channel(number)?.arrived(ReceivedBatch::decode(meta, body)?),
            Kind::Settled => self.channel(number)?.settled(decode_settled(meta)?),
            Kind::Note if meta.len() > NOTE_BYTES_LIMIT => Err(LinkError::protocol(number, "a note is too long")),
            Kind::Note => {
                let inlet = lock(&self.channel(number)?.state).inlet.clone();
                match inlet.is_none_or(|inlet| inlet.note(meta)) {
                    true => Ok(()),
                    false => Err(LinkError::protocol(number, "a note means nothing")),
                }
            }
            Kind::Close => {
                self.channel(number)?.close(Closed::BySender);
                self.channels.remove(&number);
                Ok(())
            }
        }
    }

    fn channel(&self, number: u32) -> Result<&Arc<Incoming>, LinkError> {
        self.channels.get(&number).ok_or_else(|| LinkError::protocol(number, "the channel is not open"))
    }

    fn open(&mut self, number: u32, address: &[u8]) -> Result<(), LinkError> {
        if self.channels.contains_key(&number) {
            return Err(LinkError::protocol(number, "the channel is open already"));
        }
        if self.channels.len() >= self.channels_limit || address.len() > ADDRESS_BYTES_LIMIT {
            return Err(LinkError::protocol(number, "there are too many channels, or its address is too long"));
        }
        let incoming = Incoming::new(number, &self.outbound, &self.pool, self.window);
        self.channels.insert(number, Arc::clone(&incoming));
        self.acceptor.opened(incoming, address);
        Ok(())
    }

    /// The connection has ended.
    pub(crate) fn end(self, error: &LinkError) {
        for incoming in self.channels.into_values() {
            incoming.close(Closed::Link(error.clone()));
        }
    }
}
