//! Tests of tables: what is not the same for every backend, so not in the conformance suite.

use std::collections::BTreeMap;

use millstream_core::key::{Key, mix};

use super::*;
use crate::{
    row::ByKey,
    snapshot::{Frozen, SnapshotKind},
};

type Numbers = Table<ByKey<u64>, u64>;

fn table() -> Numbers {
    Table::new(GroupRange::all(128), Tracking::Changes)
}

fn hash(key: u64) -> u64 {
    <u64 as Key>::hash(key)
}

fn put(table: &mut Numbers, key: u64, value: u64) {
    *table.entry(hash(key), key, || 0) = value;
}

fn walk_all(table: &mut Numbers) -> Vec<Frozen> {
    let mut ranges = Vec::new();
    loop {
        match table.walk(100).expect("small rows are encoded") {
            Walked::More | Walked::Later => {}
            Walked::Range(frozen) => ranges.push(frozen),
            Walked::Done => return ranges,
        }
    }
}

fn rows(ranges: &[Frozen]) -> BTreeMap<u64, u64> {
    let buffers = ranges.iter().flat_map(|range| range.rows.iter().chain(&range.early));
    buffers.flat_map(|buffer| buffer.records::<(u64, u64)>(0).map(|(row, _)| row)).collect()
}

fn removed(ranges: &[Frozen]) -> Vec<u64> {
    let buffers = ranges.iter().flat_map(|range| &range.removed);
    let mut keys: Vec<_> = buffers.flat_map(|buffer| buffer.records::<u64>(0).map(|(key, _)| key)).collect();
    keys.sort();
    keys
}

/// The hashes of rows.
fn hashes(rows: &[Buffer]) -> impl Iterator<Item = u64> {
    rows.iter().flat_map(|buffer| {
        let records = buffer.records::<(u64, u64)>(0);
        (0..buffer.len()).map(move |i| ByKey::<u64>::hash(records.get(i).0))
    })
}

/// The hashes of what a range has of its own, rows and removed keys alike.
fn own_hashes(range: &Frozen) -> impl Iterator<Item = u64> {
    let removed = range.removed.iter().flat_map(|buffer| {
        let records = buffer.records::<u64>(0);
        (0..buffer.len()).map(move |i| ByKey::<u64>::hash(records.get(i)))
    });
    hashes(&range.rows).chain(removed)
}

fn assert_in_order(ranges: &[Frozen]) {
    let mut before = None;
    for range in ranges {
        let last = Some(range.last);
        assert!(own_hashes(range).map(Some).all(|hash| before < hash && hash <= last), "ranges keep their bounds");
        assert!(hashes(&range.early).map(Some).all(|hash| before < hash), "and nothing comes late");
        before = last;
    }
}

#[test]
fn a_large_table_splits_and_keeps_its_rows_in_the_order_of_hashes() {
    let mut table = table();
    let count = 3 * growth::SHARD_ROWS as u64;
    (0..count).for_each(|key| put(&mut table, key, key * 2));
    assert_eq!(table.len(), count as usize);
    assert!(table.shards.len() >= 4);
    assert!((0..count).all(|key| table.get(hash(key), key) == Some(&(key * 2))));
    let mut last = 0;
    for shard in table.in_order() {
        let rows = table.shards[shard].rows.table.iter().map(|(key, _)| hash(*key));
        let (min, max) = rows.fold((u64::MAX, 0), |(min, max), hash| (min.min(hash), max.max(hash)));
        assert!(last <= min);
        last = max;
    }
    table.freeze(SnapshotKind::Full);
    let ranges = walk_all(&mut table);
    assert_eq!(ranges.len(), table.shards.len());
    assert_in_order(&ranges);
    assert_eq!(rows(&ranges), (0..count).map(|key| (key, key * 2)).collect());
}

