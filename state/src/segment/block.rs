//! A block of a segment: some of the rows of one namespace, in memory.

use std::{fmt, marker::PhantomData, ops::Range};

use millstream_core::{
    buffer::{Buffer, BufferBuilder, Columns, Header, LIMIT_MAX_RECORD_SIZE, Received, Records},
    dynamic::{Damaged, StoredSchema, Values},
    key::key_group,
    record::Record,
    time::Timestamp,
};

use super::{BlockEntry, Footer, KeyView, LIMIT_BLOCK_BYTES, Row, SegmentError};
use crate::{backend::Checkpointed, groups::GroupRange, row::RowKey, snapshot::Namespace};

/// The least that LZ4 needs for so many bytes: what claims to be more than this from less is damaged, and is not given the memory.
const LZ4_RATIO_LIMIT: usize = 256;

/// Some of the rows and tombstones of one namespace, each sorted by hash and key. No key is among both.
pub struct Block<R, V> {
    namespace: Namespace,
    rows: Part,
    removed: Part,
    row: PhantomData<fn() -> (R, V)>,
}

/// The bytes of a block as sealed buffers have them.
#[derive(Debug)]
pub struct Unpacked {
    /// Records of keys and values.
    pub rows: Vec<u8>,
    /// Keys that were removed.
    pub removed: Vec<u8>,
}

impl Footer {
    /// Unpacks a block from its bytes, those from its entry's [`offset`](BlockEntry::offset) to its [`end`](BlockEntry::end), for a reader that does not know its types. Nothing
    /// but the checksum and the lengths is checked.
    ///
    /// # Errors
    ///
    /// Fails if the bytes are damaged.
    ///
    /// # Panics
    ///
    /// If there is no such block.
    pub fn unpack(&self, block: usize, stored: &[u8]) -> Result<Unpacked, SegmentError> {
        let entry = &self.blocks[block];
        entry.check(block, stored)?;
        let mut rows = unpack(entry, stored).map_err(|what| SegmentError::Block { block, what })?;
        let removed = rows.split_off(entry.row_bytes as usize);
        Ok(Unpacked { rows, removed })
    }
}

/// Those records of a buffer that count.
#[derive(Debug)]
struct Part {
    buffer: Buffer,
    counted: Range<usize>,
}

impl Part {
    /// Leaves out what is not of the groups, given the hash of each record.
    fn restrict(&mut self, groups: GroupRange, hash: impl Fn(usize) -> u64) {
        // The first that is not before the group; hashes ascend, and so do their groups.
        let first = |group: u32| {
            let (mut low, mut high) = (0, self.buffer.len());
            while low < high {
                let middle = low.midpoint(high);
                match key_group(hash(middle), groups.of) < group {
                    true => low = middle + 1,
                    false => high = middle,
                }
            }
            low
        };
        let (start, end) = (first(groups.start), first(groups.end));
        self.counted = start..end.max(start);
    }

    /// The records that count, as a buffer: mostly it is the one that there is.
    fn counted<'b, T: Record>(&'b self, get: impl Fn(usize) -> (T::View<'b>, u64)) -> Buffer {
        if self.counted == (0..self.buffer.len()) {
            return self.buffer.clone();
        }
        let columns = Columns { timed: false, hashed: true };
        let mut builder = BufferBuilder::<T>::new(columns, LIMIT_MAX_RECORD_SIZE);
        for (record, hash) in self.counted.clone().map(get) {
            builder.push(record, Timestamp::MIN, hash).expect("a record that was in a buffer fits into another");
        }
        builder.seal(0)
    }
}

