//! [`Link`]: one connection to another process. It carries any number of channels in both directions.

use std::{
    future::poll_fn,
    io::{self, IoSliceMut},
    pin::Pin,
    sync::Arc,
    task::Poll,
};

use futures::io::{AsyncRead, AsyncWrite};
use thiserror::Error;

use crate::{
    frame::FrameError,
    inbound::{Acceptor, Inbound},
    outbound::{OpenError, Outbound, Sender},
    reader::FrameReader,
    window::{Pool, WindowBytes},
    wire::WireError,
    writer::WriteHalf,
};

/// The bounds of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The longest buffer that is received, in bytes.
    pub body_bytes_limit: usize,
    /// How many channels each end may have open.
    pub channels_limit: usize,
    /// The windows of the channels that are received.
    pub window: WindowBytes,
}

/// Why a connection has ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The other end has closed it, or its process has ended.
    #[error("the other end has closed the connection")]
    Ended,
    /// This end has closed it.
    #[error("this end has closed the connection")]
    Closed,
    /// It cannot be read or written.
    #[error("the connection is broken: {message}")]
    Io {
        /// What kind of error it is.
        kind: io::ErrorKind,
        /// What the system says.
        message: String,
    },
    /// What came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// What came is no sensible frame.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The other end does what it may not.
    #[error("the other end breaks the rules of channel {channel}: {rule}")]
    Protocol {
        /// The channel.
        channel: u32,
        /// What it did.
        rule: &'static str,
    },
}

impl LinkError {
    pub(crate) fn protocol(channel: u32, rule: &'static str) -> Self {
        Self::Protocol { channel, rule }
    }
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        Self::Io { kind: error.kind(), message: error.to_string() }
    }
}

/// One end of a connection, to open channels on.
#[derive(Clone)]
pub struct Link {
    outbound: Arc<Outbound>,
}

/// Reads the connection, to be run on a task of its own.
pub struct Reader {
    inbound: Inbound,
    outbound: Arc<Outbound>,
    frames: FrameReader,
}

/// Writes the connection, to be run on a task of its own.
pub struct Writer {
    outbound: Arc<Outbound>,
}

impl Link {
    /// An end of a connection, and what drives its two directions. `pool` is shared by all connections of a process.
    pub fn new(options: Options, pool: &Arc<Pool>, acceptor: Arc<dyn Acceptor>) -> (Self, Reader, Writer) {
        let Options { body_bytes_limit, channels_limit, window } = options;
        let outbound = Outbound::new(channels_limit);
        let inbound = Inbound::new(acceptor, Arc::clone(&outbound), Arc::clone(pool), window, channels_limit);
        let reader = Reader { inbound, outbound: Arc::clone(&outbound), frames: FrameReader::new(body_bytes_limit) };
        let writer = Writer { outbound: Arc::clone(&outbound) };
        (Self { outbound }, reader, writer)
    }

    /// Opens a channel to the other end, which is told the address, and accepts or refuses.
    ///
    /// # Errors
    ///
    /// Fails if the connection has ended, if there are too many channels, or if the address is longer than
    /// [`ADDRESS_BYTES_LIMIT`](crate::wire::ADDRESS_BYTES_LIMIT).
    pub fn open(&self, address: &[u8]) -> Result<Sender, OpenError> {
        self.outbound.open(address)
    }

    /// Ends the connection, with all its channels. What was not written yet is dropped.
    pub fn close(&self) {
        self.outbound.give_up(LinkError::Closed);
    }
}

impl Reader {
    /// Reads until the connection ends, and says why. All channels are told. Not cancel safe: if it is dropped, the connection has to be closed.
    pub async fn run(mut self, mut connection: impl AsyncRead + Unpin) -> LinkError {
        let error = loop {
            if let Err(error) = self.step(&mut connection).await {
                break self.outbound.give_up(error);
            }
        };
        self.inbound.end(&error);
        error
    }

    /// Reads what there is, and does what its frames say.
    async fn step(&mut self, connection: &mut (impl AsyncRead + Unpin)) -> Result<(), LinkError> {
        let Self { inbound, outbound, frames } = self;
        let read = poll_fn(|cx| {
            if let Poll::Ready(error) = outbound.poll_given_up(cx) {
                return Poll::Ready(Err(error));
            }
            let [first, second] = frames.spare();
            let read = if first.is_empty() {
                Pin::new(&mut *connection).poll_read(cx, second)
            } else {
                let mut parts = [IoSliceMut::new(first), IoSliceMut::new(second)];
                Pin::new(&mut *connection).poll_read_vectored(cx, &mut parts)
            };
            read.map_err(LinkError::from)
        });
        let bytes = read.await?;
        if bytes == 0 {
            return Err(LinkError::Ended);
        }
        frames.advance(bytes);
        while let Some(frame) = frames.next_frame()? {
            inbound.frame(frame)?;
        }
        Ok(())
    }
}

impl Writer {
    /// Writes what is sent until the connection ends, and says why. The other half of the connection stays open, for [`Reader::run`], if this future is dropped; it
    /// then has to be closed.
    ///
    /// Most of it is written by those that send, on their threads; see [`Sender::send`].
    pub async fn run(self, connection: impl AsyncWrite + Send + Unpin + 'static) -> LinkError {
        let connected = Connected::new(&self.outbound, Box::new(connection));
        let error = poll_fn(|cx| self.outbound.poll_run(cx)).await;
        if let Some(mut connection) = connected.end() {
            let _ = poll_fn(|cx| Pin::new(&mut connection).poll_close(cx)).await; // it is of no use any more, closed or not
        }
        error
    }
}

/// The connection is there for all that send, for as long as this is.
struct Connected<'o>(&'o Outbound);

impl<'o> Connected<'o> {
    fn new(outbound: &'o Outbound, connection: WriteHalf) -> Self {
        outbound.connect(connection);
        Self(outbound)
    }

    fn end(self) -> Option<WriteHalf> {
        self.0.disconnect()
    }
}

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        self.0.disconnect();
    }
}
