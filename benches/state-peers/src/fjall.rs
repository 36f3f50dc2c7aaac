//! fjall as the store behind hot values.

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use millstream_benches::larger::Value;
use tempfile::TempDir;

use crate::cached::{Behind, folder_bytes, key_bytes, value_bytes, value_of};

/// A database in a folder of its own.
pub struct Fjall {
    rows: Keyspace,
    database: Database,
    bytes: usize,
    folder: TempDir,
}

impl Fjall {
    /// With so many bytes for its cache and its memtables, half each.
    pub fn open(bytes: usize) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = Database::builder(folder.path()).cache_size(bytes as u64 / 2).open().expect("a database");
        let options = || KeyspaceCreateOptions::default().max_memtable_size((bytes as u64 / 4).max(1 << 20));
        let rows = database.keyspace("rows", options).expect("a keyspace");
        Self { rows, database, bytes, folder }
    }
}

impl Behind for Fjall {
    fn get(&self, key: u64) -> Option<Value> {
        self.rows.get(key_bytes(key)).expect("a database that reads").map(|bytes| value_of(&bytes))
    }

    fn write(&mut self, rows: &[(u64, Value)]) {
        let mut batch = self.database.batch();
        rows.iter().for_each(|(key, value)| batch.insert(&self.rows, key_bytes(*key), value_bytes(*value)));
        batch.commit().expect("a database that writes");
    }

    /// It does not tell.
    fn written_bytes(&self) -> u64 {
        0
    }

    fn memory_bytes(&self) -> usize {
        self.bytes
    }

    fn file_bytes(&self) -> u64 {
        folder_bytes(self.folder.path())
    }
}
