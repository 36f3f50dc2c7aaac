//! [`SegmentWriter`]: makes the bytes of a segment.

use std::cmp::Ordering;

use bytes::Bytes;
use lz4_flex::block::{CompressTable, compress_into_with_table, get_maximum_output_size};
use millstream_core::{
    buffer::{Buffer, BufferBuilder, LIMIT_MAX_RECORD_SIZE, PushError, Records},
    record::Record,
    time::Timestamp,
};

use super::{BLOCK_BYTES, BlockEntry, Footer, KeyView, Row, SchemaName, early::Early};
use crate::{
    groups::GroupRange,
    row::RowKey,
    snapshot::{Frozen, Namespace, SnapshotKind, columns},
};

/// What a finished segment amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Its size, in bytes.
    pub bytes: u64,
    /// How many rows it has.
    pub rows: u64,
    /// How many tombstones it has.
    pub tombstones: u64,
}

/// Makes the bytes of a segment: sorts ranges, packs them into blocks, puts a footer behind.
///
/// It puts out whole blocks as they become full, to be uploaded one behind the other in the order in which they come. It keeps one open block, the index, and
/// what was copied early until it is its turn.
pub struct SegmentWriter<R: RowKey, V: Record> {
    footer: Footer,
    rows: BufferBuilder<Row<R, V>>,
    removed: BufferBuilder<R::Key>,
    namespace: Namespace,
    early: Early<R, V>,
    /// The lowest hash in the open block; none if it is empty.
    first: Option<u64>,
    /// The highest hash in the namespace so far.
    last: Option<u64>,
    /// How much room a new block makes for its rows, in bytes.
    room: usize,
    sorter: Sorter,
    packer: Packer,
}

impl<R: RowKey, V: Record> SegmentWriter<R, V> {
    /// What a row takes in the columns, in bytes.
    const COLUMN_BYTES: usize = if <Row<R, V> as Record>::PLAIN { 0 } else { size_of::<u32>() }
        + if columns::<R>().hashed { size_of::<u64>() } else { 0 };

    /// Begins a segment for rows of these key groups. `dropped` are the namespaces that were dropped since the segment before; what this one has of them
    /// was written afterwards.
    pub fn new(groups: GroupRange, kind: SnapshotKind, mut dropped: Vec<Namespace>) -> Self {
        dropped.sort_unstable();
        dropped.dedup();
        let columns = columns::<R>();
        Self {
            footer: Footer {
                kind,
                hashed: columns.hashed,
                key: SchemaName::of::<R::Key>(),
                value: SchemaName::of::<V>(),
                dropped,
                blocks: Vec::new(),
            },
            rows: BufferBuilder::new(columns, LIMIT_MAX_RECORD_SIZE),
            removed: BufferBuilder::new(columns, LIMIT_MAX_RECORD_SIZE),
            namespace: Namespace(None),
            early: Early::new(groups),
            first: None,
            last: None,
            room: 0,
            sorter: Sorter::default(),
            packer: Packer::default(),
        }
    }

    /// Sorts and adds a range, and puts out the blocks that have become full. Of a full segment tombstones are left out: they are of nothing.
    ///
    /// # Errors
    ///
    /// Fails if a row is too large for a buffer; the segment is then of no use.
    ///
    /// # Panics
    ///
    /// If ranges come out of order, or a key twice.
    pub fn push(&mut self, namespace: Namespace, range: &Frozen, out: &mut Vec<Bytes>) -> Result<(), PushError> {
        if namespace != self.namespace {
            self.push_early(u64::MAX, &Frozen::default(), out)?;
            self.enter(namespace, out);
        }
        self.early.add(&range.early)?;
        self.push_early(range.last, range, out)
    }

    /// What it holds of rows that were copied early, in bytes.
    pub fn early_bytes(&self) -> usize {
        self.early.size_bytes()
    }

    /// Sorts and adds a range, with the rows up to `last` that were copied early.
    fn push_early(&mut self, last: u64, range: &Frozen, out: &mut Vec<Bytes>) -> Result<(), PushError> {
        let early = self.early.take(last)?;
        let mut sorter = std::mem::take(&mut self.sorter);
        let pushed = self.push_sorted(&[&range.rows, &early], &range.removed, &mut sorter, out);
        self.sorter = sorter;
        pushed
    }

