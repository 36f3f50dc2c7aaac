//! [`Held`]: the batch that a task is reading, cut into the records between its watermarks.

use millstream_core::{batch::Batch, time::Timestamp};

use super::head::BatchCursor;

pub(super) struct Held {
    pub(super) channel: usize,
    pub(super) batch: Batch,
    /// The next record.
    position: usize,
    /// Up to where records are taken before what comes next.
    end: usize,
    /// How many of its watermarks have been passed.
    passed: usize,
}

impl Held {
    pub(super) fn new(channel: usize, batch: Batch) -> Self {
        let mut held = Self { channel, batch, position: 0, end: 0, passed: 0 };
        held.end = held.next_end();
        held
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
