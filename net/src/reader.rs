//! [`FrameReader`]: bytes as they come from a connection, into frames. It does no I/O itself: whoever reads asks where the next bytes go, and says how many came.
//!
//! What is small goes through a stage. A body has memory of its own, which the next read fills to its end, and goes on into the stage behind it: so most bytes of records
//! are written once, by the kernel, and one call reads as much as there is.

use millstream_core::shelf::take_filled;

use crate::frame::{FrameError, HEADER_BYTES, Header, META_BYTES_LIMIT};

/// The length of the stage, in bytes. Room for a header and the longest meta part, whatever came before.
const STAGE_BYTES: usize = 16 << 10;
const _: () = assert!(STAGE_BYTES >= 2 * (HEADER_BYTES + META_BYTES_LIMIT));

/// Cuts what comes into frames.
#[derive(Debug)]
pub struct FrameReader {
    stage: Box<[u8]>,
    begin: usize,
    end: usize,
    meta: Vec<u8>,
    body: Option<Body>,
    body_bytes_limit: usize,
}

#[derive(Debug)]
struct Body {
    header: Header,
    bytes: Vec<u8>,
    filled: usize,
}

/// A frame that has come whole, its checksum looked at.
#[derive(Debug)]
pub struct Frame<'r> {
    /// What it is, and of which channel.
    pub header: Header,
    /// What is variable and small.
    pub meta: &'r [u8],
    /// Records.
    pub body: Vec<u8>,
}

impl FrameReader {
    /// Reads frames whose bodies have at most so many bytes.
    pub fn new(body_bytes_limit: usize) -> Self {
        Self {
            stage: vec![0; STAGE_BYTES].into_boxed_slice(),
            begin: 0,
            end: 0,
            meta: Vec::with_capacity(META_BYTES_LIMIT),
            body: None,
            body_bytes_limit,
        }
    }

    /// Where the next bytes go: the first part, then the second. The parts are not both empty.
    pub fn spare(&mut self) -> [&mut [u8]; 2] {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        } else if self.stage.len() - self.end < HEADER_BYTES + META_BYTES_LIMIT {
            self.stage.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        let rest = match &mut self.body {
            Some(body) => &mut body.bytes[body.filled..],
            None => &mut [],
        };
        [rest, &mut self.stage[self.end..]]
    }

    /// So many bytes have come.
    ///
    /// # Panics
    ///
    /// If there was less room for them.
    pub fn advance(&mut self, bytes: usize) {
        let into_body = self.body.as_mut().map_or(0, |body| {
            let count = bytes.min(body.bytes.len() - body.filled);
            body.filled += count;
            count
        });
        self.end += bytes - into_body;
        assert!(self.end <= self.stage.len(), "no more bytes come than there was room for");
    }

    /// The next frame that has come whole.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are no frame; what follows cannot be read either.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        if self.body.is_none() && !self.begin_frame()? {
            return Ok(None);
        }
        if self.body.as_ref().is_none_or(|body| body.filled < body.bytes.len()) {
            return Ok(None);
        }
        let Some(Body { header, bytes, .. }) = self.body.take() else { return Ok(None) };
        header.check(&self.meta, &bytes)?;
        Ok(Some(Frame { header, meta: &self.meta, body: bytes }))
    }

    /// Takes a header and what belongs to it from the stage. False if they have not come whole.
    fn begin_frame(&mut self) -> Result<bool, FrameError> {
        let staged = &self.stage[self.begin..self.end];
        let Some((header, rest)) = staged.split_first_chunk::<HEADER_BYTES>() else { return Ok(false) };
        let header = Header::decode(header, self.body_bytes_limit)?;
        let Some((meta, rest)) = rest.split_at_checked(header.meta_bytes.into()) else { return Ok(false) };
        self.meta.clear();
        self.meta.extend_from_slice(meta);
        let mut bytes = take_filled(header.body_bytes as usize);
        let filled = rest.len().min(bytes.len());
        bytes[..filled].copy_from_slice(&rest[..filled]);
        self.begin += HEADER_BYTES + meta.len() + filled;
        self.body = Some(Body { header, bytes, filled });
        Ok(true)
    }

    /// True if nothing of a frame has come that is not whole.
    pub fn is_between_frames(&self) -> bool {
        self.body.is_none() && self.begin == self.end
    }
}
