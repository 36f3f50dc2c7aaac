//! The header of a frame: what everything on a connection is cut into.
//!
//! ```text
//! [ version u8 ][ kind u8 ][ meta u16 ][ channel u32 ][ body u32 ][ checksum u32 ][ meta bytes .. ][ body bytes .. ]
//! ```
//!
//! All numbers are little endian. The checksum is CRC-32 of all other bytes of the frame, in order. What is variable and small is in `meta`; records are in
//! `body`, which is received into memory of its own and is not moved again.

use crc32fast::Hasher;
use thiserror::Error;

/// The version that this code writes, and the only one that it reads: both ends of a connection are of one release.
pub const VERSION: u8 = 1;
/// The length of a header, in bytes.
pub const HEADER_BYTES: usize = 16;
/// The longest meta part, in bytes.
pub const META_BYTES_LIMIT: usize = 4 << 10;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The sender of a channel says what it is for. It may send nothing else until credit is granted.
    Open = 1,
    /// The receiver of a channel says what it has read, and how much may be sent.
    Grant = 2,
    /// The sender of a channel agrees to less credit than it had.
    Settled = 3,
    /// Records and watermarks.
    Batch = 4,
    /// Something small, in order with the batches; what it means is up to sender and receiver.
    Note = 5,
    /// The sender of a channel will send no more.
    Close = 6,
    /// The receiver of a channel will read no more.
    Refuse = 7,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Open, Self::Grant, Self::Settled, Self::Batch, Self::Note, Self::Close, Self::Refuse]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// What stands in front of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// The channel that it is about. Each end numbers the channels that it sends on.
    pub channel: u32,
    /// The length of the meta part, in bytes.
    pub meta_bytes: u16,
    /// The length of the body, in bytes.
    pub body_bytes: u32,
    /// CRC-32 of the rest of the frame.
    pub checksum: u32,
}

/// Why bytes are no frame. The connection cannot be read any further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The other end speaks another version.
    #[error("a frame has version {found}, this process speaks {VERSION}: both ends have to be of one release")]
    Version {
        /// What the frame says.
        found: u8,
    },
    /// There is no such kind of frame.
    #[error("a frame has kind {0}, which does not exist")]
    Kind(u8),
    /// It is longer than allowed.
    #[error("a frame has {bytes} bytes, and {limit} are allowed at most")]
    TooLong {
        /// How long it says it is.
        bytes: u64,
        /// The bound.
        limit: usize,
    },
    /// Its bytes are not what its checksum says.
    #[error("a frame on channel {channel} is damaged: its checksum does not fit")]
    Checksum {
        /// Its channel.
        channel: u32,
    },
}

impl Header {
    /// The header of a frame with this content, which is all that follows it.
    ///
    /// # Panics
    ///
    /// If `meta` is longer than [`META_BYTES_LIMIT`], or `body` longer than a `u32` can count.
    pub fn new(kind: Kind, channel: u32, meta: &[u8], body: &[u8]) -> Self {
        assert!(meta.len() <= META_BYTES_LIMIT, "what is variable in a frame is small");
        let body_bytes = u32::try_from(body.len()).expect("buffers are well below 4 GiB");
        let mut header = Self { kind, channel, meta_bytes: meta.len() as u16, body_bytes, checksum: 0 };
        header.checksum = header.checksum_with(meta, body);
        header
    }

    /// The header as bytes.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..12].copy_from_slice(&self.lengths());
        bytes[12..].copy_from_slice(&self.checksum.to_le_bytes());
        bytes
    }

    fn lengths(&self) -> [u8; 12] {
        let mut bytes = [VERSION, self.kind as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[2..4].copy_from_slice(&self.meta_bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.channel.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes
    }

    /// Reads a header. Only then is it known how much follows.
    ///
    /// # Errors
    ///
    /// Fails if it is of another version or kind, or announces more than [`META_BYTES_LIMIT`] or `body_bytes_limit`.
    pub fn decode(bytes: &[u8; HEADER_BYTES], body_bytes_limit: usize) -> Result<Self, FrameError> {
        let [version, kind, m0, m1, c0, c1, c2, c3, b0, b1, b2, b3, s0, s1, s2, s3] = *bytes;
        if version != VERSION {
            return Err(FrameError::Version { found: version });
        }
        let header = Self {
            kind: Kind::of(kind).ok_or(FrameError::Kind(kind))?,
            channel: u32::from_le_bytes([c0, c1, c2, c3]),
            meta_bytes: u16::from_le_bytes([m0, m1]),
            body_bytes: u32::from_le_bytes([b0, b1, b2, b3]),
            checksum: u32::from_le_bytes([s0, s1, s2, s3]),
        };
        let too_long = |bytes: usize, limit: usize| FrameError::TooLong { bytes: bytes as u64, limit };
        if usize::from(header.meta_bytes) > META_BYTES_LIMIT {
            return Err(too_long(header.meta_bytes.into(), META_BYTES_LIMIT));
        }
        if header.body_bytes as usize > body_bytes_limit {
            return Err(too_long(header.body_bytes as usize, body_bytes_limit));
        }
        Ok(header)
    }

    /// Looks whether what was received is what was sent.
    ///
    /// # Errors
    ///
    /// Fails if the checksum does not fit.
    pub fn check(&self, meta: &[u8], body: &[u8]) -> Result<(), FrameError> {
        if self.checksum_with(meta, body) == self.checksum {
            Ok(())
        } else {
            Err(FrameError::Checksum { channel: self.channel })
        }
    }

    fn checksum_with(&self, meta: &[u8], body: &[u8]) -> u32 {
        let mut hasher = Hasher::new();
        hasher.update(&self.lengths());
        hasher.update(meta);
        hasher.update(body);
        hasher.finalize()
    }
}

#[cfg(test)]
mod tests;
