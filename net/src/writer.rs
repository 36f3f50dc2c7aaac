//! `Pen`: writes frames on a connection, with few calls and without copies of their records.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::io::AsyncWrite;
use millstream_core::buffer::Buffer;

use crate::{
    frame::{Header, Kind},
    link::LinkError,
    outbound::{Outbound, Taken},
};

/// What goes out over a connection.
pub(crate) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// How many frames go out at once at most.
pub(crate) const FRAMES_LIMIT: usize = 64;
/// With how many bytes it is enough.
pub(crate) const BYTES_LIMIT: usize = 512 << 10;

/// Frames in order.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Headers and meta parts, one behind the other.
    heads: Vec<u8>,
    /// Where a body follows: behind which of these bytes, and what.
    bodies: Vec<(usize, Buffer)>,
    /// How many bytes of all that have been written.
    written: usize,
}

impl Outgoing {
    /// Appends a frame.
    pub(crate) fn push(&mut self, kind: Kind, channel: u32, meta: &[u8], body: Option<Buffer>) {
        let bytes = body.as_ref().map_or(&[][..], Buffer::bytes);
        self.heads.extend(Header::new(kind, channel, meta, bytes).encode());
        self.heads.extend(meta);
        if let Some(body) = body.filter(|body| !body.bytes().is_empty()) {
            self.bodies.push((self.heads.len(), body));
        }
    }

    fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    fn clear(&mut self) {
        self.heads.clear();
        self.bodies.clear();
        self.written = 0;
    }

    fn slices(&self) -> Vec<IoSlice<'_>> {
        let mut slices = Vec::with_capacity(2 * self.bodies.len() + 1);
        let mut begin = 0;
        for (end, body) in &self.bodies {
            slices.push(IoSlice::new(&self.heads[begin..*end]));
            slices.push(IoSlice::new(body.bytes()));
            begin = *end;
        }
        if begin < self.heads.len() {
            slices.push(IoSlice::new(&self.heads[begin..]));
        }
        slices
    }

    /// Writes what of it was not written yet.
    fn poll_write_to(&mut self, connection: &mut WriteHalf, cx: &mut Context<'_>) -> Poll<Result<(), LinkError>> {
        let mut slices = self.slices();
        let (mut left, mut written) = (&mut slices[..], self.written);
        IoSlice::advance_slices(&mut left, written);
        let result = loop {
            if left.is_empty() {
                break Pin::new(&mut *connection).poll_flush(cx);
            }
            match Pin::new(&mut *connection).poll_write_vectored(cx, left) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    IoSlice::advance_slices(&mut left, count);
                    written += count;
                }
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        self.written = written;
        result.map_err(LinkError::from)
    }
}

/// The connection, and what is on its way there.
#[derive(Default)]
pub(crate) struct Pen {
    /// None before its task has begun, and when that has ended.
    pub(crate) connection: Option<WriteHalf>,
    taken: Taken,
    outgoing: Outgoing,
}

impl Pen {
    /// Writes what is left from before, or else as much of what there is to send as goes out at once. False if there is nothing.
    pub(crate) fn poll_write(&mut self, outbound: &Outbound, cx: &mut Context<'_>) -> Poll<Result<bool, LinkError>> {
        let Self { connection, taken, outgoing } = self;
        let Some(connection) = connection else { return Poll::Pending };
        if outgoing.is_empty() {
            outbound.take(taken)?;
            taken.encode(outgoing);
        }
        if outgoing.is_empty() {
            return Poll::Ready(Ok(false));
        }
        ready!(outgoing.poll_write_to(connection, cx))?;
        outgoing.clear();
        Poll::Ready(Ok(true))
    }
}
