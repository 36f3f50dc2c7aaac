//! [`Run`]: rows in one redb file, which never changes. Written once, in order, by redb's cursor.

use std::{fmt, ops::Bound};

use redb::{
    Builder, Durability, Range, ReadOnlyDatabase, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition,
};

use super::{
    codec::hash_of,
    error::SpillError,
    filter::Filter,
    scratch::{Scratch, Storage},
};

type Bytes = &'static [u8];

/// The only table of a file: encoded keys, and what `codec` makes of values and removed rows.
const ROWS: TableDefinition<'static, Bytes, Bytes> = TableDefinition::new("rows");
/// What redb may keep of a file that is being written: it goes from one end to the other.
const WRITE_CACHE_BYTES: usize = 1 << 20;
/// After so many rows a writer asks whether it is still wanted.
const ROWS_BETWEEN_LOOKS: u64 = 4_096;

/// When rows were written, as opposed to others of their keys: by the epoch, then by the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Age {
    pub(super) epoch: u64,
    pub(super) number: u64,
}

/// A file of rows.
pub(super) struct Run {
    pub(super) age: Age,
    /// How many rows there are, removed ones counted.
    pub(super) rows: u64,
    /// `None` in a base for which it would be too large.
    filter: Option<Filter>,
    cache_bytes: usize,
    table: ReadOnlyTable<Bytes, Bytes>,
    _database: ReadOnlyDatabase,
    storage: Storage,
}

/// How a run is made.
pub(super) struct Plan<'a> {
    pub(super) scratch: &'a Scratch,
    pub(super) age: Age,
    /// With a filter for so many rows, if at all.
    pub(super) filtered: Option<usize>,
    /// What redb may keep of it in memory, in bytes.
    pub(super) cache_bytes: usize,
    /// True if it is not wanted any more.
    pub(super) is_over: &'a dyn Fn() -> bool,
}

impl Run {
    /// Writes the rows that `next` gives, which must ascend by their keys. `None` if it is not wanted any more.
    pub(super) fn write(
        plan: &Plan<'_>,
        mut next: impl FnMut(&mut dyn FnMut(&[u8], &[u8]) -> Result<(), SpillError>) -> Result<bool, SpillError>,
    ) -> Result<Option<Self>, SpillError> {
        let storage = plan.scratch.create().map_err(SpillError::io("create"))?;
        let mut filter = plan.filtered.map(Filter::new);
        let mut rows = 0;
        let backend = storage.open().map_err(SpillError::io("open"))?;
        let mut builder = Builder::new();
        builder.set_cache_size(WRITE_CACHE_BYTES);
        let database = builder.create_with_backend(backend).map_err(SpillError::of("begin"))?;
        let mut transaction = database.begin_write().map_err(SpillError::of("begin"))?;
        // Not that anything is waited for: only what is committed in this way can be opened again.
        transaction.set_durability(Durability::Immediate).map_err(SpillError::of("begin"))?;
        {
            let mut table = transaction.open_table(ROWS).map_err(SpillError::of("begin"))?;
            let mut cursor = table.upper_bound_mut(Bound::<Bytes>::Unbounded).map_err(SpillError::of("begin"))?;
            let mut put = |key: &[u8], value: &[u8]| {
                cursor.insert_before(key, value).map_err(SpillError::of("write"))?;
                if let Some(filter) = &mut filter {
                    filter.add(hash_of(key));
                }
                rows += 1;
                Ok(())
            };
            let mut steps = 0_u64;
            while next(&mut put)? {
                steps += 1;
                if steps.is_multiple_of(ROWS_BETWEEN_LOOKS) && (plan.is_over)() {
                    return Ok(None);
                }
            }
            cursor.close().map_err(SpillError::of("write"))?;
        }
        transaction.commit().map_err(SpillError::of("write"))?;
        drop(database);
        let backend = storage.open().map_err(SpillError::io("open"))?;
        storage.note_bytes().map_err(SpillError::io("measure"))?;
        builder.set_cache_size(plan.cache_bytes);
        let database = builder.open_read_only_with_backend(backend).map_err(SpillError::of("open"))?;
        let transaction = database.begin_read().map_err(SpillError::of("read"))?;
        let table = transaction.open_table(ROWS).map_err(SpillError::of("read"))?;
        let cache_bytes = plan.cache_bytes.min(storage.bytes() as usize);
        Ok(Some(Self { age: plan.age, rows, filter, cache_bytes, table, _database: database, storage }))
    }

    /// What there is of a key: its row, or that it was removed.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, SpillError> {
        if self.filter.as_ref().is_some_and(|filter| !filter.may_have(hash_of(key))) {
            return Ok(None);
        }
        self.storage.count_lookup();
        let found = ReadableTable::get(&self.table, key).map_err(SpillError::of("read"))?;
        Ok(found.map(|value| value.value().to_vec()))
    }

    /// All rows, in order.
    pub(super) fn iter(&self) -> Result<Range<'static, Bytes, Bytes>, SpillError> {
        self.table.range::<Bytes>(..).map_err(SpillError::of("read"))
    }

    /// How much its file takes on the disk, in bytes.
    pub(super) fn file_bytes(&self) -> u64 {
        self.storage.bytes()
    }

    /// What its filter takes in memory, in bytes.
    pub(super) fn filter_bytes(&self) -> usize {
        self.filter.as_ref().map_or(0, Filter::size_bytes)
    }

    /// What it takes in memory, in bytes; of redb's cache as much as there can be.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.filter_bytes() + self.cache_bytes
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("age", &self.age).field("rows", &self.rows).finish_non_exhaustive()
    }
}
