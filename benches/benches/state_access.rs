//! Keyed state: read, modify and write values of 32 bytes, beside a plain hashbrown table with foldhash, looked up one by one. Ours takes batches of
//! 1,024 records, hashes them, and prefetches some at a time. And what checkpoints cost: one a second, or when the last is complete, if that takes longer.
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(
    clippy::disallowed_methods,
    reason = "benches stand outside of the engine: they read clocks and start threads"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hashbrown::HashMap;
use millstream::prelude::*;
use millstream_benches::{Ratio, bid::Random, print_ratio, wanted};
use millstream_core::{buffer::Buffer, key::mix};
use millstream_state::{
    groups::GroupRange,
    row::ByKey,
    segment::SegmentWriter,
    snapshot::{Frozen, Namespace, SnapshotKind},
    table::{PREFETCH_ROWS, Table, Tracking, Walked},
};

/// How many keys there are for the ratios alone, and otherwise.
const KEYS_RATIO: u64 = 10_000_000;
const KEYS: u64 = 1_000_000;
/// How many records a run takes.
const RECORDS: usize = 10_000_000;
const ROUNDS: usize = 5;
const BATCH: usize = 1_024;
/// How many rows are copied after each batch while a checkpoint is running, as in a task.
const WALK_ROWS: usize = 4_096;
const INTERVAL: Duration = Duration::from_secs(1);
/// From this share on a full snapshot takes the place of a delta.
const FULL_SHARE: f64 = 0.5;
/// How many ranges of a snapshot wait for the other thread at most, as in a task; the walk then pauses.
const RANGES: usize = 2;

/// A count, a sum, a minimum and a maximum.
type Value = (u64, u64, u64, u64);
const VALUE_BYTES: usize = size_of::<Value>();
const FIRST: Value = (0, 0, u64::MAX, 0);

type Plain<K> = HashMap<K, Value, foldhash::fast::RandomState>;
type Ours<K> = Table<ByKey<K>, Value>;

/// The keys of a run's records.
trait Keys {
    type Key: Key + std::hash::Hash + Eq;
    const NAME: &str;
    const BYTES: usize;

    fn of(numbers: impl Iterator<Item = u64>) -> Self;
    fn len(&self) -> usize;
    fn get(&self, i: usize) -> <Self::Key as Record>::View<'_>;
    fn find<'m>(plain: &'m mut Plain<Self::Key>, key: <Self::Key as Record>::View<'_>) -> Option<&'m mut Value>;
}

struct Numbers(Vec<u64>);

impl Keys for Numbers {
    type Key = u64;
    const NAME: &str = "u64";
    const BYTES: usize = 8;

    fn of(numbers: impl Iterator<Item = u64>) -> Self {
        Self(numbers.map(mix).collect())
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    #[inline(always)]
    fn get(&self, i: usize) -> u64 {
        self.0[i]
    }
    #[inline(always)]
    fn find(plain: &mut Plain<u64>, key: u64) -> Option<&mut Value> {
        plain.get_mut(&key)
    }
}

/// Texts of 21 bytes, one behind the other.
struct Texts(Vec<u8>);

impl Keys for Texts {
    type Key = String;
    const NAME: &str = "string";
    const BYTES: usize = 21;

    fn of(numbers: impl Iterator<Item = u64>) -> Self {
        Self(numbers.flat_map(|number| format!("user-{:016x}", mix(number)).into_bytes()).collect())
    }
    fn len(&self) -> usize {
        self.0.len() / Self::BYTES
    }
    #[inline(always)]
    fn get(&self, i: usize) -> &str {
        std::str::from_utf8(&self.0[i * Self::BYTES..][..Self::BYTES]).expect("keys are ASCII")
    }
    #[inline(always)]
    fn find<'m>(plain: &'m mut Plain<String>, key: &str) -> Option<&'m mut Value> {
        plain.get_mut(key)
    }
}

fn uniform(random: &mut Random, keys: u64) -> u64 {
    random.below(keys)
}

/// Zipf's law with exponent 1: the logarithm of the rank is uniform.
fn zipf(random: &mut Random, keys: u64) -> u64 {
    let share = random.below(1 << 53) as f64 / (1_u64 << 53) as f64;
    ((keys as f64).powf(share) as u64).min(keys) - 1
}

