//! RocksDB as the store behind hot values.

use millstream_benches::larger::Value;
use rocksdb::{BlockBasedOptions, Cache, DB, Options, WriteBatch, WriteOptions};
use tempfile::TempDir;

use crate::cached::{Behind, folder_bytes, key_bytes, value_bytes, value_of};

/// A database in a folder of its own.
pub struct Rocks {
    options: Options,
    database: DB,
    bytes: usize,
    folder: TempDir,
}

impl Rocks {
    /// With so many bytes for its block cache and its memtables, half each. Its indexes and filters are in memory besides, as it does unless told otherwise: with them in the
    /// cache it was slower by several times.
    pub fn open(bytes: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&Cache::new_lru_cache(bytes / 2).expect("a cache"));
        blocks.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&blocks);
        options.set_write_buffer_size((bytes / 4).max(1 << 20));
        options.set_max_write_buffer_number(2);
        options.increase_parallelism(2);
        options.enable_statistics();
        let database = DB::open(&options, folder.path()).expect("a database");
        Self { options, database, bytes, folder }
    }

    /// A ticker of its statistics.
    fn ticker(&self, name: &str) -> u64 {
        let statistics = self.options.get_statistics().unwrap_or_default();
        let line = statistics.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
    }
}

impl Behind for Rocks {
    fn get(&self, key: u64) -> Option<Value> {
        self.database.get_pinned(key_bytes(key)).expect("a database that reads").map(|bytes| value_of(&bytes))
    }

    fn write(&mut self, rows: &[(u64, Value)]) {
        let mut batch = WriteBatch::default();
        rows.iter().for_each(|(key, value)| batch.put(key_bytes(*key), value_bytes(*value)));
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.database.write_opt(batch, &options).expect("a database that writes");
    }

    fn written_bytes(&self) -> u64 {
        self.ticker("rocksdb.flush.write.bytes") + self.ticker("rocksdb.compact.write.bytes")
    }

    fn memory_bytes(&self) -> usize {
        let readers = self.database.property_int_value("rocksdb.estimate-table-readers-mem");
        self.bytes + readers.ok().flatten().unwrap_or(0) as usize
    }

    fn file_bytes(&self) -> u64 {
        folder_bytes(self.folder.path())
    }
}