#[test]
fn a_shard_that_splits_while_it_is_frozen_loses_nothing() {
    let mut table = table();
    let (before, after) = (growth::SHARD_ROWS as u64 - 10, 2 * growth::SHARD_ROWS as u64);
    (0..before).for_each(|key| put(&mut table, key, 1));
    table.freeze(SnapshotKind::Full);
    assert!(matches!(table.walk(1_000), Ok(Walked::More)));
    (0..after).for_each(|key| put(&mut table, key, 2));
    table.remove(hash(3), 3);
    assert!(table.shards.len() > 2);
    let ranges = walk_all(&mut table);
    assert_in_order(&ranges);
    assert_eq!(rows(&ranges), (0..before).map(|key| (key, 1)).collect());
    table.freeze(SnapshotKind::Delta);
    let ranges = walk_all(&mut table);
    assert_in_order(&ranges);
    assert_eq!(rows(&ranges), (0..after).filter(|key| *key != 3).map(|key| (key, 2)).collect());
    assert_eq!(removed(&ranges), [3]);
}

#[test]
fn the_walker_keeps_its_place_when_the_directory_doubles() {
    let mut table = table();
    let before = 2 * growth::SHARD_ROWS as u64 - 10_000;
    (0..before).for_each(|key| put(&mut table, key, 1));
    assert_eq!(table.directory.slots(), 2);
    table.freeze(SnapshotKind::Full);
    let mut ranges = Vec::new();
    while ranges.is_empty() {
        if let Walked::Range(frozen) = table.walk(10_000).expect("small rows are encoded") {
            ranges.push(frozen);
        }
    }
    assert!(matches!(table.walk(10_000), Ok(Walked::More)));
    let upper = (before..).filter(|key| hash(*key) >> 63 == 1).take(20_000);
    upper.for_each(|key| put(&mut table, key, 1)); // so that it is the upper shard that splits
    assert_eq!((table.directory.slots(), table.shards.len()), (4, 3));
    ranges.extend(walk_all(&mut table));
    assert_eq!(ranges.len(), 2);
    assert_in_order(&ranges);
    assert_eq!(rows(&ranges), (0..before).map(|key| (key, 1)).collect());
}

#[test]
fn removed_keys_follow_their_rows_when_a_shard_splits() {
    let mut table = table();
    let count = growth::SHARD_ROWS as u64 - 10;
    (0..count).for_each(|key| put(&mut table, key, 1));
    table.freeze(SnapshotKind::Full);
    walk_all(&mut table);
    (0..1_000).for_each(|key| assert_eq!(table.remove(hash(key), key), Some(1)));
    (count..2 * count).for_each(|key| put(&mut table, key, 1));
    assert!(table.shards.len() > 1);
    table.freeze(SnapshotKind::Delta);
    let ranges = walk_all(&mut table);
    assert_in_order(&ranges);
    assert_eq!(removed(&ranges), (0..1_000).collect::<Vec<_>>());
}

#[test]
fn a_row_that_no_snapshot_saw_leaves_no_tombstone() {
    let mut table = table();
    put(&mut table, 1, 1);
    table.freeze(SnapshotKind::Full);
    walk_all(&mut table);
    for key in 0..100 {
        put(&mut table, key, 7);
        table.remove(hash(key), key);
        put(&mut table, key, 8);
        table.remove(hash(key), key);
    }
    table.freeze(SnapshotKind::Delta);
    assert_eq!(removed(&walk_all(&mut table)), [1]);
}

#[test]
fn a_full_snapshot_may_follow_one_that_was_not_walked_to_its_end() {
    let mut table = table();
    (0..1_000).for_each(|key| put(&mut table, key, 1));
    table.freeze(SnapshotKind::Full);
    assert!(matches!(table.walk(100), Ok(Walked::More)));
    (0..500).for_each(|key| put(&mut table, key, 2));
    table.freeze(SnapshotKind::Full);
    assert_eq!(rows(&walk_all(&mut table)), (0..1_000).map(|key| (key, if key < 500 { 2 } else { 1 })).collect());
    table.freeze(SnapshotKind::Delta);
    table.abandon();
    assert!(!table.is_frozen());
    put(&mut table, 5, 5);
    table.freeze(SnapshotKind::Full);
    assert_eq!(rows(&walk_all(&mut table)).len(), 1_000);
}

