//! A [`Table`] as the hot part of a larger one whose other rows lie elsewhere: rows come and go without being written or removed.
//!
//! Here a row is *changed* if it differs from what lies elsewhere, *fresh* if nothing of it does, and *pending* if what it is has to be written back before it
//! changes again. So such a table is never frozen as others are: [`Table::flush`] makes all that has changed pending.

use millstream_core::{
    buffer::{Buffer, PushError},
    record::Record,
};

use super::{Cursor, Table, Tracking, growth::SHARD_ROWS, marks::Mark, rows::Row, shard::Notice, snapshot::Freeze};
use crate::row::RowKey;

/// A shard becomes smaller when less than this share of what it has room for is used: then half of it is enough, and more can still come.
const SPARSE_SHARE: f64 = 0.42;
/// Up to so many rows a shard stays as large as it is.
const SMALL_SHARD_ROWS: usize = 1 << 10;

/// Where a row lies, until the next one is put in or taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    shard: usize,
    bucket: usize,
}

/// The hand of a clock: how far [`Table::evict`] has come.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hand {
    shard: usize,
    word: usize,
}

impl<R: RowKey, V: Record> Table<R, V> {
    /// From now on it is the hot part of a larger table, of which nothing lies elsewhere yet. Gives the keys of removed rows that the next delta is to have, and whether
    /// there can be none before a full snapshot.
    ///
    /// # Errors
    ///
    /// Fails if such a key could not be encoded, since it is too large.
    pub(crate) fn begin_spilling(&mut self) -> Result<(Vec<Buffer>, bool), PushError> {
        self.abandon();
        let mut removed = Vec::new();
        for shard in &mut self.shards {
            removed.append(&mut shard.take_removed_since()?);
        }
        self.epoch += 1;
        let was_tracked = self.is_tracked();
        (self.tracking, self.spilled) = (Tracking::Changes, self.epoch);
        self.freeze = Some(Freeze { notice: Notice::Spill, slot: 0, word: 0 });
        // Marks that there are take no time. Those of a table that kept none are made when its shards are touched.
        (0..self.shards.len()).filter(|_| was_tracked).for_each(|at| self.enter(at));
        Ok((removed, self.lost))
    }

    /// The value of the row of this hash whose key it is, which is looked at.
    #[inline(always)]
    pub(crate) fn look(&self, hash: u64, is: impl Fn(&R::Key) -> bool) -> Option<&V> {
        let rows = &self.shards[self.directory.find(hash)?].rows;
        let bucket = rows.bucket(hash, is)?;
        rows.marks.touch(bucket);
        rows.table.get_bucket(bucket).map(|(_, value)| value)
    }

    /// Where the row of this hash is whose key it is, which is looked at.
    #[inline(always)]
    pub(crate) fn place_of(&mut self, hash: u64, is: impl Fn(&R::Key) -> bool) -> Option<Place> {
        let shard = self.entered(hash)?;
        let rows = &self.shards[shard].rows;
        let bucket = rows.bucket(hash, is)?;
        rows.marks.touch(bucket);
        Some(Place { shard, bucket })
    }

    /// The row at a place, which counts as written.
    #[inline(always)]
    pub(crate) fn written_at(&mut self, place: Place) -> Option<(&R::Key, &mut V)> {
        let shard = &mut self.shards[place.shard];
        let entry = shard.rows.table.get_bucket_entry(place.bucket).ok()?;
        if shard.rows.marks.write(place.bucket) {
            let row = entry.get();
            self.leaving.copy_early(row, R::hash(row.0.view()));
        }
        let (key, value) = entry.into_mut();
        Some((key, value))
    }

    /// Puts in a row as it lies elsewhere. It must not be there.
    pub(crate) fn load(&mut self, hash: u64, row: Row<R, V>) -> Place {
        self.put(hash, row, Mark::default())
    }

    /// Puts in a row of which nothing lies elsewhere. It must not be there.
    pub(crate) fn insert(&mut self, hash: u64, row: Row<R, V>) -> Place {
        self.put(hash, row, Mark { changed: true, pending: false, fresh: true })
    }

    fn put(&mut self, hash: u64, row: Row<R, V>, mark: Mark) -> Place {
        let shard = self.with_room(hash);
        let rows = &mut self.shards[shard].rows;
        let bucket = rows.insert(hash, row);
        rows.marks.set(bucket, mark);
        rows.marks.touch(bucket);
        Place { shard, bucket }
    }

    /// Takes out the row where the cursor stands, with its marks.
    pub(crate) fn take_row_at(&mut self, cursor: &Cursor) -> Option<(Row<R, V>, Mark)> {
        let shard = self.shard_at(cursor)?;
        self.enter(shard);
        self.take_row(Place { shard, bucket: cursor.bucket() })
    }

    /// Takes out the row at a place. Nothing is kept for snapshots, so its marks are given, too.
    pub(crate) fn take_row(&mut self, place: Place) -> Option<(Row<R, V>, Mark)> {
        let rows = &mut self.shards[place.shard].rows;
        let (row, _) = rows.table.get_bucket_entry(place.bucket).ok()?.remove();
        let mark = rows.marks.get(place.bucket);
        rows.marks.set(place.bucket, Mark::default());
        Some((row, mark))
    }

