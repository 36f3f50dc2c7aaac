//! [`Batch`]: what a channel carries most: a sealed buffer, and the watermarks between its records. So a watermark costs neither a buffer of its own nor the
//! buffer in front of it, however often it comes.

use std::sync::Arc;

use crate::{buffer::Buffer, time::Timestamp};

/// How many watermarks go with one buffer. A stream without records is sent, too, after so many.
pub const WATERMARKS_LIMIT: usize = 64;

/// A watermark, and how many records of the buffer come before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marked {
    /// How many records come before it.
    pub behind: usize,
    /// The watermark.
    pub at: Timestamp,
}

/// Records and watermarks, in order.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The records.
    pub buffer: Buffer,
    /// Absent if there are none, which costs nothing then.
    watermarks: Option<Arc<[Marked]>>,
}

impl Batch {
    /// Watermarks are in order, and at most [`WATERMARKS_LIMIT`].
    pub fn new(buffer: Buffer, watermarks: &[Marked]) -> Self {
        Self { buffer, watermarks: (!watermarks.is_empty()).then(|| Arc::from(watermarks)) }
    }

    /// The watermarks, in order.
    pub fn watermarks(&self) -> &[Marked] {
        self.watermarks.as_deref().unwrap_or(&[])
    }

    /// What it takes of the memory, in bytes, beside what any batch takes.
    pub fn size(&self) -> usize {
        self.buffer.size() + size_of_val(self.watermarks())
    }
}
