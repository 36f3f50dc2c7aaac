//! [`Batch`]: what a channel carries most: a sealed buffer, and the watermarks between its records. So a watermark costs neither a buffer of its own nor the
//! buffer in front of it, however often it comes.

use std::sync::Arc;

use millstream_core::{buffer::Buffer, time::Timestamp};

/// How many watermarks go with one buffer. A stream without records is sent, too, after so many.
pub(crate) const WATERMARKS_LIMIT: usize = 64;

/// A watermark, and how many records of the buffer come before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marked {
    pub(crate) behind: usize,
    pub(crate) at: Timestamp,
}

/// Records and watermarks, in order.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) buffer: Buffer,
    /// Absent if there are none, which costs nothing then.
    watermarks: Option<Arc<[Marked]>>,
}

impl Batch {
    /// Watermarks are in order, and at most [`WATERMARKS_LIMIT`].
    pub(crate) fn new(buffer: Buffer, watermarks: &[Marked]) -> Self {
        Self { buffer, watermarks: (!watermarks.is_empty()).then(|| Arc::from(watermarks)) }
    }

    pub(crate) fn watermarks(&self) -> &[Marked] {
        self.watermarks.as_deref().unwrap_or(&[])
    }

    /// What it takes of the memory, in bytes, beside what any batch takes.
    pub(crate) fn size(&self) -> usize {
        self.buffer.size() + size_of_val(self.watermarks())
    }
}