#[test]
#[should_panic(expected = "a full snapshot follows")]
fn a_delta_cannot_follow_a_snapshot_that_was_given_up() {
    let mut table = table();
    put(&mut table, 1, 1);
    table.freeze(SnapshotKind::Full);
    table.abandon();
    table.freeze(SnapshotKind::Delta);
}

#[test]
fn a_frozen_table_that_fires_gives_away_what_the_snapshot_has_of_it() {
    for walked in [0, 1, 3] {
        let mut table = table();
        let count = 3 * growth::SHARD_ROWS as u64;
        (0..count).for_each(|key| put(&mut table, key, 1));
        table.freeze(SnapshotKind::Full);
        let mut ranges = Vec::new();
        while ranges.len() < walked {
            if let Walked::Range(frozen) = table.walk(usize::MAX).expect("small rows are encoded") {
                ranges.push(frozen);
            }
        }
        (0..1_000).for_each(|key| put(&mut table, key, 2));
        let mut drain = table.drain();
        let given: BTreeMap<_, _> = drain.by_ref().take(200_000).collect();
        assert!(given.iter().all(|(key, value)| *value == if *key < 1_000 { 2 } else { 1 }));
        ranges.extend(drain.finish().expect("small rows are encoded"));
        assert_in_order(&ranges);
        assert_eq!(rows(&ranges), (0..count).map(|key| (key, 1)).collect());
    }
}

#[test]
fn a_table_whose_rows_are_taken_one_by_one_is_still_frozen_as_it_was() {
    let mut cursor = Cursor::default();
    let mut take = |table: &mut Numbers, rows: usize| -> BTreeMap<u64, u64> {
        let next = |_| {
            table.row_at(&mut cursor)?;
            // What it was is what a snapshot has of it that was frozen before.
            *table.value_at(&cursor)? += 1;
            table.take_at(&cursor)
        };
        (0..rows).map_while(next).collect()
    };
    let mut table = table();
    let count = 3 * growth::SHARD_ROWS as u64;
    (0..count).for_each(|key| put(&mut table, key, 1));
    let bytes = table.size_bytes();
    let mut given = take(&mut table, 10_000);
    table.freeze(SnapshotKind::Full);
    let mut ranges = Vec::new();
    while ranges.is_empty() {
        if let Walked::Range(frozen) = table.walk(usize::MAX).expect("small rows are encoded") {
            ranges.push(frozen);
        }
    }
    let behind = take(&mut table, 70_000);
    ranges.extend(walk_all(&mut table));
    assert_in_order(&ranges);
    assert_eq!(rows(&ranges), (0..count).filter(|key| !given.contains_key(key)).map(|key| (key, 1)).collect());
    table.freeze(SnapshotKind::Delta);
    let delta = walk_all(&mut table);
    assert_eq!((rows(&delta), removed(&delta)), (BTreeMap::new(), behind.keys().copied().collect()));
    given.extend(behind);
    given.extend(take(&mut table, usize::MAX));
    assert_eq!(given, (0..count).map(|key| (key, 2)).collect());
    assert!(table.is_empty() && table.size_bytes() < bytes / 4, "only the keys stay that the next delta tells");
}

#[test]
fn what_a_scan_has_shown_is_told_by_the_hash() {
    for (range, count) in [(GroupRange::all(128), 100), (GroupRange::owned_by(1, 3, 128), 200_000)] {
        let mut table = Numbers::new(range, Tracking::None);
        (0..count).filter(|key| range.holds(hash(*key))).for_each(|key| put(&mut table, key, 1));
        let mut cursor = Cursor::default();
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let (shown, others) = table.shown(&cursor);
            assert!(others.len() < 100, "few rows lie elsewhere, and not {}", others.len());
            for key in table.iter().map(|(key, _)| key) {
                assert_eq!(shown.has(hash(*key)) != others.contains(&key), seen.contains(key));
            }
            let mut left = count / 7 + 1;
            let more = table.scan(&mut cursor, |key, _| {
                left -= 1;
                seen.insert(*key) && left == 0
            });
            if !more {
                break;
            }
        }
        assert_eq!(seen.len(), table.len());
    }
}

