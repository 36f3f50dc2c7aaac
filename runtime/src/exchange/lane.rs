//! A lane: the batch that is being filled for one destination. Buffers start small and grow as the destination takes them.

use std::time::Duration;

use millstream_core::{
    batch::{Batch, Marked, WATERMARKS_LIMIT},
    buffer::{BufferBuilder, Columns},
    record::Record,
    time::Timestamp,
};

use crate::{env::Instant, failure::Failure, settings::Settings};

/// The size at which the first buffers of a channel are sent, in bytes.
const FIRST_BYTES: usize = 1 << 10;

pub(crate) struct Lane<T: Record> {
    builder: BufferBuilder<T>,
    watermarks: Vec<Marked>,
    /// The size at which the buffer is sealed, in bytes: from `FIRST_BYTES` to the setting.
    seal_bytes: usize,
    /// Since when the buffer has waited, as of the first look at it.
    waits_since: Option<Instant>,
    buffer_bytes_limit: usize,
    timeout: Duration,
    port: u8,
}

impl<T: Record> Lane<T> {
    pub(crate) fn new(settings: &Settings, columns: Columns, port: u8) -> Self {
        Self {
            builder: BufferBuilder::new(columns, settings.max_record_size),
            watermarks: Vec::new(),
            seal_bytes: FIRST_BYTES.min(settings.buffer_bytes),
            waits_since: None,
            buffer_bytes_limit: settings.buffer_bytes,
            timeout: settings.buffer_timeout,
            port,
        }
    }

    /// Appends a record; true if the buffer is now full and has to be sealed.
    #[inline(always)]
    pub(crate) fn push(&mut self, record: T::View<'_>, at: Timestamp, hash: u64) -> Result<bool, Failure> {
        match self.builder.push(record, at, hash) {
            Ok(()) => Ok(self.builder.len_bytes() >= self.seal_bytes),
            Err(error) => Err(too_large::<T>(error)),
        }
    }

    /// Appends a watermark; gives the batch if it may have no further one.
    pub(crate) fn watermark(&mut self, at: Timestamp) -> Option<Batch> {
        self.watermarks.push(Marked { behind: self.builder.len(), at });
        if self.watermarks.len() < WATERMARKS_LIMIT { None } else { self.seal() }
    }

    /// Seals a full buffer; the next may be larger, up to half of what may be under way at once: while one is read, the next one comes.
    pub(crate) fn seal_full(&mut self, window_bytes: usize) -> Batch {
        let limit = (window_bytes / 2).max(FIRST_BYTES).min(self.buffer_bytes_limit);
        self.seal_bytes = (self.seal_bytes * 2).min(limit);
        let sealed = self.seal_all();
        self.builder.reserve(self.seal_bytes + self.seal_bytes / 4);
        sealed
    }

    /// Seals what there is, if anything.
    pub(crate) fn seal(&mut self) -> Option<Batch> {
        (!self.is_empty()).then(|| self.seal_all())
    }

    fn seal_all(&mut self) -> Batch {
        self.waits_since = None;
        let sealed = Batch::new(self.builder.seal(self.port), &self.watermarks);
        self.watermarks.clear();
        sealed
    }

    fn is_empty(&self) -> bool {
        self.builder.is_empty() && self.watermarks.is_empty()
    }

    /// Seals what there is if `now` it is due: at once if the receiver waits, after the timeout otherwise. Says when it will be due if it is not.
    pub(crate) fn seal_due(&mut self, now: Instant, receiver_waits: bool) -> Result<Batch, Option<Instant>> {
        if self.is_empty() {
            return Err(None);
        }
        let due = *self.waits_since.get_or_insert(now) + self.timeout;
        if receiver_waits || now >= due { self.seal().ok_or(None) } else { Err(Some(due)) }
    }
}

#[cold]
fn too_large<T: Record>(error: millstream_core::buffer::PushError) -> Failure {
    Failure::new(format!("{error} (record type {})", T::SCHEMA))
}

#[cfg(test)]
mod tests;
