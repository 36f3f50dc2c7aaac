//! [`Copies`]: records that leave a shard for a snapshot, encoded.

use millstream_core::{
    buffer::{Buffer, BufferBuilder, Columns, LIMIT_MAX_RECORD_SIZE, PushError},
    record::Record,
    time::Timestamp,
};

/// A buffer of a snapshot is closed once it has so many bytes.
pub(super) const BUFFER_BYTES: usize = 1 << 20;

const HASHED: Columns = Columns { timed: false, hashed: true };
/// What a record takes in the columns, in bytes.
const COLUMN_BYTES: usize = size_of::<u64>() + size_of::<u32>();

/// Encoded records, with their hashes.
pub(super) struct Copies<T: Record> {
    open: BufferBuilder<T>,
    sealed: Vec<Buffer>,
    /// Why the first record that could not be encoded could not.
    failed: Option<PushError>,
}

impl<T: Record> Default for Copies<T> {
    fn default() -> Self {
        Self { open: BufferBuilder::new(HASHED, LIMIT_MAX_RECORD_SIZE), sealed: Vec::new(), failed: None }
    }
}

impl<T: Record> Copies<T> {
    /// Adds a record. One that cannot be encoded makes [`Copies::finish`] fail: whoever writes to a table could not do anything about it.
    #[inline]
    pub(super) fn push(&mut self, record: T::View<'_>, hash: u64) {
        if let Err(error) = self.open.push(record, Timestamp::MIN, hash) {
            self.failed.get_or_insert(error);
        } else if self.open.len_bytes() + self.open.len() * COLUMN_BYTES >= BUFFER_BYTES {
            self.seal();
        }
    }

    #[cold]
    fn seal(&mut self) {
        self.sealed.push(self.open.seal(0));
    }

    /// How many records were added.
    pub(super) fn len(&self) -> usize {
        self.open.len() + self.sealed.iter().map(Buffer::len).sum::<usize>()
    }

    /// True if nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty() && self.sealed.is_empty() && self.failed.is_none()
    }

    /// All that was added.
    pub(super) fn finish(mut self) -> Result<Vec<Buffer>, PushError> {
        if !self.open.is_empty() {
            self.seal();
        }
        match self.failed {
            None => Ok(self.sealed),
            Some(error) => Err(error),
        }
    }

    /// Deals what was added out to two.
    pub(super) fn split(mut self, is_upper: impl Fn(u64) -> bool) -> (Self, Self) {
        let (mut lower, mut upper) = (Self::default(), Self::default());
        self.seal();
        for buffer in &self.sealed {
            let records = buffer.records::<T>(0);
            for i in 0..buffer.len() {
                let hash = records.hash(i).expect("the buffers of a snapshot have the column of hashes");
                if is_upper(hash) { &mut upper } else { &mut lower }.push(records.get(i), hash);
            }
        }
        lower.failed = self.failed;
        (lower, upper)
    }

    /// What was added takes so many bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let open = self.open.len_bytes() + self.open.len() * COLUMN_BYTES;
        open + self.sealed.iter().map(Buffer::size).sum::<usize>()
    }
}