impl<R: RowKey, V: Record> Block<R, V> {
    /// Unpacks a block from its bytes, which are those that the entry names, and checks everything that reading it relies on.
    /// `schema` is that of the rows, if their values have to be migrated.
    pub(super) fn decode(
        block: usize,
        entry: &BlockEntry,
        hashed: bool,
        schema: Option<&StoredSchema>,
        stored: &[u8],
    ) -> Result<Self, SegmentError> {
        entry.check(block, stored)?;
        let damaged = |what| SegmentError::Block { block, what };
        let mut raw = unpack(entry, stored).map_err(damaged)?;
        let removed = raw.split_off(entry.row_bytes as usize);
        let invalid = |invalid| SegmentError::Records { block, invalid };
        let rows = match schema {
            None => {
                let rows = received::<Row<R, V>>(entry.rows, raw, hashed);
                rows.ok_or(damaged("its rows are too few bytes"))?.validate::<Row<R, V>>().map_err(invalid)?
            }
            Some(schema) => migrate::<R, V>(block, schema, entry.rows, hashed, &raw)?,
        };
        let removed =
            received::<R::Key>(entry.removed, removed, hashed).ok_or(damaged("its keys are too few bytes"))?;
        let removed = removed.validate::<R::Key>().map_err(invalid)?;
        let part = |buffer: Buffer| Part { counted: 0..buffer.len(), buffer };
        let decoded = Self { namespace: entry.namespace, rows: part(rows), removed: part(removed), row: PhantomData };
        match decoded.is_sorted(entry) {
            true => Ok(decoded),
            false => Err(damaged("it is not in order")),
        }
    }

    /// The namespace of all that is in it.
    pub fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// The rows, in order: hash, key, value.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (u64, KeyView<'_, R>, V::View<'_>)> {
        let rows = self.row_records();
        self.rows.counted.clone().map(move |i| {
            let (key, value) = rows.get(i);
            (hash_of_row::<R, V>(&rows, i), key, value)
        })
    }

    /// The keys that were removed, in order: hash, key.
    pub fn removed(&self) -> impl ExactSizeIterator<Item = (u64, KeyView<'_, R>)> {
        let removed = self.removed_records();
        self.removed.counted.clone().map(move |i| (hash_of_key::<R>(&removed, i), removed.get(i)))
    }

    /// Puts it into a state: takes out what was removed, then puts in the rows.
    pub fn restore(&self, state: &mut (impl Checkpointed + ?Sized)) {
        let (removed, rows) = (self.removed_records(), self.row_records());
        state.restore_removals(&self.removed.counted::<R::Key>(|i| (removed.get(i), hash_of_key::<R>(&removed, i))));
        state.restore_rows(&self.rows.counted::<Row<R, V>>(|i| (rows.get(i), hash_of_row::<R, V>(&rows, i))));
    }

    /// What it takes, in bytes.
    pub fn size(&self) -> usize {
        self.rows.buffer.size() + self.removed.buffer.size()
    }

    /// Leaves out what is not of these groups.
    pub fn restrict(&mut self, groups: GroupRange) {
        let rows = self.rows.buffer.clone();
        let rows = rows.records::<Row<R, V>>(0);
        self.rows.restrict(groups, |i| hash_of_row::<R, V>(&rows, i));
        let removed = self.removed.buffer.clone();
        let removed = removed.records::<R::Key>(0);
        self.removed.restrict(groups, |i| hash_of_key::<R>(&removed, i));
    }

    pub(super) fn row_records(&self) -> Records<'_, Row<R, V>> {
        self.rows.buffer.records(0)
    }

    pub(super) fn removed_records(&self) -> Records<'_, R::Key> {
        self.removed.buffer.records(0)
    }

    pub(super) fn counted_rows(&self) -> Range<usize> {
        self.rows.counted.clone()
    }

    pub(super) fn counted_removed(&self) -> Range<usize> {
        self.removed.counted.clone()
    }

    fn is_sorted(&self, entry: &BlockEntry) -> bool {
        let within = |hash: u64| (entry.first..=entry.last).contains(&hash);
        let (rows, removed) = (self.row_records(), self.removed_records());
        let row = |i: usize| (hash_of_row::<R, V>(&rows, i), i);
        let key = |i: usize| (hash_of_key::<R>(&removed, i), i);
        ascending((0..rows.len()).map(row), within, |a, b| R::compare(rows.get(a).0, rows.get(b).0).is_lt())
            && ascending((0..removed.len()).map(key), within, |a, b| R::compare(removed.get(a), removed.get(b)).is_lt())
    }
}

