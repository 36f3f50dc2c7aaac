//! [`Table::scan`]: looking at all rows in steps; and [`Table::take_at`]: taking them away meanwhile.

use millstream_core::record::Record;

use super::{Table, rows::own};
use crate::row::RowKey;

/// How far a scan has come. It holds for a table as it was then: rows must not be put in or removed between two steps, but by [`Table::take_at`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    /// The first slot of the shard.
    slot: usize,
    /// The next bucket of that shard.
    bucket: usize,
}

impl Cursor {
    /// Goes on to the next bucket.
    pub(crate) fn advance(&mut self) {
        self.bucket += 1;
    }

    pub(super) fn bucket(&self) -> usize {
        self.bucket
    }
}

/// Which rows a scan has shown, told by their hashes: so it is also true of tables that the same rows are put into later.
///
/// A few rows of the shard where the cursor stood do not lie where their hash says: for these the opposite holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shown {
    /// All hashes below this.
    pub below: u64,
    /// The greatest hash of the shard that begins there.
    pub last: u64,
    /// How many buckets this shard had, a power of two.
    pub buckets: u64,
    /// And how many of them were behind the cursor.
    pub before: u64,
}

impl Shown {
    /// True if a row with this hash was shown, unless it is one of the few for which it is the other way round.
    #[inline]
    pub fn has(&self, hash: u64) -> bool {
        hash < self.below || (hash <= self.last && own(hash) & self.buckets.wrapping_sub(1) < self.before)
    }
}

impl<R: RowKey, V: Record> Table<R, V> {
    /// Shows rows from where the cursor stands, until `visit` has said true, in the order of shards and within one in that of the buckets. False at the end.
    pub fn scan(&self, cursor: &mut Cursor, mut visit: impl FnMut(&R::Key, &V) -> bool) -> bool {
        while let Some(at) = self.directory.shard(cursor.slot) {
            let shard = &self.shards[at];
            let table = &shard.rows.table;
            while cursor.bucket < table.num_buckets() {
                let row = table.get_bucket(cursor.bucket);
                cursor.bucket += 1;
                if let Some((key, value)) = row
                    && visit(key, value)
                {
                    return true;
                }
            }
            *cursor = Cursor { slot: cursor.slot + self.directory.slots_of(shard.depth), bucket: 0 };
        }
        false
    }

    /// The row where the cursor stands, or else the next one, where it stands then. `None` at the end.
    #[inline]
    pub fn row_at(&self, cursor: &mut Cursor) -> Option<(&R::Key, &V)> {
        while let Some(at) = self.directory.shard(cursor.slot) {
            let shard = &self.shards[at];
            let table = &shard.rows.table;
            while cursor.bucket < table.num_buckets() {
                if let Some((key, value)) = table.get_bucket(cursor.bucket) {
                    return Some((key, value));
                }
                cursor.bucket += 1;
            }
            *cursor = Cursor { slot: cursor.slot + self.directory.slots_of(shard.depth), bucket: 0 };
        }
        None
    }

    /// The shard where the cursor stands.
    pub(super) fn shard_at(&self, cursor: &Cursor) -> Option<usize> {
        self.directory.shard(cursor.slot)
    }

    /// The value of the row where the cursor stands, which counts as written.
    #[inline]
    pub fn value_at(&mut self, cursor: &Cursor) -> Option<&mut V> {
        let at = self.directory.shard(cursor.slot)?;
        if self.shards[at].epoch != self.epoch {
            self.enter(at);
        }
        self.shards[at].value_at(cursor.bucket, &mut self.leaving)
    }

    /// Removes the row where the cursor stands, and gives it. All others stay where they are, so cursors hold; a shard that has become empty gives its memory
    /// back.
    #[inline]
    pub fn take_at(&mut self, cursor: &Cursor) -> Option<(R::Key, V)> {
        let at = self.directory.shard(cursor.slot)?;
        if self.shards[at].epoch != self.epoch {
            self.enter(at);
        }
        let row = self.shards[at].remove_at(cursor.bucket, &mut self.leaving)?;
        if self.shards[at].rows.table.is_empty() {
            self.rebuild(at, 0);
        }
        Some(row)
    }

    /// Looks at so many rows from where the cursor stands, and removes those whose values say so; `gone` gets their keys. At the end it begins anew. The table may be
    /// changed in between: then a few rows may be left out of a round.
    pub fn sweep(
        &mut self,
        cursor: &mut Cursor,
        rows: usize,
        is_over: impl Fn(&V) -> bool,
        mut gone: impl FnMut(R::Key),
    ) {
        for _ in 0..rows {
            let Some((_, value)) = self.row_at(cursor) else {
                *cursor = Cursor::default();
                return;
            };
            if is_over(value)
                && let Some((key, _)) = self.take_at(cursor)
            {
                gone(key);
            }
            cursor.bucket += 1;
        }
    }

    /// What a scan has shown that has come as far as the cursor; and the keys for which the opposite is true, which are some dozens at most. Looks at all rows of
    /// a shard.
    pub fn shown(&self, cursor: &Cursor) -> (Shown, Vec<&R::Key>) {
        let before = cursor.slot.min(self.directory.slots());
        let below = if before == 0 { 0 } else { self.directory.last_of_slot(before - 1).saturating_add(1) };
        let shard = self.directory.shard(cursor.slot).filter(|_| cursor.bucket > 0);
        let Some(shard) = shard.map(|at| &self.shards[at]) else {
            return (Shown { below, ..Shown::default() }, Vec::new());
        };
        let table = &shard.rows.table;
        let last = self.directory.last(cursor.slot, shard.depth);
        let shown = Shown { below, last, buckets: table.num_buckets() as u64, before: cursor.bucket as u64 };
        let keys = (0..table.num_buckets()).filter_map(|bucket| Some((bucket, &table.get_bucket(bucket)?.0)));
        let others = keys.filter(|(bucket, key)| shown.has(R::hash(key.view())) != (*bucket < cursor.bucket));
        (shown, others.map(|(_, key)| key).collect())
    }
}
