//! Keyed state larger than memory, whoever holds it: values of 32 bytes under `u64` keys are read, changed and written in batches, uniformly or by Zipf's law.

use std::time::{Duration, Instant};

use millstream_core::key::mix;

/// The records of a batch.
pub const BATCH: usize = 1_024;
/// So many batches go by before it is measured.
const WARM_BATCHES: usize = 1_024;

/// A count, a sum, the least and the greatest.
pub type Value = (u64, u64, u64, u64);
/// The value of a key before its first record.
pub const FIRST: Value = (0, 0, u64::MAX, 0);
/// What a record updates.
pub const ROW_BYTES: u64 = (size_of::<u64>() + size_of::<Value>()) as u64;

/// Adds a record to the value of its key.
#[inline(always)]
pub fn add((count, sum, min, max): &mut Value, key: u64) {
    (*count, *sum, *min, *max) = (*count + 1, *sum + key, (*min).min(key), (*max).max(key));
}

/// Which keys come how often.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// All alike.
    Uniform,
    /// By Zipf's law with the exponent 1.
    Zipf,
}

/// Numbers that look random, as keys.
struct Keys {
    state: u64,
    of: u64,
    access: Access,
}

impl Keys {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let random = mix(self.state);
        let rank = match self.access {
            Access::Uniform => random % self.of,
            // The logarithm of a rank is spread evenly.
            Access::Zipf => {
                let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
                ((self.of as f64).powf(share) as u64 - 1).min(self.of - 1)
            }
        };
        mix(rank)
    }
}

/// Who holds the state.
pub trait Store {
    /// Puts in all keys, with [`FIRST`].
    fn load(&mut self, keys: u64);
    /// Updates the values of a batch. It may wait for what goes on beside it.
    fn update(&mut self, keys: &[u64]);
    /// Waits until nothing goes on beside it any more.
    fn settle(&mut self);
    /// What has been written to files so far, in bytes; 0 if it is not known.
    fn written_bytes(&self) -> u64;
    /// What it takes in memory, in bytes, as it says.
    fn memory_bytes(&self) -> usize;
    /// What its files take, in bytes.
    fn file_bytes(&self) -> u64;
}

/// Loads a store, and updates it for so many seconds. Says what came of it, and gives the millions of records per second.
pub fn measure(name: &str, store: &mut dyn Store, keys: u64, seconds: f64, access: Access) -> f64 {
    let began = Instant::now();
    store.load(keys);
    let loaded = began.elapsed();
    let mut numbers = Keys { state: 1, of: keys, access };
    let mut batch = Vec::with_capacity(BATCH);
    let mut fill = |batch: &mut Vec<u64>| {
        batch.clear();
        batch.extend((0..BATCH).map(|_| numbers.next()));
    };
    for _ in 0..WARM_BATCHES {
        fill(&mut batch);
        store.update(&batch);
    }
    store.settle();
    let written = store.written_bytes();
    let (mut times, mut busy) = (Vec::new(), Duration::ZERO);
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        fill(&mut batch);
        let before = Instant::now();
        store.update(&batch);
        let took = before.elapsed();
        busy += took;
        times.push(took);
    }
    times.sort_unstable();
    let updates = (times.len() * BATCH) as u64;
    let rate = updates as f64 / busy.as_secs_f64() / 1e6;
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{name:<14} {access:<8?} {rate:>7.3} M/s   batch p50 {:>7.3}  p99 {:>7.3}  p99.9 {:>7.3}  max {:>7.1} ms   written {:>5.1} B/B   \
         memory {:>5} MiB   files {:>5} MiB   loaded in {:>5.1} s",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        (store.written_bytes() - written) as f64 / (updates * ROW_BYTES) as f64,
        store.memory_bytes() >> 20,
        store.file_bytes() >> 20,
        loaded.as_secs_f64(),
    );
    rate
}
