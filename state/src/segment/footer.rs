//! The end of a segment: what is in it, and where.

use millstream_core::{
    key::key_group,
    time::{Timestamp, Window},
};

use super::{MAGIC, SegmentError, VERSION};
use crate::{
    groups::GroupRange,
    schema::SchemaName,
    snapshot::{Namespace, SnapshotKind},
};

/// How many bytes the very end of a segment has: the footer's length, its checksum, the version, the magic.
pub const TAIL_BYTES: usize = 4 + 4 + 4 + MAGIC.len();

const FLAG_FULL: u8 = 1;
const FLAG_HASHED: u8 = 2;
const NAMESPACE_BYTES: usize = 1 + 8 + 8;
pub(super) const ENTRY_BYTES: usize = NAMESPACE_BYTES + 8 + 8 + 4 + 1 + 4 + 4 + 4 + 4 + 4;

/// What the index says of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockEntry {
    /// The namespace of all that is in it.
    pub namespace: Namespace,
    /// The lowest hash in it.
    pub first: u64,
    /// The highest hash in it.
    pub last: u64,
    /// Where it begins in the segment. Not stored: each block begins where the one before ends.
    pub offset: u64,
    /// Its length in the segment, in bytes.
    pub stored: u32,
    /// True if it is compressed.
    pub compressed: bool,
    /// The checksum of the bytes as stored.
    pub crc: u32,
    /// How many rows it has.
    pub rows: u32,
    /// The length of the buffer of rows, in bytes.
    pub row_bytes: u32,
    /// How many tombstones it has.
    pub removed: u32,
    /// The length of the buffer of tombstones, in bytes.
    pub removed_bytes: u32,
}

impl BlockEntry {
    /// Where it ends in the segment.
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.stored)
    }

    /// True if some of the groups may have rows in it.
    pub fn overlaps(&self, groups: GroupRange) -> bool {
        key_group(self.first, groups.of) < groups.end && key_group(self.last, groups.of) >= groups.start
    }

    /// Checks whether these are the bytes of the block of this number, as they were stored.
    pub(crate) fn check(&self, block: usize, stored: &[u8]) -> Result<(), SegmentError> {
        let damaged = |what| Err(SegmentError::Block { block, what });
        if stored.len() != self.stored as usize {
            return damaged("it is cut off");
        }
        if crc32fast::hash(stored) != self.crc {
            return damaged("its checksum is another one");
        }
        Ok(())
    }

    pub(super) fn raw_bytes(&self) -> usize {
        self.row_bytes as usize + self.removed_bytes as usize
    }
}

/// What a segment says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// Whether it holds every row, or what changed.
    pub kind: SnapshotKind,
    /// True if its buffers have the column of hashes.
    pub hashed: bool,
    /// The type of the keys.
    pub key: SchemaName,
    /// The type of the values.
    pub value: SchemaName,
    /// The namespaces that were dropped since the segment before, sorted: what earlier segments have of them no longer counts. What this one has of them
    /// was written afterwards.
    pub dropped: Vec<Namespace>,
    /// The blocks, in the order of their contents.
    pub blocks: Vec<BlockEntry>,
}