impl<R, V> fmt::Debug for Block<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block")
            .field("namespace", &self.namespace)
            .field("rows", &self.rows)
            .field("removed", &self.removed)
            .finish()
    }
}

/// True if the hashes ascend and are those that are allowed; where two are equal, `less` says whether their keys ascend.
fn ascending(
    hashes: impl Iterator<Item = (u64, usize)>,
    within: impl Fn(u64) -> bool,
    less: impl Fn(usize, usize) -> bool,
) -> bool {
    let mut before: Option<(u64, usize)> = None;
    for (hash, i) in hashes {
        let fits = before.is_none_or(|(lower, at)| lower < hash || (lower == hash && less(at, i)));
        if !fits || !within(hash) {
            return false;
        }
        before = Some((hash, i));
    }
    true
}

/// The hash of a row, from its column or from its key.
#[inline(always)]
pub(super) fn hash_of_row<R: RowKey, V: Record>(rows: &Records<'_, Row<R, V>>, i: usize) -> u64 {
    rows.hash(i).unwrap_or_else(|| R::hash(rows.get(i).0))
}

/// The hash of a key, from its column or from itself.
#[inline(always)]
pub(super) fn hash_of_key<R: RowKey>(keys: &Records<'_, R::Key>, i: usize) -> u64 {
    keys.hash(i).unwrap_or_else(|| R::hash(keys.get(i)))
}

fn unpack(entry: &BlockEntry, stored: &[u8]) -> Result<Vec<u8>, &'static str> {
    let length = entry.raw_bytes();
    if !entry.compressed {
        return if length == stored.len() { Ok(stored.to_vec()) } else { Err("its length is another one") };
    }
    if length > LIMIT_BLOCK_BYTES {
        return Err("it is larger than any block");
    }
    if length / LZ4_RATIO_LIMIT > stored.len() {
        return Err("it is too short for what it claims to hold");
    }
    let mut raw = vec![0; length];
    match lz4_flex::block::decompress_into(stored, &mut raw) {
        Ok(unpacked) if unpacked == length => Ok(raw),
        _ => Err("it cannot be decompressed"),
    }
}

/// Makes rows from those of an earlier version of their values.
fn migrate<R: RowKey, V: Record>(
    block: usize,
    schema: &StoredSchema,
    rows: u32,
    hashed: bool,
    raw: &[u8],
) -> Result<Buffer, SegmentError> {
    let damaged = |damaged: Damaged| SegmentError::Block { block, what: damaged.what };
    let failed = |what: &str| SegmentError::Migration { block, what: what.to_owned() };
    let columns = Columns { timed: false, hashed };
    let mut builder = BufferBuilder::<Row<R, V>>::new(columns, LIMIT_MAX_RECORD_SIZE);
    let values = Values::new(schema, rows, columns, raw).map_err(damaged)?;
    let hashes: Vec<Option<u64>> = (0..rows as usize).map(|row| values.hash(row)).collect();
    for (value, hash) in values.zip(hashes) {
        let row = <Row<R, V>>::from_value(value.map_err(damaged)?);
        let row = row.ok_or_else(|| failed("two keys of a map in it are the same in the new version"))?;
        if builder.len_bytes() > LIMIT_MAX_RECORD_SIZE {
            return Err(failed("it has become many times larger"));
        }
        let hash = hash.unwrap_or_else(|| R::hash(row.0.view()));
        builder.push(row.view(), Timestamp::MIN, hash).map_err(|error| failed(&error.to_string()))?;
    }
    Ok(builder.seal(0))
}

/// The buffer of so many records in these bytes; none if the columns do not even fit.
fn received<T: Record>(records: u32, bytes: Vec<u8>, hashed: bool) -> Option<Received> {
    let columns = Columns { timed: false, hashed };
    let each = if T::PLAIN { 0 } else { size_of::<u32>() } + if hashed { size_of::<u64>() } else { 0 };
    let data_bytes = bytes.len().checked_sub((records as usize).checked_mul(each)?)?;
    let header = Header { records, data_bytes: u32::try_from(data_bytes).ok()?, columns, port: 0, schema: T::HASH };
    Some(Received { header, bytes })
}
