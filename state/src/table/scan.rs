//! [`Table::scan`]: looking at all rows in steps.

use millstream_core::record::Record;

use super::Table;
use crate::row::RowKey;

/// How far a scan has come. It holds for a table as it was then: rows must not be put in or removed between two steps.
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

    /// The hash below which those of all rows are that were shown, where the cursor stands [between two shards](Cursor::is_between_shards).
    pub fn shown_below(&self, cursor: &Cursor) -> u64 {
        let before = cursor.slot.min(self.directory.slots());
        if before == 0 { 0 } else { self.directory.last_of_slot(before - 1).saturating_add(1) }
    }
}