    fn push_sorted(
        &mut self,
        rows: &[&[Buffer]],
        removed: &[Buffer],
        sorter: &mut Sorter,
        out: &mut Vec<Bytes>,
    ) -> Result<(), PushError> {
        let room: usize = rows.iter().copied().flatten().map(Buffer::size).sum();
        let rows: Vec<Records<'_, Row<R, V>>> =
            rows.iter().copied().flatten().map(|buffer| buffer.records(0)).collect();
        let row = |place: Place| rows[place.buffer()].get(place.record());
        sort(&mut sorter.rows, &rows, |row| R::hash(row.0), |a, b| R::compare(row(a).0, row(b).0));
        assert!(
            sorter.rows.windows(2).all(|pair| pair[0].0 != pair[1].0 || !R::same(row(pair[0].1).0, row(pair[1].1).0)),
            "a range has one row per key"
        );
        let removed: &[Buffer] = if self.footer.kind == SnapshotKind::Full { &[] } else { removed };
        let keys: Vec<Records<'_, R::Key>> = removed.iter().map(|buffer| buffer.records(0)).collect();
        let key = |place: Place| keys[place.buffer()].get(place.record());
        sort(&mut sorter.removed, &keys, R::hash, |a, b| R::compare(key(a), key(b)));
        sorter.removed.dedup_by(|a, b| a.0 == b.0 && R::same(key(a.1), key(b.1)));

        let lowest = [&sorter.rows, &sorter.removed].into_iter().filter_map(|order| order.first()).map(|row| row.0);
        let Some(lowest) = lowest.min() else { return Ok(()) };
        assert!(self.last.is_none_or(|last| last < lowest), "ranges ascend by hash");
        self.room = room.min(BLOCK_BYTES);

        let mut tombstones = sorter.removed.iter().copied().peekable();
        for &(hash, place) in &sorter.rows {
            let (row_key, value) = row(place);
            while let Some(&(other, tombstone)) = tombstones.peek() {
                match other.cmp(&hash).then_with(|| R::compare(key(tombstone), row_key)) {
                    Ordering::Less => self.tombstone(other, key(tombstone), out)?,
                    Ordering::Equal => {} // the row was written after the key had been removed
                    Ordering::Greater => break,
                }
                tombstones.next();
            }
            self.row(hash, row_key, value, out)?;
        }
        tombstones.try_for_each(|(hash, tombstone)| self.tombstone(hash, key(tombstone), out))
    }

    /// Begins a full segment of rows that come sorted, one by one.
    pub(super) fn of_sorted() -> Self {
        Self { room: BLOCK_BYTES, ..Self::new(GroupRange::all(1), SnapshotKind::Full, Vec::new()) }
    }

    /// Goes on to a namespace: what is added next is of it.
    ///
    /// # Panics
    ///
    /// If it comes before the one that is open.
    pub(super) fn enter(&mut self, namespace: Namespace, out: &mut Vec<Bytes>) {
        if namespace != self.namespace {
            assert!(namespace > self.namespace, "namespaces ascend");
            self.close(out);
            (self.namespace, self.last) = (namespace, None);
        }
    }