/// Counts a record, and gives a number that depends on all that was counted before.
#[inline(always)]
fn update(value: &mut Value, number: u64) -> u64 {
    *value = (value.0 + 1, value.1 + number, value.2.min(number), value.3.max(number));
    value.0 ^ value.1
}

fn by_hand<K: Keys>(plain: &mut Plain<K::Key>, keys: &K) -> u64 {
    let mut sum = 0_u64;
    for i in 0..keys.len() {
        let key = keys.get(i);
        let value = match K::find(plain, key) {
            Some(value) => value,
            None => plain.entry(K::Key::from_view(key)).or_insert(FIRST),
        };
        sum = sum.wrapping_add(update(value, i as u64));
    }
    sum
}

/// A batch of the records from `start` on.
#[inline(always)]
fn batch<K: Keys>(table: &mut Ours<K::Key>, keys: &K, start: usize, hashes: &mut [u64; BATCH]) -> u64 {
    let count = BATCH.min(keys.len() - start);
    let hashes = &mut hashes[..count];
    for (i, hash) in hashes.iter_mut().enumerate() {
        *hash = K::Key::hash(keys.get(start + i));
    }
    let (mut sum, mut i) = (0_u64, start);
    for hashes in hashes.chunks(PREFETCH_ROWS) {
        if table.wants_prefetch() {
            hashes.iter().for_each(|hash| table.prefetch(*hash));
        }
        for hash in hashes {
            let value = table.entry(*hash, keys.get(i), || FIRST);
            sum = sum.wrapping_add(update(value, i as u64));
            i += 1;
        }
    }
    sum
}

fn by_table<K: Keys>(table: &mut Ours<K::Key>, keys: &K) -> u64 {
    let mut hashes = [0; BATCH];
    (0..keys.len()).step_by(BATCH).fold(0, |sum, start| sum.wrapping_add(batch(table, keys, start, &mut hashes)))
}

/// How long batches took.
#[derive(Default)]
struct Times(Vec<u32>);

impl Times {
    fn add(&mut self, time: Duration) {
        self.0.push(time.as_nanos() as u32);
    }

