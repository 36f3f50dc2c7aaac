//! [`Chunk`]: the records of two sides with one key, in rows of a bounded size.

use millstream_core::{
    key::Key,
    packed::{Packed, Packer},
    record::Record,
    time::Timestamp,
};
use millstream_macros::Record;
use millstream_state::{
    row::{ByEntry, entry_hash},
    spill::SpillTable,
};

use super::Matching;
use crate::operator::Push;

/// How many records of each side there are in a row. A key mostly has one row, which a single look-up finds; and one with a million records has many, so that a
/// snapshot writes what was appended, and not all again.
pub(super) const CHUNK_RECORDS: usize = 16;

/// A row: some of the records of a key, with their times. The rows of a key are numbered from 0, and all but the last of a side are full.
#[derive(Record, Clone)]
#[record(crate = crate::joins::chunk)]
pub(crate) struct Chunk<L: Record, R: Record> {
    lefts: Packed<(L, Timestamp)>,
    rights: Packed<(R, Timestamp)>,
    /// In how many rows behind the first there are records, by side; said by the first.
    further: (u32, u32),
}

/// The rows of all keys.
pub(super) type Chunks<K, L, R> = SpillTable<ByEntry<K, u64>, Chunk<L, R>>;

impl<L: Record, R: Record> Chunk<L, R> {
    fn empty() -> Self {
        Self { lefts: Packed::default(), rights: Packed::default(), further: (0, 0) }
    }

    /// True if the right side has a record in this row.
    pub(super) fn has_rights(&self) -> bool {
        !self.rights.is_empty()
    }
}

/// A side of a row, and the other.
pub(super) trait Side<L: Record, R: Record> {
    type Own: Record;
    type Other: Record;
    const IS_LEFT: bool;

    fn own(chunk: &mut Chunk<L, R>) -> (&mut Packed<(Self::Own, Timestamp)>, &mut u32);
    fn other(chunk: &Chunk<L, R>) -> &Packed<(Self::Other, Timestamp)>;
    /// Puts out a record of this side with one of the other.
    fn pair<T: Record, M: Matching<L, T, Kept = R>, N: Push<M::Out>>(
        matching: &M,
        own: <Self::Own as Record>::View<'_>,
        other: <Self::Other as Record>::View<'_>,
        at: Timestamp,
        next: &mut N,
    );
}

pub(super) struct Left;
pub(super) struct Right;

impl<L: Record, R: Record> Side<L, R> for Left {
    type Own = L;
    type Other = R;
    const IS_LEFT: bool = true;

    #[inline(always)]
    fn own(chunk: &mut Chunk<L, R>) -> (&mut Packed<(L, Timestamp)>, &mut u32) {
        (&mut chunk.lefts, &mut chunk.further.0)
    }

    #[inline(always)]
    fn other(chunk: &Chunk<L, R>) -> &Packed<(R, Timestamp)> {
        &chunk.rights
    }

    #[inline(always)]
    fn pair<T: Record, M: Matching<L, T, Kept = R>, N: Push<M::Out>>(
        matching: &M,
        own: L::View<'_>,
        other: R::View<'_>,
        at: Timestamp,
        next: &mut N,
    ) {
        matching.pair(Some(own), Some(other), at, next);
    }
}

impl<L: Record, R: Record> Side<L, R> for Right {
    type Own = R;
    type Other = L;
    const IS_LEFT: bool = false;

    #[inline(always)]
    fn own(chunk: &mut Chunk<L, R>) -> (&mut Packed<(R, Timestamp)>, &mut u32) {
        (&mut chunk.rights, &mut chunk.further.1)
    }

    #[inline(always)]
    fn other(chunk: &Chunk<L, R>) -> &Packed<(L, Timestamp)> {
        &chunk.lefts
    }

    #[inline(always)]
    fn pair<T: Record, M: Matching<L, T, Kept = R>, N: Push<M::Out>>(
        matching: &M,
        own: R::View<'_>,
        other: L::View<'_>,
        at: Timestamp,
        next: &mut N,
    ) {
        matching.pair(Some(other), Some(own), at, next);
    }
}

/// The hash of a key's row.
#[inline(always)]
pub(super) fn row_hash(hash: u64, row: u64) -> u64 {
    entry_hash(hash, u64::hash(row))
}

/// The row of a key, if there is one.
#[inline(always)]
pub(super) fn get<'t, K: Key, L: Record, R: Record>(
    chunks: &'t Chunks<K, L, R>,
    hash: u64,
    key: K::View<'_>,
    row: u64,
) -> Option<&'t Chunk<L, R>> {
    chunks.get(row_hash(hash, row), (key, row))
}

/// Appends a record of a side, which came out of a buffer.
#[inline(always)]
pub(super) fn push<S: Side<L, R>, K: Key, L: Record, R: Record>(
    chunks: &mut Chunks<K, L, R>,
    packer: &mut Packer,
    (hash, key): (u64, K::View<'_>),
    record: <S::Own as Record>::View<'_>,
    at: Timestamp,
) {
    let (records, further) = S::own(chunks.entry(row_hash(hash, 0), (key, 0), Chunk::empty));
    if records.len() < CHUNK_RECORDS {
        return records.push(packer, (record, at)).expect(FITS);
    }
    let last = u64::from(*further);
    push_behind::<S, K, L, R>(chunks, packer, (hash, key), last, record, at);
}

/// Why a record that was received can be kept.
const FITS: &str = "a record that was in a buffer is much smaller than what a list takes, with its time, too";

/// Appends a record of a side whose first row is full, and whose last is this.
#[cold]
fn push_behind<S: Side<L, R>, K: Key, L: Record, R: Record>(
    chunks: &mut Chunks<K, L, R>,
    packer: &mut Packer,
    (hash, key): (u64, K::View<'_>),
    last: u64,
    record: <S::Own as Record>::View<'_>,
    at: Timestamp,
) {
    let (records, _) = S::own(chunks.entry(row_hash(hash, last), (key, last), Chunk::empty));
    if records.len() < CHUNK_RECORDS {
        return records.push(packer, (record, at)).expect(FITS);
    }
    let next = last + 1;
    let (records, _) = S::own(chunks.entry(row_hash(hash, next), (key, next), Chunk::empty));
    records.push(packer, (record, at)).expect(FITS);
    // 2^32 rows do not fit into memory.
    *S::own(chunks.entry(row_hash(hash, 0), (key, 0), Chunk::empty)).1 = next as u32;
}

/// Removes the records of the left side in a row; and the row, if it is not the first of its key.
pub(super) fn clear_lefts<K: Key, L: Record, R: Record>(
    chunks: &mut Chunks<K, L, R>,
    hash: u64,
    key: K::View<'_>,
    row: u64,
) {
    if row > 0 {
        chunks.remove(row_hash(hash, row), (key, row));
    } else if let Some(chunk) = chunks.get_mut(row_hash(hash, 0), (key, 0)) {
        (chunk.lefts, chunk.further.0) = (Packed::default(), 0);
    }
}

/// What the derive macro names.
mod __private {
    pub(super) use millstream_core::{self as core, __private::rkyv};
}
