//! [`Cached`]: hot values in front of a store that has all of them.

use std::{collections::VecDeque, thread, time::Duration};

use hashbrown::{DefaultHashBuilder, HashMap};
use millstream_benches::larger::{FIRST, Store, Value, add};
use millstream_core::key::mix;

/// So many changed values are collected before they are written.
const BATCH_ROWS: usize = 65_536;
/// How long a store is left alone before it is measured.
const SETTLE: Duration = Duration::from_secs(5);

/// A store of bytes.
pub trait Behind {
    /// The value of a key.
    fn get(&self, key: u64) -> Option<Value>;
    /// Writes rows, which ascend by their keys.
    fn write(&mut self, rows: &[(u64, Value)]);
    /// What it has written to files so far, in bytes.
    fn written_bytes(&self) -> u64;
    /// What it may take in memory, in bytes.
    fn memory_bytes(&self) -> usize;
    /// What its files take, in bytes.
    fn file_bytes(&self) -> u64;
}

struct Hot {
    value: Value,
    is_used: bool,
    is_changed: bool,
}

/// A clock's ring of hot values, and what has changed and is not hot any more.
pub struct Cached<B> {
    behind: B,
    hot: HashMap<u64, Hot, DefaultHashBuilder>,
    ring: VecDeque<u64>,
    limit: usize,
    pending: HashMap<u64, Value, DefaultHashBuilder>,
}

impl<B: Behind> Cached<B> {
    pub fn new(behind: B, limit: usize) -> Self {
        Self { behind, hot: HashMap::default(), ring: VecDeque::new(), limit, pending: HashMap::default() }
    }

    fn make_room(&mut self) {
        while self.hot.len() >= self.limit {
            let Some(key) = self.ring.pop_front() else { return };
            let Some(hot) = self.hot.get_mut(&key) else { continue };
            if std::mem::take(&mut hot.is_used) {
                self.ring.push_back(key);
            } else if let Some(hot) = self.hot.remove(&key)
                && hot.is_changed
            {
                self.pending.insert(key, hot.value);
            }
        }
        if self.pending.len() >= BATCH_ROWS {
            let mut rows: Vec<_> = self.pending.drain().collect();
            rows.sort_unstable_by_key(|(key, _)| *key);
            self.behind.write(&rows);
        }
    }
}

impl<B: Behind> Store for Cached<B> {
    fn load(&mut self, keys: u64) {
        let mut all: Vec<_> = (0..keys).map(mix).map(|key| (key, FIRST)).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all.chunks(BATCH_ROWS).for_each(|rows| self.behind.write(rows));
    }

    fn update(&mut self, keys: &[u64]) {
        for key in keys {
            if let Some(hot) = self.hot.get_mut(key) {
                (hot.is_used, hot.is_changed) = (true, true);
                add(&mut hot.value, *key);
                continue;
            }
            let found = self.pending.get(key).copied();
            let mut value = found.or_else(|| self.behind.get(*key)).expect("all keys are there");
            add(&mut value, *key);
            self.make_room();
            self.hot.insert(*key, Hot { value, is_used: true, is_changed: true });
            self.ring.push_back(*key);
        }
    }

    fn settle(&mut self) {
        thread::sleep(SETTLE);
    }

    fn written_bytes(&self) -> u64 {
        self.behind.written_bytes()
    }

    fn memory_bytes(&self) -> usize {
        let pending = self.pending.capacity() * size_of::<(u64, Value)>();
        self.hot.allocation_size() + self.ring.capacity() * size_of::<u64>() + pending + self.behind.memory_bytes()
    }

    fn file_bytes(&self) -> u64 {
        self.behind.file_bytes()
    }
}

/// A key as it sorts.
pub fn key_bytes(key: u64) -> [u8; 8] {
    key.to_be_bytes()
}

/// A value as it is stored.
pub fn value_bytes((count, sum, min, max): Value) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, part) in bytes.chunks_mut(8).zip([count, sum, min, max]) {
        place.copy_from_slice(&part.to_le_bytes());
    }
    bytes
}

/// A value that was stored.
pub fn value_of(bytes: &[u8]) -> Value {
    let part = |at: usize| bytes[at * 8..at * 8 + 8].try_into().map(u64::from_le_bytes).expect("a value has four parts");
    (part(0), part(1), part(2), part(3))
}

/// What the files of a folder take, in bytes.
pub fn folder_bytes(path: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.map(of).sum()
}
