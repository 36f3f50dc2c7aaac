//! `Outgoing`: frames on their way to a connection, written with few calls and without copies of their records.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::Pin,
};

use futures::io::AsyncWrite;
use millstream_core::buffer::Buffer;

use crate::{
    frame::{Header, Kind},
    link::LinkError,
    outbound::Outbound,
};

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

    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.heads.clear();
        self.bodies.clear();
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

    /// Writes all of it, unless the connection is given up meanwhile.
    pub(crate) async fn write_to(
        &self,
        connection: &mut (impl AsyncWrite + Unpin),
        outbound: &Outbound,
    ) -> Result<(), LinkError> {
        let mut slices = self.slices();
        let mut left = &mut slices[..];
        while !left.is_empty() {
            let write = poll_fn(|cx| {
                outbound.watch(cx)?;
                Pin::new(&mut *connection).poll_write_vectored(cx, left).map_err(LinkError::from)
            });
            let written = write.await?;
            if written == 0 {
                return Err(io::Error::from(io::ErrorKind::WriteZero).into());
            }
            IoSlice::advance_slices(&mut left, written);
        }
        let flush = poll_fn(|cx| {
            outbound.watch(cx)?;
            Pin::new(&mut *connection).poll_flush(cx).map_err(LinkError::from)
        });
        flush.await
    }
}
