//! Tests of [`SpillTable`] beside a model, with budgets so small that nearly everything lies in files.

use std::{collections::BTreeMap, sync::Arc};

use millstream_core::key::{Key, mix};
use proptest::prelude::*;

use super::{Budget, Scratch, Spill, SpillTable, Workers};
use crate::{
    backend::{Backend, Checkpointed},
    conformance,
    groups::GroupRange,
    row::ByKey,
    snapshot::{Frozen, SnapshotKind},
    table::{Table, Tracking, Walked},
};

fn in_place() -> Workers {
    Arc::new(|work| work())
}

/// Work that is done when it is done, on threads of its own.
#[allow(clippy::disallowed_methods, reason = "there is no environment here")]
fn on_threads() -> Workers {
    Arc::new(|work| drop(std::thread::spawn(work)))
}

fn spill(bytes: usize, workers: Workers) -> Spill {
    Spill { scratch: Arc::new(Scratch::in_memory(workers)), budget: Budget::new(bytes), at_once: true }
}

type Numbers = SpillTable<ByKey<u64>, u64>;

fn numbers(spill: &Spill) -> Numbers {
    of(spill, Tracking::Changes)
}

fn of(spill: &Spill, tracking: Tracking) -> Numbers {
    spill.table(GroupRange::all(128), tracking)
}

fn hash(key: u64) -> u64 {
    <u64 as Key>::hash(key)
}

fn walk_all(table: &mut impl Checkpointed) -> Vec<Frozen> {
    let mut ranges = Vec::new();
    loop {
        match table.walk(100).expect("small rows are encoded") {
            Walked::More => {}
            Walked::Later => std::thread::yield_now(),
            Walked::Range(frozen) => ranges.push(frozen),
            Walked::Done => return ranges,
        }
    }
}

/// What a snapshot has: the value of each key, or that it was removed.
fn shown(ranges: &[Frozen]) -> BTreeMap<u64, Option<u64>> {
    let mut shown = BTreeMap::new();
    for range in ranges {
        for buffer in &range.removed {
            let keys = buffer.records::<u64>(0);
            shown.extend((0..buffer.len()).map(|i| (keys.get(i), None)));
        }
        for buffer in range.rows.iter().chain(&range.early) {
            let rows = buffer.records::<(u64, u64)>(0);
            shown.extend((0..buffer.len()).map(|i| (rows.get(i).0, Some(rows.get(i).1))));
        }
    }
    shown
}

#[test]
fn it_does_what_every_backend_must_with_next_to_nothing_in_memory() {
    conformance::check_steps(&spill(4 << 10, in_place()), 3);
}

#[test]
fn it_does_what_every_backend_must_with_some_in_memory_and_work_on_threads() {
    conformance::check_steps(&spill(64 << 10, on_threads()), 2);
}

#[test]
fn it_does_what_every_backend_must_with_everything_in_memory() {
    conformance::check_steps(&spill(1 << 30, in_place()), 2);
}

/// A step of a table.
#[derive(Debug, Clone)]
enum Op {
    Put(u64, u64),
    Change(u64, u64),
    Remove(u64),
    Look(u64),
    Freeze(bool),
    Walk(usize),
    Abandon,
    Clear,
    Restart,
    /// Looks whether it takes too much, which a table in memory does.
    Keep,
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0..400_u64;
    prop_oneof![
        40 => (key.clone(), any::<u64>()).prop_map(|(key, value)| Op::Put(key, value)),
        10 => (key.clone(), any::<u64>()).prop_map(|(key, value)| Op::Change(key, value)),
        15 => key.clone().prop_map(Op::Remove),
        15 => key.prop_map(Op::Look),
        3 => any::<bool>().prop_map(Op::Freeze),
        12 => (1..200_usize).prop_map(Op::Walk),
        1 => Just(Op::Abandon),
        1 => Just(Op::Clear),
        1 => Just(Op::Restart),
        2 => Just(Op::Keep),
    ]
}

/// The same snapshots and look-ups of a table in memory and of one that spills.
struct Pair {
    spill: Spill,
    tracking: Tracking,
    memory: Table<ByKey<u64>, u64>,
    spilled: Numbers,
    lost: bool,
    /// What a restore begins with: as the snapshots say, one after the other.
    stored: BTreeMap<u64, u64>,
    /// The same by the snapshots of the table in memory.
    wanted: BTreeMap<u64, u64>,
    /// What the running snapshot is, and has so far.
    running: Option<(SnapshotKind, Vec<Frozen>)>,
}

impl Pair {
    fn new(spill: Spill, tracking: Tracking) -> Self {
        let memory = Table::new(GroupRange::all(128), tracking);
        let spilled = of(&spill, tracking);
        Self {
            spill,
            tracking,
            memory,
            spilled,
            lost: false,
            stored: BTreeMap::new(),
            wanted: BTreeMap::new(),
            running: None,
        }
    }

