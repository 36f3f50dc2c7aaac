//! [`Spilling`]: Millstream's table that need not fit into memory, as a store among others.

use std::{sync::Arc, thread, time::Duration};

use millstream_core::{
    key::{Key, mix},
    record::Record,
};
use millstream_state::{
    backend::Checkpointed,
    groups::GroupRange,
    row::ByKey,
    spill::{Budget, Scratch, Spill, SpillTable},
    table::{PREFETCH_ROWS, Tracking},
};
use tempfile::TempDir;

use crate::larger::{FIRST, Store, Value, add};

/// What a table in memory takes for a key, in bytes.
const BYTES_PER_KEY: usize = 64;
/// For so long a task waits before it asks again whether it may go on.
const PAUSE: Duration = Duration::from_micros(200);
/// Nothing is merged any more if nothing was written for so long.
const SETTLED: Duration = Duration::from_millis(500);

/// A table, and the folder of its files.
pub struct Spilling {
    table: SpillTable<ByKey<u64>, Value>,
    spill: Option<(Spill, TempDir)>,
}

impl Spilling {
    /// All in memory.
    pub fn in_memory() -> Self {
        Self { table: SpillTable::new(GroupRange::all(128), Tracking::None, None), spill: None }
    }

    /// With a budget for this share of so many keys.
    pub fn with_share(keys: u64, share: f64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let scratch = Scratch::directory(folder.path(), Arc::new(|work| drop(thread::spawn(work))));
        let budget = Budget::new((keys as f64 * BYTES_PER_KEY as f64 * share) as usize);
        let spill = Spill { scratch: Arc::new(scratch.expect("a folder for files")), budget, at_once: true };
        let table = SpillTable::new(GroupRange::all(128), Tracking::None, Some(&spill));
        Self { table, spill: Some((spill, folder)) }
    }
}

impl Store for Spilling {
    /// As after a restore: in the order of a segment.
    fn load(&mut self, keys: u64) {
        let mut rows: Vec<_> = (0..keys).map(mix).map(|key| (<u64 as Key>::hash(key), key)).collect();
        rows.sort_unstable();
        for (hash, key) in rows {
            self.table.restore_row(hash, key, FIRST.view());
        }
    }

    fn update(&mut self, keys: &[u64]) {
        while self.table.is_full() {
            thread::sleep(PAUSE);
        }
        let mut hashes = [0; PREFETCH_ROWS];
        for keys in keys.chunks(PREFETCH_ROWS) {
            hashes.iter_mut().zip(keys).for_each(|(hash, key)| *hash = <u64 as Key>::hash(*key));
            hashes[..keys.len()].iter().for_each(|hash| self.table.prefetch(*hash));
            for (hash, key) in hashes.iter().zip(keys) {
                add(self.table.entry(*hash, *key, || FIRST), *key);
            }
        }
    }

    fn settle(&mut self) {
        let mut before = u64::MAX;
        while self.spill.is_some() && std::mem::replace(&mut before, self.written_bytes()) != before {
            thread::sleep(SETTLED);
        }
    }

    fn written_bytes(&self) -> u64 {
        self.spill.as_ref().map_or(0, |(spill, _)| spill.scratch.usage().written_bytes())
    }

    fn memory_bytes(&self) -> usize {
        self.table.size_bytes()
    }

    fn file_bytes(&self) -> u64 {
        self.table.file_bytes()
    }
}

/// A number from the environment.
pub fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
