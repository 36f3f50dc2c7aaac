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
}
