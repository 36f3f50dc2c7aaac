//! A lane: the buffer that is being filled for one destination. Buffers start small and grow as the destination takes them.

use std::time::Duration;

use millstream_core::{
    buffer::{Buffer, BufferBuilder, Columns},
    record::Record,
    time::Timestamp,
};

use crate::{env::Instant, failure::Failure, settings::Settings};

/// The size at which the first buffers of a channel are sent, in bytes.
const FIRST_BYTES: usize = 1 << 10;

pub(crate) struct Lane<T: Record> {
    builder: BufferBuilder<T>,
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

    /// Seals a full buffer; the next may be larger.
    pub(crate) fn seal_full(&mut self) -> Buffer {
        self.seal_bytes = (self.seal_bytes * 2).min(self.buffer_bytes_limit);
        self.waits_since = None;
        let sealed = self.builder.seal(self.port);
        self.builder.reserve(self.seal_bytes + self.seal_bytes / 4);
        sealed
    }

    /// Seals what there is, if anything.
    pub(crate) fn seal(&mut self) -> Option<Buffer> {
        self.waits_since = None;
        (!self.builder.is_empty()).then(|| self.builder.seal(self.port))
    }

    /// Seals what there is if `now` it is due: at once if the receiver waits, after the timeout otherwise. Says when it will be due if it is not.
    pub(crate) fn seal_due(&mut self, now: Instant, receiver_waits: bool) -> Result<Buffer, Option<Instant>> {
        if self.builder.is_empty() {
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