    /// `p50 .. p99 .. p99.9 .. max ..`, in microseconds.
    fn print(mut self, name: &str) {
        self.0.sort_unstable();
        let at = |share: f64| f64::from(self.0[((self.0.len() - 1) as f64 * share) as usize]) / 1e3;
        println!(
            "batch {name} p50 {:.0} p99 {:.0} p99.9 {:.0} max {:.0} microseconds",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
}

/// What a second thread does for a checkpoint: it makes a segment of the ranges, sorted and compressed, and gives its size. `held` are the bytes that it has
/// or that are on the way to it.
fn encode<K: Key>(frozen: Receiver<Option<Frozen>>, durable: SyncSender<u64>, held: &AtomicUsize) {
    let writer = || SegmentWriter::<ByKey<K>, Value>::new(GroupRange::all(128), SnapshotKind::Full, Vec::new());
    let (mut segment, mut pieces, mut bytes) = (writer(), Vec::new(), 0);
    while let Ok(frozen) = frozen.recv() {
        let is_last = frozen.is_none();
        let early = segment.early_bytes();
        match &frozen {
            Some(frozen) => segment.push(Namespace::default(), frozen, &mut pieces).expect("rows are small"),
            None => bytes = std::mem::replace(&mut segment, writer()).finish(&mut pieces).bytes,
        }
        pieces.clear();
        held.fetch_add(segment.early_bytes(), Ordering::Relaxed);
        held.fetch_sub(early + frozen.as_ref().map_or(0, frozen_bytes), Ordering::Relaxed);
        if is_last {
            durable.send(bytes).expect("the bench waits for its checkpoints");
        }
    }
}

fn frozen_bytes(frozen: &Frozen) -> usize {
    frozen.rows.iter().chain(&frozen.early).map(Buffer::size).sum()
}

/// Checkpoints of a table, one a second.
struct Checkpoints {
    frozen: SyncSender<Option<Frozen>>,
    /// What has no room there.
    backlog: Option<Option<Frozen>>,
    /// What was copied and is not encoded yet, in bytes.
    held: Arc<AtomicUsize>,
    durable: Receiver<u64>,
    began: Option<Instant>,
    running: bool,
    count: u32,
    full: u32,
    bytes: u64,
    intervals: Duration,
    longest_freeze: Duration,
    most_memory: usize,
}

impl Checkpoints {
    fn new<K: Key>() -> Self {
        let (frozen, to_encode) = sync_channel(RANGES);
        let (encoded, durable) = sync_channel(1);
        let held = Arc::<AtomicUsize>::default();
        let encodes = Arc::clone(&held);
        thread::spawn(move || encode::<K>(to_encode, encoded, &encodes));
        Self {
            frozen,
            backlog: None,
            held,
            durable,
            began: None,
            running: false,
            count: 0,
            full: 0,
            bytes: 0,
            intervals: Duration::ZERO,
            longest_freeze: Duration::ZERO,
            most_memory: 0,
        }
    }

    fn send(&mut self, frozen: Option<Frozen>) {
        match self.frozen.try_send(frozen) {
            Ok(()) => {}
            Err(TrySendError::Full(frozen)) => self.backlog = Some(frozen),
            Err(TrySendError::Disconnected(_)) => panic!("the other thread goes on"),
        }
    }

    /// What there is to do after a batch.
    fn after_batch<K: Key>(&mut self, table: &mut Ours<K>, now: Instant) {
        if let Some(frozen) = self.backlog.take() {
            self.send(frozen);
        } else if table.is_frozen() {
            match table.walk(WALK_ROWS).expect("rows are small") {
                Walked::More | Walked::Later => {}
                Walked::Range(frozen) => {
                    self.held.fetch_add(frozen_bytes(&frozen), Ordering::Relaxed);
                    self.most_memory = self.most_memory.max(table.size_bytes() + self.held.load(Ordering::Relaxed));
                    self.send(Some(frozen));
                }
                Walked::Done => self.send(None),
            }
        } else if self.running {
            if let Ok(bytes) = self.durable.try_recv() {
                self.running = false;
                self.bytes += bytes;
            }
        } else if self.began.is_none_or(|began| now - began >= INTERVAL) {
            let kind = match table.dirty_share() < FULL_SHARE && self.count > 0 {
                true => SnapshotKind::Delta,
                false => SnapshotKind::Full,
            };
            let begins = Instant::now();
            table.freeze(kind);
            self.longest_freeze = self.longest_freeze.max(begins.elapsed());
            self.intervals += self.began.map_or(Duration::ZERO, |began| now - began);
            self.began = Some(now);
            self.running = true;
            self.count += 1;
            self.full += u32::from(kind == SnapshotKind::Full);
        }
    }
}

/// Runs records without checkpoints and with them, in turns, and prints what they cost. Since a run may have more of a checkpoint in it than another, all
/// runs are added up.
fn print_checkpoints<K: Keys>(name: &str, table: &mut Ours<K::Key>, keys: &K) {
    if !wanted(&format!("ratio {name}")) {
        return;
    }
    let (mut without, mut with) = (Duration::ZERO, Duration::ZERO);
    let (mut times_without, mut times_with) = (Times::default(), Times::default());
    let mut hashes = [0; BATCH];
    let mut run = |table: &mut Ours<K::Key>, times: &mut Times, mut checkpoints: Option<&mut Checkpoints>| {
        let began = Instant::now();
        let mut last = began;
        for start in (0..keys.len()).step_by(BATCH) {
            std::hint::black_box(batch(table, keys, start, &mut hashes));
            if let Some(checkpoints) = &mut checkpoints {
                checkpoints.after_batch(table, last);
            }
            let now = Instant::now();
            times.add(now - last);
            last = now;
        }
        last - began
    };
    let mut checkpoints = Checkpoints::new::<K::Key>();
    for _ in 0..ROUNDS {
        without += run(table, &mut times_without, None);
        // What was written meanwhile is not these checkpoints' to copy: this run takes it, and gets them into their stride.
        run(table, &mut Times::default(), Some(&mut checkpoints));
        for _ in 0..2 {
            with += run(table, &mut times_with, Some(&mut checkpoints)) / 2;
        }
        // The runs without begin with a table that is not frozen, and checkpoints do not count the time that those take.
        while table.is_frozen() || checkpoints.running {
            checkpoints.after_batch(table, Instant::now());
        }
        checkpoints.began = None;
    }
    let nanos = |time: Duration| time.as_secs_f64() * 1e9 / (keys.len() * ROUNDS) as f64;
    println!("ratio {name} {:.2} {:.2} {:.2}", nanos(without), nanos(with), with.as_secs_f64() / without.as_secs_f64());
    times_without.print(&format!("{name}: without"));
    times_with.print(&format!("{name}: with"));
    let data = table.len() * (K::BYTES + VALUE_BYTES);
    println!(
        "checkpoints {name}: {} ({} full), every {:.2} s, {:.0} MB each, longest freeze {:.1} microseconds, at most {:.2} bytes per byte of keys and values",
        checkpoints.count,
        checkpoints.full,
        checkpoints.intervals.as_secs_f64() / f64::from((checkpoints.count - ROUNDS as u32).max(1)),
        checkpoints.bytes as f64 / 1e6 / f64::from(checkpoints.count),
        checkpoints.longest_freeze.as_secs_f64() * 1e6,
        checkpoints.most_memory as f64 / data as f64,
    );
}

/// Fills a table from nothing, beside a plain one, and prints how long batches took and what the table takes in memory.
fn print_filling<K: Keys>(name: &str, keys: &K) {
    if !wanted(&format!("ratio {name}")) {
        return;
    }
    let ratio = Ratio { name, records: keys.len(), rounds: 2 };
    let empty = || Ours::<K::Key>::new(GroupRange::all(128), Tracking::Changes);
    print_ratio(ratio, || by_hand(&mut Plain::default(), keys), || by_table(&mut empty(), keys));
    let (mut table, mut times, mut hashes) = (empty(), Times::default(), [0; BATCH]);
    for start in (0..keys.len()).step_by(BATCH) {
        let began = Instant::now();
        batch(&mut table, keys, start, &mut hashes);
        times.add(began.elapsed());
    }
    times.print(name);
    let data = table.len() * (K::BYTES + VALUE_BYTES);
    println!("memory {name} {:.2} bytes per byte of keys and values", table.size_bytes() as f64 / data as f64);
}

fn measure<K: Keys>(criterion: &mut Criterion) {
    let keys = if std::env::args().any(|argument| argument.starts_with("ratio")) { KEYS_RATIO } else { KEYS };
    let all = K::of(0..keys);
    let label = keys / 1_000_000;
    print_filling(&format!("state_access/{}/{label}M/filling", K::NAME), &all);
    let mut random = Random::default();
    for (name, draw) in [("uniform", uniform as fn(&mut Random, u64) -> u64), ("zipf", zipf)] {
        let name = format!("state_access/{}/{label}M/{name}", K::NAME);
        let mut plain = Plain::default();
        let mut table = Ours::<K::Key>::new(GroupRange::all(128), Tracking::Changes);
        by_hand(&mut plain, &all);
        by_table(&mut table, &all);
        let records = K::of((0..RECORDS).map(|_| draw(&mut random, keys)));
        let ratio = Ratio { name: &format!("{name}/access"), records: RECORDS, rounds: ROUNDS };
        print_ratio(ratio, || by_hand(&mut plain, &records), || by_table(&mut table, &records));
        print_checkpoints(&format!("{name}/checkpoints"), &mut table, &records);
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(RECORDS as u64)).sample_size(10);
        group.bench_function("hand", |bencher| bencher.iter(|| by_hand(&mut plain, &records)));
        group.bench_function("table", |bencher| bencher.iter(|| by_table(&mut table, &records)));
        group.finish();
    }
}

fn state_access(criterion: &mut Criterion) {
    measure::<Numbers>(criterion);
    measure::<Texts>(criterion);
}

criterion_group!(benches, state_access);
criterion_main!(benches);