impl Footer {
    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.rows)).sum()
    }

    /// How many tombstones there are.
    pub fn tombstones(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.removed)).sum()
    }

    /// How long the part before the footer is, in bytes.
    pub fn data_bytes(&self) -> u64 {
        self.blocks.last().map_or(0, BlockEntry::end)
    }

    /// How many bytes at the end of a segment of `size` bytes have to be read to [read](Self::read) its footer. `end` is the end of the segment:
    /// [`TAIL_BYTES`] or more of it.
    ///
    /// # Errors
    ///
    /// Fails if this is not the end of a segment, or of one that a later version wrote.
    pub fn length(end: &[u8], size: u64) -> Result<u64, SegmentError> {
        let tail = end.last_chunk::<TAIL_BYTES>().ok_or(SegmentError::NotASegment)?;
        let mut tail = Bytes(tail);
        let (bytes, _crc, version) = (tail.u32(), tail.u32(), tail.u32());
        let (Some(bytes), Some(version)) = (bytes, version) else { return Err(SegmentError::NotASegment) };
        if tail.0 != MAGIC {
            return Err(SegmentError::NotASegment);
        }
        if version != VERSION {
            return Err(SegmentError::Version { found: version });
        }
        let length = u64::from(bytes) + TAIL_BYTES as u64;
        if length > size {
            return Err(SegmentError::Footer("it is longer than the segment"));
        }
        Ok(length)
    }

    /// Reads the footer of a segment of `size` bytes from its end, which must be as long as [`length`](Self::length) says, or longer.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are damaged, of another version, or too few.
    pub fn read(end: &[u8], size: u64) -> Result<Self, SegmentError> {
        let length = Self::length(end, size)?;
        let start = (end.len() as u64).checked_sub(length).ok_or(SegmentError::NotASegment)?;
        let (body, tail) = end[start as usize..].split_at((length as usize) - TAIL_BYTES);
        let crc = u32::from_le_bytes([tail[4], tail[5], tail[6], tail[7]]);
        if crc != crc32fast::hash(body) {
            return Err(SegmentError::Footer("its checksum is another one"));
        }
        let footer = Self::parse(&mut Bytes(body)).ok_or(SegmentError::Footer("its parts do not add up"))?;
        footer.check(size - length)?;
        Ok(footer)
    }

    /// The bytes of the footer and of the end behind it.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.dropped.len() * NAMESPACE_BYTES + self.blocks.len() * ENTRY_BYTES);
        let full = if self.kind == SnapshotKind::Full { FLAG_FULL } else { 0 };
        out.push(full | if self.hashed { FLAG_HASHED } else { 0 });
        for schema in [&self.key, &self.value] {
            out.extend(schema.hash.to_le_bytes());
            out.extend((schema.text.len() as u32).to_le_bytes());
            out.extend(schema.text.as_bytes());
        }
        out.extend((self.dropped.len() as u32).to_le_bytes());
        for namespace in &self.dropped {
            write_namespace(*namespace, &mut out);
        }
        out.extend((self.blocks.len() as u32).to_le_bytes());
        for block in &self.blocks {
            write_namespace(block.namespace, &mut out);
            out.extend(block.first.to_le_bytes());
            out.extend(block.last.to_le_bytes());
            out.extend(block.stored.to_le_bytes());
            out.push(u8::from(block.compressed));
            for number in [block.crc, block.rows, block.row_bytes, block.removed, block.removed_bytes] {
                out.extend(number.to_le_bytes());
            }
        }
        out.extend(self.rows().to_le_bytes());
        out.extend(self.tombstones().to_le_bytes());
        let (bytes, crc) = (out.len() as u32, crc32fast::hash(&out));
        out.extend(bytes.to_le_bytes());
        out.extend(crc.to_le_bytes());
        out.extend(VERSION.to_le_bytes());
        out.extend(MAGIC);
        out
    }

    fn parse(bytes: &mut Bytes<'_>) -> Option<Self> {
        let flags = bytes.u8()?;
        if flags & !(FLAG_FULL | FLAG_HASHED) != 0 {
            return None;
        }
        let (key, value) = (bytes.schema()?, bytes.schema()?);
        let dropped = bytes.many(NAMESPACE_BYTES, Bytes::namespace)?;
        let mut offset = 0_u64;
        let blocks = bytes.many(ENTRY_BYTES, |bytes| {
            let block = BlockEntry {
                namespace: bytes.namespace()?,
                first: bytes.u64()?,
                last: bytes.u64()?,
                offset,
                stored: bytes.u32()?,
                compressed: bytes.bool()?,
                crc: bytes.u32()?,
                rows: bytes.u32()?,
                row_bytes: bytes.u32()?,
                removed: bytes.u32()?,
                removed_bytes: bytes.u32()?,
            };
            offset += u64::from(block.stored); // at most 2^32 times a number of 32 bits
            Some(block)
        })?;
        let kind = if flags & FLAG_FULL != 0 { SnapshotKind::Full } else { SnapshotKind::Delta };
        let footer = Self { kind, hashed: flags & FLAG_HASHED != 0, key, value, dropped, blocks };
        let totals = (bytes.u64()?, bytes.u64()?);
        (bytes.0.is_empty() && totals == (footer.rows(), footer.tombstones())).then_some(footer)
    }

    /// Checks what readers rely on: the order of the blocks, and that they fill the segment.
    fn check(&self, data_bytes: u64) -> Result<(), SegmentError> {
        if self.data_bytes() != data_bytes {
            return Err(SegmentError::Footer("its blocks do not fill the segment"));
        }
        if self.blocks.iter().any(|block| block.first > block.last) || !self.blocks.is_sorted_by(follows) {
            return Err(SegmentError::Footer("its blocks are not in order"));
        }
        if !self.dropped.is_sorted_by(|a, b| a < b) {
            return Err(SegmentError::Footer("the namespaces that it drops are not in order"));
        }
        Ok(())
    }
}

fn follows(a: &BlockEntry, b: &BlockEntry) -> bool {
    a.namespace < b.namespace || (a.namespace == b.namespace && a.last <= b.first)
}

fn write_namespace(Namespace(window): Namespace, out: &mut Vec<u8>) {
    out.push(u8::from(window.is_some()));
    let (start, end) = window.map_or((0, 0), |window| (window.start.millis(), window.end.millis()));
    out.extend(start.to_le_bytes());
    out.extend(end.to_le_bytes());
}

/// What is left to be parsed. Every method gives nothing where there is too little, or something else.
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*chunk)
    }

    fn u8(&mut self) -> Option<u8> {
        self.chunk().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.chunk().map(u64::from_le_bytes)
    }

    fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn schema(&mut self) -> Option<SchemaName> {
        let (hash, len) = (self.u64()?, self.u32()?);
        let (text, rest) = self.0.split_at_checked(len as usize)?;
        self.0 = rest;
        Some(SchemaName { text: std::str::from_utf8(text).ok()?.to_owned(), hash })
    }

    fn namespace(&mut self) -> Option<Namespace> {
        let windowed = self.bool()?;
        let mut time = || self.chunk().map(i64::from_le_bytes).map(Timestamp::from_millis);
        let (start, end) = (time()?, time()?);
        Some(Namespace(windowed.then(|| Window::new(start, end))))
    }

    /// A number, and as many items; `each` is the least that an item takes, in bytes, so that a wrong number allocates nothing.
    fn many<T>(&mut self, each: usize, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u32()? as usize;
        if count > self.0.len() / each {
            return None;
        }
        (0..count).map(|_| item(self)).collect()
    }
}
