//! Segments: the files that keyed state is stored in. A segment holds the rows that one subtask had of one state, all of them or those that changed,
//! sorted by namespace, hash and key.
//!
//! Everything here is pure: bytes in, bytes out. [`SegmentWriter`] makes the bytes, [`Footer`] and [`SegmentReader`] read them, [`Merge`] makes one
//! segment of a chain of them. `docs/internals/segment.md` is the specification.

mod block;
mod chain;
mod early;
mod error;
mod footer;
mod merge;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use block::{Block, Unpacked};
pub use chain::counted_blocks;
pub use error::SegmentError;
pub use footer::{BlockEntry, Footer, TAIL_BYTES};
pub use merge::{Merge, Wanted};
pub use reader::SegmentReader;
pub use writer::{SegmentSummary, SegmentWriter};

use millstream_core::{buffer::LIMIT_MAX_RECORD_SIZE, record::Record};

pub use crate::schema::SchemaName;

use crate::row::RowKey;

/// The version that this code writes, and the newest that it reads.
pub const VERSION: u32 = 1;
/// How every segment ends.
pub const MAGIC: [u8; 8] = *b"MILLSEGM";

/// Rows are gathered to blocks of this size, in bytes before compression; a row that is larger gets a block of its own.
pub const BLOCK_BYTES: usize = 128 << 10;
/// No block is larger than this, in bytes before compression: it bounds what a reader allocates.
pub const LIMIT_BLOCK_BYTES: usize = LIMIT_MAX_RECORD_SIZE + 2 * BLOCK_BYTES;

/// What a row is stored as.
pub type Row<R, V> = (<R as RowKey>::Key, V);
/// The view of a row's key.
pub type KeyView<'b, R> = <<R as RowKey>::Key as Record>::View<'b>;
