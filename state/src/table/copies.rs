//! [`Copies`]: records that leave a shard for a snapshot, encoded.

use std::marker::PhantomData;

use millstream_core::{
    buffer::{Buffer, BufferBuilder, LIMIT_MAX_RECORD_SIZE, PushError},
    record::Record,
    time::Timestamp,
};

use crate::{row::RowKey, snapshot::columns};

/// A buffer of a snapshot is closed once it has so many bytes.
pub(super) const BUFFER_BYTES: usize = 1 << 20;

/// So much more room is made than that, for the record with which a buffer is full.
const LAST_RECORD_BYTES: usize = 4 << 10;

/// Encoded records, which are rows of `R` or keys of such, with their hashes if they are worth it.
pub(super) struct Copies<R, T: Record> {
    open: BufferBuilder<T>,
    sealed: Vec<Buffer>,
    /// Why the first record that could not be encoded could not.
    failed: Option<PushError>,
    row: PhantomData<fn() -> R>,
}

impl<R: RowKey, T: Record> Default for Copies<R, T> {
    fn default() -> Self {
        let open = BufferBuilder::new(columns::<R>(), LIMIT_MAX_RECORD_SIZE);
        Self { open, sealed: Vec::new(), failed: None, row: PhantomData }
    }
}

impl<R: RowKey, T: Record> Copies<R, T> {
    /// What a record takes in the columns, in bytes.
    const COLUMN_BYTES: usize =
        if columns::<R>().hashed { size_of::<u64>() } else { 0 } + if T::PLAIN { 0 } else { size_of::<u32>() };

    /// Makes room for so many records, or for those of a buffer if they are more, so that what is copied is not moved again.
    pub(super) fn reserve(&mut self, records: usize) {
        let bytes = records.saturating_mul(size_of::<T::Archived>());
        self.open.reserve(if bytes < BUFFER_BYTES { bytes } else { BUFFER_BYTES + LAST_RECORD_BYTES });
    }

    /// Adds a record. One that cannot be encoded makes [`Copies::take`] fail: whoever writes to a table could not do anything about it.
    #[inline]
    pub(super) fn push(&mut self, record: T::View<'_>, hash: u64) {
        if let Err(error) = self.open.push(record, Timestamp::MIN, hash) {
            self.failed.get_or_insert(error);
        } else if self.open.len_bytes() + self.open.len() * Self::COLUMN_BYTES >= BUFFER_BYTES {
            self.seal();
        }
    }

    #[cold]
    fn seal(&mut self) {
        self.sealed.push(self.open.seal(0));
    }

    /// True if nothing is in the buffer that is being filled.
    pub(super) fn is_between(&self) -> bool {
        self.open.is_empty()
    }

    /// How many records were added.
    pub(super) fn len(&self) -> usize {
        self.open.len() + self.sealed.iter().map(Buffer::len).sum::<usize>()
    }

    /// True if nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.sealed.is_empty() && self.failed.is_none()
    }

    /// Takes all that was added.
    pub(super) fn take(&mut self) -> Result<Vec<Buffer>, PushError> {
        if !self.open.is_empty() {
            self.seal();
        }
        let sealed = std::mem::take(&mut self.sealed);
        self.failed.take().map_or(Ok(sealed), Err)
    }

    /// Adds all that was added to another.
    pub(super) fn append(&mut self, other: &mut Self) {
        if !other.open.is_empty() {
            other.seal();
        }
        self.sealed.append(&mut other.sealed);
        self.failed = self.failed.take().or(other.failed.take());
    }

    /// Deals what was added out to two, by the hashes.
    pub(super) fn split(mut self, hash: impl Fn(T::View<'_>) -> u64, is_upper: impl Fn(u64) -> bool) -> (Self, Self) {
        let (mut lower, mut upper) = (Self::default(), Self::default());
        self.seal();
        for buffer in &self.sealed {
            let records = buffer.records::<T>(0);
            for i in 0..buffer.len() {
                let record = records.get(i);
                let hash = records.hash(i).unwrap_or_else(|| hash(record));
                if is_upper(hash) { &mut upper } else { &mut lower }.push(record, hash);
            }
        }
        lower.failed = self.failed;
        (lower, upper)
    }

    /// What was added takes so many bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let open = self.open.len_bytes() + self.open.len() * Self::COLUMN_BYTES;
        open + self.sealed.iter().map(Buffer::size).sum::<usize>()
    }
}
