//! How a table grows and shrinks: shard by shard, and one that is full splits in two.

use millstream_core::{key::mix, record::Record};

use super::{Table, directory::DEPTH_LIMIT, rows::Rows, shard::Shard};
use crate::row::RowKey;

/// How many rows a shard holds at most before it splits: as many as fit into 64 Ki buckets. Moving them takes some milliseconds.
pub(super) const SHARD_ROWS: usize = 56 << 10;
/// Shards fill alike, so those of a large table would all split at once; each does so when it lacks up to this share of its rows.
const STAGGER_SHARE: u64 = 8;
/// Room for so many rows is made at first.
const FIRST_ROWS: usize = 7;
/// A shard is split only if both parts get at least this share of its rows; otherwise it grows.
const SPLIT_SHARE: usize = 16;
/// A shard becomes smaller when this share of its buckets is all that is used.
const SPARSE_SHARE: usize = 16;
/// Up to this many buckets a shard stays as large as it is.
const SMALL_BUCKETS: usize = 64;

impl<R: RowKey, V: Record> Table<R, V> {
    /// Makes room for a row of this hash in its shard.
    ///
    /// # Panics
    ///
    /// If the hash is not of the table's range.
    #[cold]
    #[inline(never)]
    pub(super) fn make_room(&mut self, hash: u64) -> usize {
        debug_assert!(self.range.holds(hash), "the hashes of rows are of the table's range");
        if self.shards.is_empty() {
            self.begin();
        }
        loop {
            let shard = self.directory.find(hash).expect("the hashes of rows are of the table's range");
            self.enter(shard);
            let of = &self.shards[shard];
            let (len, full) = (of.rows.table.len(), of.rows.full_capacity());
            if of.has_room() {
                return shard;
            }
            let large = full >= SHARD_ROWS;
            if len < of.limit
                && full > 0
                && (len * 2 <= full || ((large || self.spilled > 0) && len <= full - full.div_ceil(8)))
            {
                self.rebuild(shard, full); // what removed rows left behind is all that is in the way
            } else if !large || !self.split(shard, hash) {
                let of = &mut self.shards[shard];
                if of.rows.has_room() { of.limit = usize::MAX } else { self.rebuild(shard, (full * 2).max(FIRST_ROWS)) }
            }
        }
    }

    /// Makes the first shard.
    fn begin(&mut self) {
        self.directory.begin();
        self.shards.reserve_exact(1); // many tables have no other
        self.shards.push(Shard::new(Rows::with_capacity(FIRST_ROWS, self.is_tracked()), self.epoch, 0));
        self.resized(0);
    }

    /// Makes the shard smaller if most of it is empty.
    #[inline(always)]
    pub(super) fn make_smaller(&mut self, shard: usize) {
        let table = &self.shards[shard].rows.table;
        let buckets = table.num_buckets();
        if table.len() < buckets / SPARSE_SHARE && buckets > SMALL_BUCKETS {
            self.rebuild(shard, table.len() * 2);
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn rebuild(&mut self, shard: usize, capacity: usize) {
        let tracked = self.is_tracked();
        self.row_bytes -= self.shards[shard].rows.table.allocation_size();
        self.shards[shard].rebuild(capacity, tracked);
        self.resized(shard);
        self.moved();
    }

    /// Splits a shard, in which `hash` lies; false if too few rows would change their shard.
    fn split(&mut self, at: usize, hash: u64) -> bool {
        let depth = self.shards[at].depth;
        if depth == DEPTH_LIMIT {
            return false;
        }
        let rows = &self.shards[at].rows.table;
        let hashes: Vec<u64> = rows.iter_buckets().map(|bucket| self.hash_in(at, bucket)).collect();
        let upper = hashes.iter().filter(|hash| self.directory.is_upper(**hash, depth)).count();
        if upper.min(hashes.len() - upper) * SPLIT_SHARE < hashes.len() {
            return false;
        }
        self.split_rows(at, self.directory.slot(hash), &hashes, SHARD_ROWS);
        true
    }

    fn hash_in(&self, shard: usize, bucket: usize) -> u64 {
        let row = self.shards[shard].rows.table.get_bucket(bucket);
        R::hash(row.expect("the bucket of a row has a row").0.view())
    }

    /// Splits the shard of a slot. Both parts get room for at least so many rows.
    fn split_rows(&mut self, at: usize, slot: usize, hashes: &[u64], capacity: usize) {
        let (tracked, depth) = (self.is_tracked(), self.shards[at].depth);
        let directory = &self.directory;
        let upper = hashes.iter().filter(|hash| directory.is_upper(**hash, depth)).count();
        let capacity = capacity.max(upper).max(hashes.len() - upper);
        self.row_bytes -= self.shards[at].rows.table.allocation_size();
        let is_upper = |hash| directory.is_upper(hash, depth);
        let upper = self.shards[at].split(hashes, capacity, tracked, is_upper, &mut self.leaving);
        if self.freeze.as_ref().is_some_and(|freeze| self.directory.shard(freeze.slot) == Some(at)) {
            self.leaving.give_walked_back();
        }
        let doubled = self.directory.split(slot, depth, self.shards.len());
        self.shards.push(upper);
        self.resized(at);
        self.resized(self.shards.len() - 1);
        if doubled && let Some(freeze) = &mut self.freeze {
            freeze.slot *= 2;
        }
        self.moved();
    }

    /// Splits all shards down to a depth, and makes room for so many rows in each.
    pub(super) fn reserve_each(&mut self, depth: u32, capacity: usize) {
        if self.shards.is_empty() {
            self.begin();
        }
        let mut slot = 0;
        while let Some(at) = self.directory.shard(slot) {
            self.enter(at);
            if self.shards[at].depth < depth.min(DEPTH_LIMIT) {
                let rows = &self.shards[at].rows.table;
                let hashes: Vec<u64> = rows.iter_buckets().map(|bucket| self.hash_in(at, bucket)).collect();
                let slots = self.directory.slots();
                self.split_rows(at, slot, &hashes, capacity);
                slot = slot * self.directory.slots() / slots;
                continue;
            }
            if self.shards[at].rows.table.capacity() < capacity {
                self.rebuild(at, capacity);
            }
            slot += self.directory.slots_of(self.shards[at].depth);
        }
    }

    /// Notes that a shard has other buckets.
    fn resized(&mut self, at: usize) {
        let shard = &mut self.shards[at];
        self.row_bytes += shard.rows.table.allocation_size();
        let early = mix(at as u64) % (SHARD_ROWS as u64 / STAGGER_SHARE);
        shard.limit = if shard.rows.full_capacity() == SHARD_ROWS { SHARD_ROWS - early as usize } else { usize::MAX };
    }

    /// Rows are in other buckets now, so the walker begins its shard anew; what it has copied is not pending any more.
    fn moved(&mut self) {
        if let Some(freeze) = &mut self.freeze {
            freeze.word = 0;
        }
    }
}