    /// Takes out about so many rows, rather those that were not looked at for long, and gives them away with their hashes and marks.
    pub(crate) fn evict(&mut self, hand: &mut Hand, rows: usize, mut take: impl FnMut(u64, Row<R, V>, Mark)) {
        let words: usize = self.shards.iter().map(|shard| shard.rows.marks.words()).sum();
        let mut left = rows;
        // The first time round a row may have been looked at, the second time it has not.
        for _ in 0..words * 2 + self.shards.len() * 2 + 1 {
            if left == 0 || self.shards.is_empty() {
                return;
            }
            if hand.shard >= self.shards.len() {
                *hand = Hand::default();
            }
            if hand.word >= self.shards[hand.shard].rows.marks.words() {
                self.make_denser(hand.shard);
                *hand = Hand { shard: hand.shard + 1, word: 0 };
                continue;
            }
            self.enter(hand.shard);
            let rows = &mut self.shards[hand.shard].rows;
            let mut unused = !rows.marks.take_used(hand.word);
            while unused != 0 {
                let bucket = hand.word * 64 + unused.trailing_zeros() as usize;
                unused &= unused - 1;
                if bucket >= rows.table.num_buckets() {
                    break;
                }
                let Ok(entry) = rows.table.get_bucket_entry(bucket) else { continue };
                let (row, _) = entry.remove();
                let mark = rows.marks.get(bucket);
                rows.marks.set(bucket, Mark::default());
                take(R::hash(row.0.view()), row, mark);
                left = left.saturating_sub(1);
            }
            hand.word += 1;
        }
    }

    /// Gives back what a shard has more than it needs: where rows make room, memory must not stay with shards that had more of them once.
    fn make_denser(&mut self, at: usize) {
        let rows = &self.shards[at].rows;
        let (len, full) = (rows.table.len(), rows.full_capacity());
        if full > SMALL_SHARD_ROWS && (len as f64) < full as f64 * SPARSE_SHARE {
            self.enter(at);
            self.rebuild(at, len);
        }
    }

    /// Makes all rows pending that have changed, in constant time.
    pub(crate) fn flush(&mut self) {
        self.epoch += 1;
        self.freeze = Some(Freeze { notice: Notice::Flush, slot: 0, word: 0 });
    }

    /// Shows about so many pending rows, which are not pending any more then. False if there are none left.
    pub(crate) fn write_pending(&mut self, rows: usize, mut see: impl FnMut(u64, &Row<R, V>)) -> bool {
        let mut budget = rows.max(1);
        while let Some((slot, at)) = self.frozen_shard() {
            self.enter(at);
            let Some(freeze) = &mut self.freeze else { return false };
            let shard = &mut self.shards[at].rows;
            while freeze.word < shard.marks.words() {
                if budget == 0 {
                    return true;
                }
                let mut pending = shard.marks.take_pending(freeze.word);
                while pending != 0 {
                    let bucket = freeze.word * 64 + pending.trailing_zeros() as usize;
                    pending &= pending - 1;
                    if let Some(row) = shard.table.get_bucket(bucket) {
                        see(R::hash(row.0.view()), row);
                        budget = budget.saturating_sub(1);
                    }
                }
                budget = budget.saturating_sub(1);
                freeze.word += 1;
            }
            (freeze.slot, freeze.word) = (slot + self.directory.slots_of(self.shards[at].depth), 0);
        }
        false
    }

    /// Rows that were pending when they were written or moved, as they were before, in buffers of `(key, value)`.
    ///
    /// # Errors
    ///
    /// Fails if one could not be encoded, since it is too large.
    pub(crate) fn take_early(&mut self) -> Result<Vec<Buffer>, PushError> {
        if self.leaving.size_bytes() == 0 {
            return Ok(Vec::new());
        }
        self.leaving.take().map(|(_, early)| early)
    }

    /// About how many rows have changed.
    pub(crate) fn changed_rows(&self) -> f64 {
        self.dirty_share() * self.len() as f64
    }

    /// How many rows it can have in so many bytes.
    pub(crate) fn rows_within(&self, bytes: usize) -> usize {
        /// A control byte, and four bits of marks.
        const BESIDE: f64 = 1.5;
        /// How full tables are that double when they are full by seven eighths; where many do, one after the other.
        const MEAN_FILL: f64 = 0.66;
        /// How full one may become that does not double: there must be some room for what removed rows leave behind.
        const MOST_FILL: f64 = 0.75;
        let (bucket, owned) = (size_of::<Row<R, V>>() as f64 + BESIDE, self.owned_bytes());
        let rows = bytes as f64 / (bucket / MEAN_FILL + owned);
        if rows > SHARD_ROWS as f64 {
            return rows as usize;
        }
        let buckets = (bytes as f64 / (bucket + owned * MOST_FILL)).max(1.0) as usize;
        ((1 << buckets.ilog2()) as f64 * MOST_FILL) as usize
    }
}