    fn take(&mut self, op: &Op) {
        match *op {
            Op::Put(key, value) => {
                *self.memory.entry(hash(key), key, || 0) = value;
                *self.spilled.entry(hash(key), key, || 0) = value;
            }
            Op::Change(key, value) => {
                let (a, b) = (self.memory.get_mut(hash(key), key), self.spilled.get_mut(hash(key), key));
                assert_eq!(a, b);
                a.into_iter().chain(b).for_each(|place| *place = value);
            }
            Op::Remove(key) => assert_eq!(self.memory.remove(hash(key), key), self.spilled.remove(hash(key), key)),
            Op::Look(key) => {
                // What was got stays where it is while others are, too.
                let near: Vec<_> = (key..key + 3).map(|key| self.spilled.get(hash(key), key)).collect();
                let wanted: Vec<_> = (key..key + 3).map(|key| self.memory.get(hash(key), key)).collect();
                assert_eq!(near, wanted);
            }
            Op::Freeze(_) | Op::Walk(_) | Op::Abandon | Op::Restart if self.tracking == Tracking::None => {}
            Op::Freeze(full) => {
                let kind = if full || self.lost { SnapshotKind::Full } else { SnapshotKind::Delta };
                if self.running.is_some() && kind == SnapshotKind::Delta {
                    return;
                }
                self.memory.freeze(kind);
                self.spilled.freeze(kind);
                (self.running, self.lost) = (Some((kind, Vec::new())), false);
            }
            Op::Walk(rows) => self.walk(rows),
            Op::Abandon => {
                self.memory.abandon();
                self.spilled.abandon();
                self.lost |= self.running.take().is_some();
            }
            Op::Clear => {
                self.memory.clear();
                self.spilled.clear();
            }
            Op::Restart => self.restart(),
            Op::Keep => _ = self.spilled.keep_within_budget(),
        }
        assert_eq!((self.memory.len(), self.memory.is_frozen()), (self.spilled.len(), self.spilled.is_frozen()));
    }

    fn walk(&mut self, rows: usize) {
        let Some((kind, ranges)) = &mut self.running else { return };
        match self.spilled.walk(rows).expect("small rows are encoded") {
            Walked::More | Walked::Later => {}
            Walked::Range(frozen) => ranges.push(frozen),
            Walked::Done => {
                let of_memory = shown(&walk_all(&mut self.memory));
                let spilled = shown(ranges);
                if *kind == SnapshotKind::Full {
                    assert_eq!(of_memory, spilled);
                    self.stored.clear();
                    self.wanted.clear();
                }
                // It may tell of more than has changed, but not of fewer, and of nothing that is not so.
                for (stored, shown) in [(&mut self.stored, &spilled), (&mut self.wanted, &of_memory)] {
                    for (key, value) in shown {
                        match value {
                            Some(value) => _ = stored.insert(*key, *value),
                            None => _ = stored.remove(key),
                        }
                    }
                }
                assert_eq!(self.stored, self.wanted);
                assert!(of_memory.keys().all(|key| spilled.contains_key(key)), "it has all that has changed");
                self.running = None;
            }
        }
    }

