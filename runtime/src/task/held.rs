//! [`Held`]: the batch that a task is reading, cut into the records between its watermarks.

use millstream_core::{batch::Batch, time::Timestamp};

use super::head::BatchCursor;
use crate::exchange::in_flight::InFlight;

pub(super) struct Held {
    pub(super) channel: usize,
    pub(super) batch: Batch,
    /// The next record.
    position: usize,
    /// Up to where records are taken before what comes next.
    end: usize,
    /// How many of its watermarks have been passed.
    passed: usize,
    /// It is of a checkpoint, so it took no credit.
    is_restored: bool,
}

impl Held {
    pub(super) fn new(channel: usize, batch: Batch) -> Self {
        let mut held = Self { channel, batch, position: 0, end: 0, passed: 0, is_restored: false };
        held.end = held.next_end();
        held
    }

    /// Of a checkpoint, of whose records the first had been read.
    pub(super) fn restored(channel: usize, batch: Batch, skip: usize) -> Self {
        Self { position: skip, is_restored: true, ..Self::new(channel, batch) }
    }

    pub(super) fn is_restored(&self) -> bool {
        self.is_restored
    }

    /// What has not been read or passed on; `None` if that is nothing.
    pub(super) fn rest(&self) -> Option<InFlight> {
        let watermarks = &self.batch.watermarks()[self.passed..];
        let is_over = self.position == self.batch.buffer.len() && watermarks.is_empty();
        (!is_over).then(|| InFlight::rest(&self.batch, self.position, watermarks))
    }

    /// Where the next watermark is, or the end of the batch.
    fn next_end(&self) -> usize {
        self.batch.watermarks().get(self.passed).map_or(self.batch.buffer.len(), |next| next.behind)
    }

    /// The records up to the next watermark.
    pub(super) fn cursor(&self) -> BatchCursor<'_> {
        BatchCursor::new(&self.batch.buffer, self.position..self.end)
    }

    /// Says how far these have been read.
    pub(super) fn advance_to(&mut self, position: usize) {
        self.position = position;
    }

    /// True if nothing follows the records up to which it is read.
    pub(super) fn is_last(&self) -> bool {
        self.end == self.batch.buffer.len() && self.passed == self.batch.watermarks().len()
    }

    /// Goes on behind the records that have been read: with a watermark, which is given, or with further records.
    pub(super) fn go_on(&mut self) -> Option<Timestamp> {
        let next = self.batch.watermarks().get(self.passed).filter(|next| next.behind == self.end).copied();
        match next {
            Some(_) => self.passed += 1,
            None => self.end = self.next_end(),
        }
        next.map(|next| next.at)
    }
}

#[cfg(test)]
mod tests;