    /// Adds a row behind all others of the namespace.
    #[inline(always)]
    pub(super) fn row<'r>(
        &mut self,
        hash: u64,
        key: KeyView<'r, R>,
        value: V::View<'r>,
        out: &mut Vec<Bytes>,
    ) -> Result<(), PushError> {
        self.reach(hash);
        self.rows.push((key, value), Timestamp::MIN, hash)?;
        self.close_if_full(out);
        Ok(())
    }

    #[inline(always)]
    fn tombstone(&mut self, hash: u64, key: KeyView<'_, R>, out: &mut Vec<Bytes>) -> Result<(), PushError> {
        self.reach(hash);
        self.removed.push(key, Timestamp::MIN, hash)?;
        self.close_if_full(out);
        Ok(())
    }

    #[inline(always)]
    fn reach(&mut self, hash: u64) {
        if self.first.is_none() {
            self.first = Some(hash);
            self.rows.reserve(self.room);
        }
        self.last = Some(hash);
    }

    #[inline(always)]
    fn close_if_full(&mut self, out: &mut Vec<Bytes>) {
        let columns = (self.rows.len() + self.removed.len()) * Self::COLUMN_BYTES;
        if self.rows.len_bytes() + self.removed.len_bytes() + columns >= BLOCK_BYTES {
            self.close(out);
        }
    }

    /// Puts out the open block, if anything is in it.
    #[inline(never)]
    fn close(&mut self, out: &mut Vec<Bytes>) {
        let (Some(first), Some(last)) = (self.first.take(), self.last) else { return };
        let (rows, removed) = (self.rows.seal(0), self.removed.seal(0));
        let (bytes, compressed) = self.packer.pack(rows.bytes(), removed.bytes());
        self.footer.blocks.push(BlockEntry {
            namespace: self.namespace,
            first,
            last,
            offset: self.footer.data_bytes(),
            stored: bytes.len() as u32,
            compressed,
            crc: crc32fast::hash(&bytes),
            rows: rows.len() as u32,
            row_bytes: rows.size() as u32,
            removed: removed.len() as u32,
            removed_bytes: removed.size() as u32,
        });
        out.push(bytes);
    }

    /// Puts out what is left, and the footer.
    pub fn finish(mut self, out: &mut Vec<Bytes>) -> SegmentSummary {
        self.push_early(u64::MAX, &Frozen::default(), out).expect("a row that was in a buffer fits into another");
        self.close(out);
        let footer = self.footer.write();
        let summary = SegmentSummary {
            bytes: self.footer.data_bytes() + footer.len() as u64,
            rows: self.footer.rows(),
            tombstones: self.footer.tombstones(),
        };
        out.push(footer.into());
        summary
    }
}

/// Where a record is: the number of its buffer, and its own in there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place(u64);

impl Place {
    fn new(buffer: usize, record: usize) -> Self {
        Self((buffer as u64) << 32 | record as u64)
    }

    #[inline(always)]
    fn buffer(self) -> usize {
        (self.0 >> 32) as usize
    }

    #[inline(always)]
    fn record(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }
}

/// The orders of a range, kept for the next one.
#[derive(Debug, Default)]
struct Sorter {
    rows: Vec<(u64, Place)>,
    removed: Vec<(u64, Place)>,
}

/// Sorts records by hash, which `hash_of` computes where it is not kept; `compare` decides where hashes are equal, which is rare.
fn sort<T: Record>(
    order: &mut Vec<(u64, Place)>,
    buffers: &[Records<'_, T>],
    hash_of: impl Fn(T::View<'_>) -> u64,
    compare: impl Fn(Place, Place) -> Ordering,
) {
    order.clear();
    order.reserve(buffers.iter().map(Records::len).sum());
    for (number, records) in buffers.iter().enumerate() {
        let hash = |i| records.hash(i).unwrap_or_else(|| hash_of(records.get(i)));
        order.extend((0..records.len()).map(|i| (hash(i), Place::new(number, i))));
    }
    order.sort_unstable();
    for equal in order.chunk_by_mut(|a, b| a.0 == b.0) {
        if equal.len() > 1 {
            equal.sort_by(|a, b| compare(a.1, b.1));
        }
    }
}

/// Compresses blocks; keeps its memory from one to the next.
struct Packer {
    table: CompressTable,
    raw: Vec<u8>,
    packed: Vec<u8>,
}

impl Default for Packer {
    fn default() -> Self {
        Self { table: CompressTable::large(), raw: Vec::new(), packed: Vec::new() }
    }
}

impl Packer {
    /// The bytes of a block, and whether they are compressed: only if that makes them fewer.
    fn pack(&mut self, rows: &[u8], removed: &[u8]) -> (Bytes, bool) {
        let raw = if removed.is_empty() {
            rows
        } else {
            self.raw.clear();
            self.raw.extend_from_slice(rows);
            self.raw.extend_from_slice(removed);
            &self.raw
        };
        let room = get_maximum_output_size(raw.len());
        if self.packed.len() < room {
            self.packed.resize(room, 0);
        }
        match compress_into_with_table(raw, &mut self.packed, &mut self.table) {
            Ok(length) if length < raw.len() => (Bytes::copy_from_slice(&self.packed[..length]), true),
            _ => (Bytes::copy_from_slice(raw), false),
        }
    }
}
