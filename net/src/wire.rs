//! What is in the meta parts of frames, and how it is encoded. Whatever is read here came from outside: nothing is believed.

use millstream_core::{
    batch::{Batch, Marked, WATERMARKS_LIMIT},
    buffer::{Columns, Header, LIMIT_BUFFER_RECORDS, Received},
    time::Timestamp,
};
use thiserror::Error;

use crate::credit::cost_bytes;

/// The longest address of a channel, in bytes.
pub const ADDRESS_BYTES_LIMIT: usize = 256;
/// The longest note, in bytes.
pub const NOTE_BYTES_LIMIT: usize = 64;
/// The longest reason for the end of a channel, in bytes. What is longer is cut off.
pub const REASON_BYTES_LIMIT: usize = 1 << 10;

/// What comes before the watermarks of a batch, in bytes.
const BATCH_BYTES: usize = 18;
const WATERMARK_BYTES: usize = 12;
const TIMED: u8 = 1;
const HASHED: u8 = 2;
const USED_UP: u8 = 4;

/// Why a frame of its kind does not make sense.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WireError {
    /// Its parts have other lengths than such a frame has.
    #[error("a frame of kind {kind} has {bytes} bytes of its own, which cannot be")]
    Length {
        /// What it is, in a word.
        kind: &'static str,
        /// The length of the meta part.
        bytes: usize,
    },
    /// A batch says of itself what cannot be.
    #[error("a batch has {0}")]
    Batch(&'static str),
}

/// How far the receiver of a channel has come, and how far its sender may go: costs in bytes, counted from the beginning of the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Grant {
    /// What has been read and let go of.
    pub released: u64,
    /// A batch may be sent as long as those before it cost less than this.
    pub limit: u64,
}

impl Grant {
    /// The grant as bytes.
    pub fn encode(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.released.to_le_bytes());
        bytes[8..].copy_from_slice(&self.limit.to_le_bytes());
        bytes
    }

    /// Reads a grant.
    ///
    /// # Errors
    ///
    /// Fails if the length is another.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let (&[released, limit], []) = bytes.as_chunks::<8>() else {
            return Err(WireError::Length { kind: "grant", bytes: bytes.len() });
        };
        Ok(Self { released: u64::from_le_bytes(released), limit: u64::from_le_bytes(limit) })
    }
}

/// Reads the limit that a sender has agreed to.
///
/// # Errors
///
/// Fails if the length is another.
pub fn decode_settled(bytes: &[u8]) -> Result<u64, WireError> {
    let bytes: [u8; 8] = bytes.try_into().map_err(|_| WireError::Length { kind: "settled", bytes: bytes.len() })?;
    Ok(u64::from_le_bytes(bytes))
}

/// A batch that has arrived. Its records have yet to be validated.
#[derive(Debug)]
pub struct ReceivedBatch {
    /// The records, as they came.
    pub received: Received,
    /// The watermarks between them, in order.
    pub watermarks: Vec<Marked>,
    /// With it the sender has used up all the credit that it knew of.
    pub used_up: bool,
}

impl ReceivedBatch {
    /// What it takes of the credit, in bytes.
    pub fn cost(&self) -> u64 {
        cost_bytes(self.received.bytes.len(), self.watermarks.len())
    }

    /// Reads a batch from the two parts of its frame.
    ///
    /// # Errors
    ///
    /// Fails if the meta part does not make sense. The records are not looked at.
    pub fn decode(meta: &[u8], body: Vec<u8>) -> Result<Self, WireError> {
        let wrong = WireError::Length { kind: "batch", bytes: meta.len() };
        let Some((fixed, rest)) = meta.split_first_chunk::<BATCH_BYTES>() else { return Err(wrong) };
        let (marks, []) = rest.as_chunks::<WATERMARK_BYTES>() else { return Err(wrong) };
        if marks.len() > WATERMARKS_LIMIT {
            return Err(WireError::Batch("more watermarks than one may have"));
        }
        let [r0, r1, r2, r3, d0, d1, d2, d3, s0, s1, s2, s3, s4, s5, s6, s7, columns, port] = *fixed;
        let header = Header {
            records: u32::from_le_bytes([r0, r1, r2, r3]),
            data_bytes: u32::from_le_bytes([d0, d1, d2, d3]),
            columns: Columns { timed: columns & TIMED != 0, hashed: columns & HASHED != 0 },
            port,
            schema: u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]),
        };
        if columns & !(TIMED | HASHED | USED_UP) != 0 {
            return Err(WireError::Batch("columns that do not exist"));
        }
        if header.records > LIMIT_BUFFER_RECORDS {
            return Err(WireError::Batch("more records than one may have"));
        }
        let watermarks: Vec<_> = marks.iter().map(decode_watermark).collect();
        let behind = watermarks.iter().map(|mark| mark.behind).chain([header.records as usize]);
        if !behind.is_sorted() {
            return Err(WireError::Batch("watermarks that are not in order"));
        }
        let used_up = columns & USED_UP != 0;
        Ok(Self { received: Received { header, bytes: body }, watermarks, used_up })
    }
}

/// Writes the meta part of a batch behind what is there. `used_up`: no credit is left behind it.
pub(crate) fn encode_batch(batch: &Batch, used_up: bool, meta: &mut Vec<u8>) {
    let Header { records, data_bytes, columns, port, schema } = *batch.buffer.header();
    meta.extend(records.to_le_bytes());
    meta.extend(data_bytes.to_le_bytes());
    meta.extend(schema.to_le_bytes());
    let flags = [(columns.timed, TIMED), (columns.hashed, HASHED), (used_up, USED_UP)];
    meta.push(flags.iter().filter(|(is_so, _)| *is_so).fold(0, |all, (_, flag)| all | flag));
    meta.push(port);
    for mark in batch.watermarks() {
        meta.extend((mark.behind as u32).to_le_bytes());
        meta.extend(mark.at.millis().to_le_bytes());
    }
}

fn decode_watermark(bytes: &[u8; WATERMARK_BYTES]) -> Marked {
    let [b0, b1, b2, b3, at @ ..] = *bytes;
    Marked { behind: u32::from_le_bytes([b0, b1, b2, b3]) as usize, at: Timestamp::from_millis(i64::from_le_bytes(at)) }
}

/// Cuts a reason to what may be sent of it, between characters.
pub(crate) fn cut_reason(reason: &str) -> &str {
    &reason[..reason.floor_char_boundary(REASON_BYTES_LIMIT)]
}

#[cfg(test)]
mod tests;
