//! Sealed buffers: what every exchange carries, in process or between machines, and what state stores.
//!
//! A buffer holds the archives of records of one type, followed by columns: where each record's root lies (unless the
//! records are [plain](Record::PLAIN): then every root lies at a multiple of their size), its timestamp if the stream is timed,
//! and its key hash where the sender sent it along. A sealed buffer never changes and is shared by reference.
//!
//! ```text
//! [ archives ........ ][ roots: u32 x n ][ timestamps: i64 x n ][ hashes: u64 x n ]
//! ```
//!
//! All numbers are little endian and nothing is aligned. `docs/internals/buffer.md` is the specification.

use std::{any::TypeId, fmt, marker::PhantomData, sync::Arc};

use rkyv::{
    api::check_pos_with_context,
    rancor,
    ser::allocator::Arena,
    validation::{Validator, archive::ArchiveValidator},
};

use crate::{
    encode::encode,
    record::{EncodeError, Record},
    shelf,
    time::Timestamp,
};

/// The largest record that a job moves unless it says otherwise, in bytes.
pub const DEFAULT_MAX_RECORD_SIZE: usize = 16 << 20;
/// The largest `max_record_size`, in bytes: relative pointers have 32 bits.
pub const LIMIT_MAX_RECORD_SIZE: usize = 1 << 30;

/// The largest number of records in a buffer: bounds the work of checking one whose records have no bytes.
pub const LIMIT_BUFFER_RECORDS: u32 = 1 << 24;

const ROOT_BYTES: usize = size_of::<u32>();
const TIME_BYTES: usize = size_of::<i64>();
const HASH_BYTES: usize = size_of::<u64>();

/// Which columns a buffer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Columns {
    /// The stream has event time: every record carries a timestamp.
    pub timed: bool,
    /// The key's hash travels with every record.
    pub hashed: bool,
}

/// What a buffer holds; travels in front of its bytes between processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How many records there are.
    pub records: u32,
    /// The length of the archives, in bytes; the columns follow.
    pub data_bytes: u32,
    /// Which columns follow.
    pub columns: Columns,
    /// Which of the receiver's ports the records are for.
    pub port: u8,
    /// [`Record::HASH`] of the record type.
    pub schema: u64,
}

/// Why a record does not fit into a buffer.
#[derive(Debug)]
pub enum PushError {
    /// Its archive is larger than the job's `max_record_size`, in bytes.
    TooLarge {
        /// The size of this record's archive, in bytes.
        size: usize,
        /// The bound.
        limit: usize,
    },
    /// The encoder failed.
    Encode(EncodeError),
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => write!(
                f,
                "a record of {size} bytes is larger than `max_record_size` ({limit} bytes): raise the setting, or split the record"
            ),
            Self::Encode(error) => write!(f, "a record could not be encoded: {error}"),
        }
    }
}

impl std::error::Error for PushError {}

/// Fills one buffer after the other.
pub struct BufferBuilder<T: Record> {
    bytes: Vec<u8>,
    roots: Vec<u32>,
    times: Vec<Timestamp>,
    hashes: Vec<u64>,
    records: usize,
    columns: Columns,
    record_bytes_limit: usize,
    arena: Arena,
    record: PhantomData<fn(T)>,
}

impl<T: Record> BufferBuilder<T> {
    /// Builds buffers with these columns, of records of at most `record_bytes_limit` bytes each.
    pub fn new(columns: Columns, record_bytes_limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            roots: Vec::new(),
            times: Vec::new(),
            hashes: Vec::new(),
            records: 0,
            columns,
            record_bytes_limit: record_bytes_limit.min(LIMIT_MAX_RECORD_SIZE),
            arena: Arena::with_capacity(0),
            record: PhantomData,
        }
    }

    /// The length of what was pushed, in bytes, without the columns.
    #[inline(always)]
    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// How many records were pushed since the last seal.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.records
    }

    /// True if nothing was pushed since the last seal.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// Makes room, so that the next `bytes` bytes of records do not reallocate.
    pub fn reserve(&mut self, bytes: usize) {
        if self.bytes.capacity() == 0 {
            self.bytes = shelf::take(bytes);
            self.bytes.clear();
        } else {
            self.bytes.reserve(bytes);
        }
    }

    /// Appends a record. `at` and `hash` are kept only if the buffer has these columns.
    ///
    /// # Errors
    ///
    /// Fails if the record is larger than the bound; the buffer is then as it was before.
    #[inline(always)]
    pub fn push(&mut self, view: T::View<'_>, at: Timestamp, hash: u64) -> Result<(), PushError> {
        let start = self.bytes.len();
        let root = match encode::<T>(view, &mut self.bytes, &mut self.arena, self.record_bytes_limit) {
            Ok(root) => root,
            Err(error) => {
                self.bytes.truncate(start);
                return Err(error);
            }
        };
        if !T::PLAIN {
            self.roots.push(root as u32);
        }
        if self.columns.timed {
            self.times.push(at);
        }
        if self.columns.hashed {
            self.hashes.push(hash);
        }
        self.records += 1;
        Ok(())
    }

    /// Closes the buffer, for the given port of its receiver, and begins the next.
    pub fn seal(&mut self, port: u8) -> Buffer {
        let header = Header {
            records: self.records as u32,
            data_bytes: self.bytes.len() as u32,
            columns: self.columns,
            port,
            schema: T::HASH,
        };
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.reserve_exact(header.columns_bytes(T::PLAIN));
        bytes.extend(self.roots.drain(..).flat_map(u32::to_le_bytes));
        bytes.extend(self.times.drain(..).flat_map(|at| at.millis().to_le_bytes()));
        bytes.extend(self.hashes.drain(..).flat_map(u64::to_le_bytes));
        self.records = 0;
        Buffer { sealed: Arc::new(Sealed { bytes, header, record: TypeId::of::<T>() }) }
    }
}