#[test]
fn a_table_becomes_small_again() {
    let mut table = table();
    (0..100_000).for_each(|key| put(&mut table, key, 1));
    let large = table.size_bytes();
    (10..100_000).for_each(|key| assert_eq!(table.remove(hash(key), key), Some(1)));
    assert_eq!(table.len(), 10);
    assert!(table.size_bytes() * 100 < large);
    assert_eq!(table.iter().count(), 10);
    table.clear();
    assert!(table.is_empty() && table.get(hash(1), 1).is_none());
}

#[test]
fn keys_that_come_and_go_do_not_make_a_table_grow() {
    let mut table = table();
    for key in 0..400_000 {
        put(&mut table, key, 1);
        if key >= 1_000 {
            table.remove(hash(key - 1_000), key - 1_000);
        }
    }
    assert_eq!(table.len(), 1_000);
    assert!(table.shards[0].rows.table.num_buckets() <= 4_096);
}

#[test]
fn rows_whose_hashes_begin_alike_share_a_shard_that_grows() {
    struct Alike;
    impl RowKey for Alike {
        type Key = u64;
        fn hash(key: u64) -> u64 {
            (0xabcd_ef01 << 32) | (mix(key) >> 32)
        }
        fn same(a: u64, b: u64) -> bool {
            a == b
        }
        fn compare(a: u64, b: u64) -> std::cmp::Ordering {
            a.cmp(&b)
        }
    }
    let mut table = Table::<Alike, ()>::new(GroupRange::all(128), Tracking::None);
    let count = 2 * growth::SHARD_ROWS as u64;
    for key in 0..count {
        table.entry(Alike::hash(key), key, || ());
    }
    assert_eq!((table.shards.len(), table.len()), (1, count as usize));
}

#[test]
fn a_narrow_range_uses_its_directory_like_a_wide_one() {
    for (parallelism, of) in [(1, 1), (1, 128), (3, 128), (128, 128), (7, 1_000), (16_383, 32_768), (32_768, 32_768)] {
        for subtask in [0, parallelism / 2, parallelism - 1] {
            let range = GroupRange::owned_by(subtask, parallelism, of);
            let mut directory = Directory::new(range);
            directory.begin();
            for _ in 0..3 {
                let mut slot = 0;
                let depth = directory.slots().trailing_zeros();
                while slot < directory.slots() {
                    directory.split(slot, depth, slot);
                    slot += directory.slots_of(depth);
                }
            }
            assert_eq!(directory.slots(), 8);
            let first = |group: u32| (u64::from(group) << 32).div_ceil(u64::from(of));
            let (start, end) = (first(range.start), first(range.end));
            assert!(range.holds(start << 32) && range.holds(((end - 1) << 32) | 0xffff_ffff));
            assert_eq!(directory.slot(start << 32), 0);
            let last = directory.slot(((end - 1) << 32) | 0xffff_ffff);
            assert!((4..8).contains(&last), "at least half of the slots are in use");
            let step = ((end - start) << 32 >> 10).max(1);
            let slots: Vec<_> = (0..1_023).map(|i| directory.slot((start << 32) + i * step)).collect();
            assert!(slots.is_sorted());
        }
    }
}

#[test]
fn room_is_made_in_advance() {
    for rows in [0, 100, 1_000_000] {
        let mut table = Table::<ByKey<u64>, u64>::new(GroupRange::owned_by(1, 3, 128), Tracking::Changes);
        table.reserve(rows);
        let (shards, bytes) = (table.shards.len(), table.row_bytes);
        let keys = (0..).filter(|key| table.range().holds(hash(*key))).take(rows).collect::<Vec<_>>();
        keys.iter().for_each(|key| put(&mut table, *key, 1));
        assert_eq!((table.shards.len(), table.row_bytes), (shards, bytes));
        table.reserve(rows);
        assert!(keys.iter().all(|key| table.get(hash(*key), *key) == Some(&1)));
    }
}

