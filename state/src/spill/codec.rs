//! How a row is stored: the bytes of its key, by which rows are sorted, and those of its value.

use millstream_core::{
    buffer::{Buffer, BufferBuilder, Columns, Header, LIMIT_MAX_RECORD_SIZE, PushError, Received},
    record::Record,
    time::Timestamp,
};

/// Without columns: what is encoded is one record.
const COLUMNS: Columns = Columns { timed: false, hashed: false };
/// In front of a key is its hash.
pub(super) const HASH_BYTES: usize = size_of::<u64>();
/// In front of a value: that there is one.
pub(super) const ROW: u8 = 1;
/// In place of a value: the row was removed.
pub(super) const REMOVED: u8 = 0;

/// Encodes records one by one.
pub(super) struct Encoder<T: Record>(BufferBuilder<T>);

impl<T: Record> Encoder<T> {
    pub(super) fn new() -> Self {
        Self(BufferBuilder::new(COLUMNS, LIMIT_MAX_RECORD_SIZE))
    }

    /// Appends a record.
    fn append(&mut self, record: T::View<'_>, out: &mut Vec<u8>) -> Result<(), PushError> {
        self.0.push(record, Timestamp::MIN, 0)?;
        out.extend_from_slice(self.0.seal(0).bytes());
        Ok(())
    }

    /// The bytes of a key with this hash. They sort by the hash, and are the same for the same key.
    pub(super) fn key(&mut self, hash: u64, key: T::View<'_>, out: &mut Vec<u8>) -> Result<(), PushError> {
        out.clear();
        out.extend_from_slice(&hash.to_be_bytes());
        self.append(key, out)
    }

    /// The bytes of a value.
    pub(super) fn value(&mut self, value: T::View<'_>, out: &mut Vec<u8>) -> Result<(), PushError> {
        out.clear();
        out.push(ROW);
        self.append(value, out)
    }
}

/// The hash that the bytes of a key begin with.
#[inline]
pub(super) fn hash_of(key: &[u8]) -> u64 {
    key.first_chunk().map_or(0, |hash| u64::from_be_bytes(*hash))
}

/// The record in these bytes, checked: they have been in a file. None if they are damaged.
pub(super) fn decode<T: Record>(bytes: &[u8]) -> Option<Buffer> {
    let root = if T::PLAIN { 0 } else { size_of::<u32>() };
    let data_bytes = u32::try_from(bytes.len().checked_sub(root)?).ok()?;
    let header = Header { records: 1, data_bytes, columns: COLUMNS, port: 0, schema: T::HASH };
    Received { header, bytes: bytes.to_vec() }.validate::<T>().ok()
}

/// The key in the bytes of a row.
pub(super) fn decode_key<T: Record>(bytes: &[u8]) -> Option<Buffer> {
    decode::<T>(bytes.get(HASH_BYTES..)?)
}

/// The value in the bytes of a row that is there.
pub(super) fn decode_value<T: Record>(bytes: &[u8]) -> Option<Buffer> {
    decode::<T>(bytes.strip_prefix(&[ROW])?)
}