impl Header {
    fn columns_bytes(&self, plain: bool) -> usize {
        let each = if plain { 0 } else { ROOT_BYTES }
            + if self.columns.timed { TIME_BYTES } else { 0 }
            + if self.columns.hashed { HASH_BYTES } else { 0 };
        self.records as usize * each
    }
}

/// Records of one type, encoded, immutable, shared by reference.
#[derive(Clone)]
pub struct Buffer {
    sealed: Arc<Sealed>,
}

struct Sealed {
    bytes: Vec<u8>,
    header: Header,
    /// The record type whose archives are known to be in `bytes`: they were built by a `BufferBuilder` of it, or validated as it.
    record: TypeId,
}

impl Drop for Sealed {
    fn drop(&mut self) {
        shelf::give(std::mem::take(&mut self.bytes));
    }
}

impl Buffer {
    /// What the buffer holds.
    pub fn header(&self) -> &Header {
        &self.sealed.header
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.sealed.header.records as usize
    }

    /// True if it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Which of the receiver's ports it is for.
    pub fn port(&self) -> u8 {
        self.sealed.header.port
    }

    /// Archives and columns, as they travel.
    pub fn bytes(&self) -> &[u8] {
        &self.sealed.bytes
    }

    /// What it counts as against credit and memory budgets, in bytes.
    pub fn size(&self) -> usize {
        self.sealed.bytes.len()
    }

    /// Its records, in order, from number `first` on.
    ///
    /// # Panics
    ///
    /// If the buffer holds records of another type: the graph connects a sender only to receivers of its record type.
    #[inline]
    pub fn records<T: Record>(&self, first: usize) -> Records<'_, T> {
        assert!(self.sealed.record == TypeId::of::<T>(), "a buffer is read as the record type it was built from");
        Records { buffer: Layout::of::<T>(&self.sealed.bytes, &self.sealed.header), next: first, record: PhantomData }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("header", self.header()).field("bytes", &self.size()).finish()
    }
}

/// Where the parts of a buffer lie.
#[derive(Clone, Copy)]
struct Layout<'b> {
    data: &'b [u8],
    roots: &'b [[u8; ROOT_BYTES]],
    times: &'b [[u8; TIME_BYTES]],
    hashes: &'b [[u8; HASH_BYTES]],
    records: usize,
}

impl<'b> Layout<'b> {
    /// Cuts the bytes of a buffer whose lengths are known to fit its header.
    #[inline]
    fn of<T: Record>(bytes: &'b [u8], header: &Header) -> Self {
        let records = header.records as usize;
        let (data, rest) = bytes.split_at(header.data_bytes as usize);
        let (roots, rest) = rest.split_at(if T::PLAIN { 0 } else { records * ROOT_BYTES });
        let (times, hashes) = rest.split_at(if header.columns.timed { records * TIME_BYTES } else { 0 });
        Self { data, roots: roots.as_chunks().0, times: times.as_chunks().0, hashes: hashes.as_chunks().0, records }
    }

    /// Where the root of record `i` begins.
    #[inline(always)]
    fn root<T: Record>(&self, i: usize) -> usize {
        if T::PLAIN { i * size_of::<T::Archived>() } else { u32::from_le_bytes(self.roots[i]) as usize }
    }
}

/// Reads the records of a buffer in order.
pub struct Records<'b, T: Record> {
    buffer: Layout<'b>,
    next: usize,
    record: PhantomData<fn() -> T>,
}

impl<'b, T: Record> Records<'b, T> {
    /// The number of the next record.
    #[inline(always)]
    pub fn position(&self) -> usize {
        self.next
    }