    /// As after a failure: from what was stored. Half of it comes as a full snapshot, the rest as a delta that also has other values of the first half.
    fn restart(&mut self) {
        let (stored, spill) = (std::mem::take(&mut self.stored), self.spill.clone());
        *self = Self::new(spill, self.tracking);
        let mut rows: Vec<_> = stored.iter().map(|(key, value)| (hash(*key), *key, *value)).collect();
        rows.sort_unstable();
        let half = rows.len() / 2;
        for (i, (hash, key, value)) in
            rows[..half].iter().map(|row| (row.0, row.1, !row.2)).chain(rows.iter().copied()).enumerate()
        {
            assert_eq!(self.memory.restore_row(hash, key, value), self.spilled.restore_row(hash, key, value));
            if i == half / 2 {
                self.spilled.keep_within_budget();
            }
        }
        (self.wanted, self.stored) = (stored.clone(), stored);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_a_table_in_memory_does(
        ops in proptest::collection::vec(op(), 1..1_500),
        table_bytes in prop_oneof![Just(1_usize), Just(4 << 10), Just(16 << 10)],
        threads in any::<bool>(),
        at_once in any::<bool>(),
        tracked in any::<bool>(),
    ) {
        let spill = spill(table_bytes, if threads { on_threads() } else { in_place() });
        let tracking = if tracked { Tracking::Changes } else { Tracking::None };
        let mut pair = Pair::new(Spill { at_once, ..spill }, tracking);
        ops.iter().for_each(|op| pair.take(op));
        let mut rows = BTreeMap::new();
        pair.spilled.for_each(|key, value| assert_eq!(rows.insert(*key, *value), None, "each row is shown once"));
        prop_assert_eq!(rows, pair.memory.iter().map(|(key, value)| (*key, *value)).collect::<BTreeMap<_, _>>());
    }
}

#[test]
fn state_in_memory_goes_to_files_when_the_budget_is_used_up_and_others_get_what_a_small_one_leaves() {
    let spill = Spill { at_once: false, ..spill(2 << 20, in_place()) };
    // With snapshots and without.
    let mut small = numbers(&spill);
    let mut large = of(&spill, Tracking::None);
    let mut spilled = 0;
    for key in 0..200_000 {
        // Some are written when they have been in files already.
        *large.entry(hash(key), key, || 0) = key;
        *large.entry(hash(key / 3), key / 3, || 0) = key / 3;
        if key < 100 {
            *small.entry(hash(key), key, || 0) = key;
        }
        if key % 1_000 == 0 {
            spilled += u32::from(!large.is_spilled() && large.keep_within_budget());
            large.keep_within_budget();
            assert!(!small.keep_within_budget());
            assert!(large.is_spilled() || large.size_bytes() < 2 << 20);
        }
    }
    assert_eq!((spilled, large.is_spilled(), small.is_spilled()), (1, true, false));
    let used = spill.budget.used_bytes();
    assert!((1 << 20..5 << 19).contains(&used), "{used} bytes are used of {}", spill.budget.limit_bytes());
    assert!((0..200_000).all(|key| large.get_mut(hash(key), key) == Some(&mut { key })));
    drop((small, large));
    assert_eq!(spill.budget.used_bytes(), 0);
}

#[test]
fn memory_stays_near_the_budget_and_files_within_twice_their_rows() {
    const KEYS: u64 = 120_000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let budget = Budget::new(4 << 20);
    let scratch = Scratch::directory(folder.path(), in_place()).expect("a folder for files");
    let spill = Spill { scratch: Arc::new(scratch), budget: Arc::clone(&budget), at_once: true };
    let mut table: SpillTable<ByKey<u64>, [u8; 64]> = spill.table(GroupRange::all(128), Tracking::None);
    let usage = spill.scratch.usage();
    for i in 0..3 * KEYS {
        let key = mix(i) % KEYS;
        *table.entry(hash(key), key, || [0; 64]) = [i as u8; 64];
        if i.is_multiple_of(1_000) {
            let (bytes, limit) = (table.size_bytes(), budget.limit_bytes());
            assert!(bytes < limit * 5 / 4, "{bytes} bytes of {limit}");
        }
        if i.is_multiple_of(10_000) && i > KEYS {
            // What a row takes as it is encoded, with its places in a page.
            let (taken, rows) = (usage.file_bytes(), table.len() as u64 * (8 + 8 + 1 + 64 + 8));
            assert!(taken < 2 * rows, "{taken} bytes for {rows}");
        }
    }
    assert!(table.len() > 110_000);
    drop(table);
    assert_eq!(usage.file_bytes(), 0, "files go with their table");
}

#[test]
fn a_table_that_fits_reads_and_writes_no_file() {
    let spill = spill(64 << 20, in_place());
    let mut table = numbers(&spill);
    for key in 0..100_000 {
        *table.entry(hash(key), key, || 0) += 1;
        assert_eq!(table.get(hash(key + 1_000_000), key + 1_000_000), None);
    }
    let usage = spill.scratch.usage();
    assert_eq!((usage.written_bytes(), usage.lookups(), table.len()), (0, 0, 100_000));
}

#[test]
fn files_lie_in_a_folder_that_goes_with_them_and_what_the_dead_left_is_removed() {
    #![allow(clippy::disallowed_methods, reason = "it looks at what is in a folder")]
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dead = folder.path().join("millstream-state-1-0");
    std::fs::create_dir_all(&dead).expect("a folder is created");
    std::fs::write(dead.join("lock"), "").expect("a file is written");
    std::fs::write(dead.join("00000000.redb"), "of no use").expect("a file is written");
    let other = folder.path().join("not-ours");
    std::fs::create_dir(&other).expect("a folder is created");
    let scratch = Arc::new(Scratch::directory(folder.path(), in_place()).expect("a folder for files"));
    let second = Scratch::directory(folder.path(), in_place()).expect("the first is not in its way");
    assert!(!dead.exists() && other.exists());
    let spill = Spill { scratch, budget: Budget::new(4 << 10), at_once: true };
    let mut table = numbers(&spill);
    (0..10_000).for_each(|key| *table.entry(hash(key), key, || 0) = key);
    assert!((0..10_000).all(|key| table.get(hash(key), key) == Some(&key)));
    assert!(spill.scratch.usage().file_bytes() > 0);
    drop((table, spill, second));
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("a folder").flatten().map(|file| file.path()).collect();
    assert_eq!(left, [other]);
}

#[test]
#[should_panic(expected = "a full snapshot follows")]
fn a_delta_cannot_follow_a_snapshot_that_was_given_up() {
    let mut table = numbers(&spill(4 << 10, in_place()));
    *table.entry(hash(1), 1, || 0) = 1;
    table.freeze(SnapshotKind::Full);
    table.abandon();
    table.freeze(SnapshotKind::Delta);
}
