//! [`Table::scan`]: looking at all rows in steps; and [`Table::take_at`]: taking them away meanwhile.

use millstream_core::record::Record;

use super::Table;
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
    /// True if it stands between two shards: then it is a hash that tells the rows that were shown from the others.
    pub fn is_between_shards(&self) -> bool {
        self.bucket == 0
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

    /// The hash below which those of all rows are that were shown, where the cursor stands [between two shards](Cursor::is_between_shards).
    pub fn shown_below(&self, cursor: &Cursor) -> u64 {
        let before = cursor.slot.min(self.directory.slots());
        if before == 0 { 0 } else { self.directory.last_of_slot(before - 1).saturating_add(1) }
    }
}