    /// These records, up to number `end`, which is not one of them any more.
    #[inline]
    pub fn until(mut self, end: usize) -> Self {
        self.buffer.records = self.buffer.records.min(end);
        self
    }

    /// The number behind the last record: for all records of a buffer, how many it has.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.buffer.records
    }

    /// True if [`len`](Self::len) is 0.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.buffer.records == 0
    }

    /// Record `i` of the buffer.
    ///
    /// # Panics
    ///
    /// If there is no such record.
    #[inline(always)]
    pub fn get(&self, i: usize) -> T::View<'b> {
        assert!(i < self.buffer.records, "record numbers are below that of the end");
        let root = self.buffer.root::<T>(i);
        // SAFETY: a `Layout` is made only from a `Buffer` of this record type (checked by `Buffer::records`). Its bytes were written by
        // `BufferBuilder<T>`, whose roots are valid `Archived`s inside of `data` at the positions that `root` finds again, or were checked to be
        // so by `Received::validate`. They live and stay unchanged for `'b`, and `Archived` has alignment 1.
        let archived = unsafe { &*self.buffer.data.as_ptr().add(root).cast::<T::Archived>() };
        T::view_archived(archived)
    }

    /// The timestamp of record `i`; [`Timestamp::MIN`] in a buffer without times.
    #[inline(always)]
    pub fn time(&self, i: usize) -> Timestamp {
        match self.buffer.times.get(i) {
            Some(at) => Timestamp::from_millis(i64::from_le_bytes(*at)),
            None => Timestamp::MIN,
        }
    }

    /// The key hash of record `i`, if it travelled along.
    #[inline(always)]
    pub fn hash(&self, i: usize) -> Option<u64> {
        self.buffer.hashes.get(i).map(|hash| u64::from_le_bytes(*hash))
    }
}

impl<'b, T: Record> Iterator for Records<'b, T> {
    type Item = (T::View<'b>, Timestamp);

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let i = self.next;
        if i >= self.buffer.records {
            return None;
        }
        self.next = i + 1;
        Some((self.get(i), self.time(i)))
    }
}

/// A buffer that came from outside this process: nothing of it is known yet.
#[derive(Debug)]
pub struct Received {
    /// What the sender says is in it.
    pub header: Header,
    /// Archives and columns.
    pub bytes: Vec<u8>,
}

/// Why a received buffer is not what its header says.
#[derive(Debug)]
pub enum Invalid {
    /// It holds records of another type, or of another version of it.
    Schema {
        /// [`Record::HASH`] of what the receiver reads.
        wanted: u64,
        /// What the header says.
        found: u64,
    },
    /// The lengths do not add up.
    Length,
    /// A root lies outside the archives.
    Root {
        /// The number of the record.
        record: usize,
    },
    /// A record's bytes are not an archive of its type.
    Record {
        /// The number of the record.
        record: usize,
        /// What the check says; release builds keep no detail.
        error: rancor::Error,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema { wanted, found } => {
                write!(f, "the buffer holds records of schema {found:016x}, its reader wants {wanted:016x}")
            }
            Self::Length => f.write_str("the buffer's length does not fit its header"),
            Self::Root { record } => write!(f, "record {record} of the buffer begins outside of it"),
            Self::Record { record, error } => write!(f, "record {record} of the buffer is damaged: {error}"),
        }
    }
}

impl std::error::Error for Invalid {}

impl Received {
    /// Checks every byte that reading as `T` would rely on.
    ///
    /// # Errors
    ///
    /// Says what does not fit. Damage that leaves valid archives of other values goes unnoticed: frames carry a checksum against that.
    pub fn validate<T: Record>(self) -> Result<Buffer, Invalid> {
        let Self { header, bytes } = self;
        if header.schema != T::HASH {
            return Err(Invalid::Schema { wanted: T::HASH, found: header.schema });
        }
        let data_bytes = header.data_bytes as usize;
        if header.records > LIMIT_BUFFER_RECORDS {
            return Err(Invalid::Length);
        }
        if data_bytes.checked_add(header.columns_bytes(T::PLAIN)) != Some(bytes.len()) {
            return Err(Invalid::Length);
        }
        let size = size_of::<T::Archived>();
        let layout = Layout::of::<T>(&bytes, &header);
        let mut validator = Validator::new(ArchiveValidator::new(layout.data), ());
        for record in 0..layout.records {
            let root = layout.root::<T>(record);
            if root.checked_add(size).is_none_or(|end| end > data_bytes) {
                return Err(Invalid::Root { record });
            }
            check_pos_with_context::<T::Archived, _, rancor::Error>(layout.data, root, &mut validator)
                .map_err(|error| Invalid::Record { record, error })?;
        }
        Ok(Buffer { sealed: Arc::new(Sealed { bytes, header, record: TypeId::of::<T>() }) })
    }
}
