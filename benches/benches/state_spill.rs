//! Keyed state larger than memory: values of 32 bytes under `u64` keys are read, modified and written in batches of 1,024, uniformly and by Zipf's law, with
//! all of them, half and a twentieth in the budget; beside the table in memory.
//!
//! `cargo bench -p millstream-benches --bench state_spill`; `MILLSTREAM_BENCH_KEYS` (20,000,000) and `MILLSTREAM_BENCH_SECONDS` (14) make it smaller.
#![allow(
    clippy::disallowed_methods,
    reason = "benches stand outside of the engine: they read clocks and start threads"
)]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use millstream::prelude::*;
use millstream_core::key::mix;
use millstream_state::{
    groups::GroupRange,
    row::ByKey,
    spill::{Scratch, Spill, SpillTable, Usage},
    table::{PREFETCH_ROWS, Tracking},
};

const KEYS: u64 = 20_000_000;
const SECONDS: f64 = 14.0;
/// Where nothing is measured: that it runs.
const FEW_KEYS: u64 = 20_000;
const FEW_SECONDS: f64 = 0.1;
const BATCH: usize = 1_024;
/// For so long a task waits before it asks again whether it may go on.
const PAUSE: Duration = Duration::from_micros(200);
/// Nothing is merged any more if nothing was written for so long.
const SETTLED: Duration = Duration::from_millis(500);
/// How many updates go by between two looks at the clock before it is measured.
const WARM_BATCHES: usize = 1_024;

type Value = (u64, u64, u64, u64);
const FIRST: Value = (0, 0, u64::MAX, 0);
const ROW_BYTES: u64 = (size_of::<u64>() + size_of::<Value>()) as u64;

type Rows = SpillTable<ByKey<u64>, Value>;

#[derive(Clone, Copy, Debug)]
enum Access {
    Uniform,
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
            // Of Zipf's law with the exponent 1: the logarithm of a rank is spread evenly.
            Access::Zipf => {
                let share = (random >> 11) as f64 / (1_u64 << 53) as f64;
                ((self.of as f64).powf(share) as u64 - 1).min(self.of - 1)
            }
        };
        mix(rank)
    }
}

fn update(table: &mut Rows, keys: &[u64]) {
    let mut hashes = [0; PREFETCH_ROWS];
    for keys in keys.chunks(PREFETCH_ROWS) {
        hashes.iter_mut().zip(keys).for_each(|(hash, key)| *hash = <u64 as Key>::hash(*key));
        hashes[..keys.len()].iter().for_each(|hash| table.prefetch(*hash));
        for (hash, key) in hashes.iter().zip(keys) {
            let (count, sum, min, max) = table.entry(*hash, *key, || FIRST);
            (*count, *sum, *min, *max) = (*count + 1, *sum + key, (*min).min(*key), (*max).max(*key));
        }
    }
}

/// Waits as a task does whose table is full. Says for how long.
fn wait(table: &mut Rows) {
    while table.is_full() {
        thread::sleep(PAUSE);
    }
}

/// Waits until what the restore has left to be merged is.
fn settle(usage: Option<&Usage>) {
    let mut before = u64::MAX;
    while usage.is_some_and(|usage| std::mem::replace(&mut before, usage.written_bytes()) != before) {
        thread::sleep(SETTLED);
    }
}

fn run(name: &str, spill: Option<&Spill>, keys: u64, seconds: f64, access: Access) -> f64 {
    let mut table = Rows::new(GroupRange::all(128), Tracking::None, spill);
    let usage = spill.map(|spill| spill.scratch.usage());
    let began = Instant::now();
    // As after a restore: in the order of a segment.
    let mut rows: Vec<_> = (0..keys).map(mix).map(|key| (<u64 as Key>::hash(key), key)).collect();
    rows.sort_unstable();
    rows.iter().for_each(|(hash, key)| table.restore_row(*hash, *key, FIRST.view()));
    drop(rows);
    settle(usage.as_deref());
    let mut batch = Vec::with_capacity(BATCH);
    let loaded = began.elapsed();
    let mut numbers = Keys { state: 1, of: keys, access };
    let fill = |batch: &mut Vec<u64>, numbers: &mut Keys| {
        batch.clear();
        batch.extend((0..BATCH).map(|_| numbers.next()));
    };
    for _ in 0..WARM_BATCHES {
        fill(&mut batch, &mut numbers);
        wait(&mut table);
        update(&mut table, &batch);
    }
    let written = usage.as_ref().map_or(0, |usage| usage.written_bytes());
    let (mut times, mut busy) = (Vec::new(), Duration::ZERO);
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        fill(&mut batch, &mut numbers);
        let before = Instant::now();
        wait(&mut table);
        update(&mut table, &batch);
        let took = before.elapsed();
        busy += took;
        times.push(took);
    }
    times.sort_unstable();
    let updates = (times.len() * BATCH) as u64;
    let rate = updates as f64 / busy.as_secs_f64() / 1e6;
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    let (amplified, files) = usage.map_or((0.0, 0), |usage| {
        ((usage.written_bytes() - written) as f64 / (updates * ROW_BYTES) as f64, usage.file_bytes() >> 20)
    });
    println!(
        "{name:<12} {access:?}: {rate:.3} M/s, batch p50 {:.3} p99 {:.3} p99.9 {:.3} max {:.1} ms, written {amplified:.1} B/B, \
         memory {} MiB, files {files} MiB, restored in {:.1} s",
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0),
        table.size_bytes() >> 20,
        loaded.as_secs_f64(),
    );
    rate
}

fn number<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (keys, seconds) = if measured { (KEYS, SECONDS) } else { (FEW_KEYS, FEW_SECONDS) };
    let keys = number("MILLSTREAM_BENCH_KEYS", keys);
    let seconds = number("MILLSTREAM_BENCH_SECONDS", seconds);
    let wanted: String = number("MILLSTREAM_BENCH_ONLY", String::new());
    println!("{keys} keys");
    for access in [Access::Zipf, Access::Uniform] {
        let is_wanted = |name: &str| wanted.is_empty() || wanted.split(',').any(|wanted| wanted == name);
        let memory = is_wanted("memory").then(|| run("memory", None, keys, seconds, access));
        // What the table in memory takes, and twice that for 100 %: the division of the budget leaves two thirds for rows.
        let all = keys as usize * 64;
        for (name, share) in [("redb 100%", 2.0), ("redb 50%", 0.5), ("redb 5%", 0.05)] {
            if !is_wanted(name.trim_start_matches("redb ")) {
                continue;
            }
            let folder = tempfile::tempdir().expect("a temporary folder");
            let workers = Arc::new(|work| drop(thread::spawn(work)));
            let scratch = Scratch::directory(folder.path(), workers).expect("a folder for files");
            let spill = Spill { scratch: Arc::new(scratch), table_bytes: (all as f64 * share) as usize };
            let rate = run(name, Some(&spill), keys, seconds, access);
            if let (Some(memory), "redb 100%") = (memory, name) {
                println!("all hot, redb / memory: {:.2}", rate / memory);
            }
        }
    }
}