#[test]
fn what_strings_own_is_counted() {
    let mut table = Table::<ByKey<String>, String>::new(GroupRange::all(128), Tracking::None);
    for i in 0..10_000 {
        let key = format!("the key with number {i:010}");
        let value = table.entry(<String as Key>::hash(&key), &key, String::new);
        *value = "x".repeat(100);
    }
    let owned = 10_000 * (30 + 100);
    assert!((owned..2 * owned).contains(&(table.size_bytes() - table.row_bytes)));
}

#[test]
fn a_delta_is_estimated() {
    let mut table = table();
    (0..300_000).for_each(|key| put(&mut table, key, 1));
    assert!(table.dirty_share() > 0.99);
    table.freeze(SnapshotKind::Full);
    walk_all(&mut table);
    assert_eq!(table.dirty_share(), 0.0);
    (0..60_000).for_each(|key| put(&mut table, key, 1));
    assert!((0.18..0.22).contains(&table.dirty_share()));
    (60_000..90_000).for_each(|key| assert!(table.remove(hash(key), key).is_some()));
    assert!((0.28..0.37).contains(&table.dirty_share()));
}

#[test]
fn a_table_is_restored_from_buffers() {
    let mut table = table();
    (0..300_000).for_each(|key| put(&mut table, key, 1));
    table.freeze(SnapshotKind::Full);
    let full = walk_all(&mut table);
    (0..100).for_each(|key| put(&mut table, key, 2));
    (100..200).for_each(|key| assert!(table.remove(hash(key), key).is_some()));
    table.freeze(SnapshotKind::Delta);
    let delta = walk_all(&mut table);
    let range = GroupRange::owned_by(1, 3, 128);
    let mut restored = Table::<ByKey<u64>, u64>::new(range, Tracking::Changes);
    for frozen in full.iter().chain(&delta) {
        frozen.removed.iter().for_each(|buffer| restored.restore_removals(buffer));
        frozen.rows.iter().chain(&frozen.early).for_each(|buffer| restored.restore_rows(buffer));
    }
    let wanted = table.iter().filter(|(key, _)| range.holds(hash(**key))).collect::<BTreeMap<_, _>>();
    assert_eq!(restored.iter().collect::<BTreeMap<_, _>>(), wanted);
    restored.freeze(SnapshotKind::Delta);
    assert!(walk_all(&mut restored).is_empty());
}

#[test]
fn a_row_too_large_to_be_encoded_fails_the_snapshot() {
    let mut table = Table::<ByKey<u64>, Vec<()>>::new(GroupRange::all(128), Tracking::Changes);
    table.entry(hash(1), 1, || vec![(); (1 << 30) + 1]);
    table.freeze(SnapshotKind::Full);
    table.walk(10).expect_err("the list has too many elements");
    assert!(!table.is_frozen());
    table.entry(hash(1), 1, Vec::new).clear();
    table.freeze(SnapshotKind::Full);
    assert!(matches!(table.walk(10), Ok(Walked::Range(_))));
}

#[test]
fn a_sweep_removes_what_is_over_in_steps_and_a_delta_tells_of_it() {
    const ROWS: u64 = 3_000;
    const STEP: usize = 100;
    let mut table = table();
    (0..ROWS).for_each(|key| put(&mut table, key, key % 3));
    table.freeze(SnapshotKind::Full);
    walk_all(&mut table);
    let (mut cursor, mut gone) = (Cursor::default(), Vec::new());
    for _ in 0..=ROWS as usize / STEP {
        let before = gone.len();
        table.sweep(&mut cursor, STEP, |value| *value == 0, |key| gone.push(key));
        assert!(gone.len() <= before + STEP, "a step is bounded");
    }
    gone.sort_unstable();
    let expected: Vec<_> = (0..ROWS).filter(|key| key % 3 == 0).collect();
    assert_eq!(gone, expected);
    assert_eq!(table.len() as u64, ROWS - ROWS / 3);
    table.freeze(SnapshotKind::Delta);
    assert_eq!(removed(&walk_all(&mut table)), expected);
    // It begins anew.
    put(&mut table, 1, 0);
    (0..=ROWS as usize / STEP).for_each(|_| table.sweep(&mut cursor, STEP, |value| *value == 0, |key| gone.push(key)));
    assert_eq!(gone.last(), Some(&1));
}
