//! What a table takes in memory, and room made in advance.

use millstream_core::{
    buffer::{BufferBuilder, Columns, LIMIT_MAX_RECORD_SIZE},
    record::Record,
    time::Timestamp,
};

use super::{Table, growth::SHARD_ROWS, shard::Shard};
use crate::row::RowKey;

/// How many rows are looked at to estimate what they own, and after how many bytes of archives no more are.
const SAMPLE_ROWS: usize = 32;
const SAMPLE_BYTES: usize = 64 << 10;
/// How many shards are looked at to estimate what has changed, and how many words of marks in each.
const SAMPLE_SHARDS: usize = 16;
const SAMPLE_WORDS: usize = 64;
/// What an allocator adds to an allocation, and the least that one takes, about, in bytes.
const ALLOCATION_BYTES: usize = 8;
const ALLOCATION_MIN_BYTES: usize = 32;

impl<R: RowKey, V: Record> Table<R, V> {
    /// What it takes in memory, in bytes. What keys and values own on the heap is estimated: that of a row is taken to be as large as what the archives
    /// of its key and value have besides their roots, in one allocation, where they are not [plain](Record::PLAIN), as some rows show. Takes microseconds: for each batch rather than each record.
    pub fn size_bytes(&self) -> usize {
        let shards = self.shards.capacity() * size_of::<Shard<R, V>>();
        let allocated = self.shards.iter().map(Shard::size_bytes).sum::<usize>();
        self.directory.size_bytes()
            + self.leaving.size_bytes()
            + shards
            + allocated
            + (self.len() as f64 * self.owned_bytes()) as usize
    }

    /// About how many rows and keys a delta would have, as a share of the rows that there are; at most 1. To be asked while the table is not frozen.
    pub fn dirty_share(&self) -> f64 {
        let (mut leaving, mut rows) = (0.0, 0);
        for shard in self.shards.iter().step_by(self.shards.len().div_ceil(SAMPLE_SHARDS).max(1)) {
            let marks = &shard.rows.marks;
            let step = marks.words().div_ceil(SAMPLE_WORDS).max(1);
            let changed: u32 = (0..marks.words()).step_by(step).map(|word| marks.changed_in(word)).sum();
            leaving += f64::from(changed) * step as f64 + shard.removed_since() as f64;
            rows += shard.rows.table.len();
        }
        (leaving / rows.max(1) as f64).min(1.0)
    }

    /// What a row owns on the heap, on average of some.
    pub(super) fn owned_bytes(&self) -> f64 {
        let (mut keys, mut values) = (Sizes::<R::Key>::default(), Sizes::<V>::default());
        if R::Key::PLAIN && V::PLAIN {
            return 0.0;
        }
        let each = SAMPLE_ROWS.div_ceil(self.shards.len().max(1));
        for (key, value) in self.shards.iter().flat_map(|shard| shard.rows.table.iter().take(each)).take(SAMPLE_ROWS) {
            keys.add(key.view());
            values.add(value.view());
            if keys.bytes + values.bytes > SAMPLE_BYTES {
                break;
            }
        }
        keys.mean() + values.mean()
    }
}

/// Sizes of archives.
struct Sizes<T: Record> {
    builder: BufferBuilder<T>,
    bytes: usize,
    records: usize,
}

impl<T: Record> Default for Sizes<T> {
    fn default() -> Self {
        Self { builder: BufferBuilder::new(Columns::default(), LIMIT_MAX_RECORD_SIZE), bytes: 0, records: 0 }
    }
}

impl<T: Record> Sizes<T> {
    fn add(&mut self, record: T::View<'_>) {
        let before = self.builder.len_bytes();
        if !T::PLAIN && self.builder.push(record, Timestamp::MIN, 0).is_ok() {
            let owned = self.builder.len_bytes() - before - size_of::<T::Archived>();
            self.bytes += (owned + ALLOCATION_BYTES).max(ALLOCATION_MIN_BYTES);
            self.records += 1;
        }
    }

    fn mean(&self) -> f64 {
        self.bytes as f64 / self.records.max(1) as f64
    }
}

impl<R: RowKey, V: Record> Table<R, V> {
    /// Makes room for so many rows more, if their hashes are spread as hashes are.
    pub fn reserve(&mut self, rows: usize) {
        let rows = (self.len() + rows) as f64;
        let mut depth = 0;
        while rows * self.directory.share(depth, self.range) > SHARD_ROWS as f64 * RESERVED_SHARE {
            depth += 1;
        }
        self.reserve_each(depth, (rows * self.directory.share(depth, self.range) * RESERVED_SLACK) as usize);
    }
}

/// Shards made in advance are filled to this share at most, so that not all of them split soon after.
const RESERVED_SHARE: f64 = 0.8;
/// Shards get room for so many times the rows expected: some have more than others.
const RESERVED_SLACK: f64 = 1.05;
