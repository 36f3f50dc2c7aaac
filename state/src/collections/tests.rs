//! Tests of collections, against standard collections as models.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use millstream_core::{
    key::{Key, mix},
    time::Timestamp,
};

use super::{
    sorted::{self, Sorted},
    *,
};
use std::sync::Arc;

use crate::{
    backend::Checkpointed,
    groups::GroupRange,
    snapshot::{Frozen, SnapshotKind},
    spill::{Budget, Scratch, Spill},
    table::{Tracking, Walked},
};

/// Numbers that look random (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

const RANGE: GroupRange = GroupRange { start: 0, end: 128, of: 128 };

/// In memory, and with next to nothing there.
fn places() -> [Option<Spill>; 2] {
    let scratch = Arc::new(Scratch::in_memory(Arc::new(|work| work())));
    [None, Some(Spill { scratch, budget: Budget::new(16 << 10), at_once: true })]
}

fn hash(key: &str) -> u64 {
    String::hash(key)
}

fn snapshot(state: &mut impl Checkpointed, kind: SnapshotKind) -> Vec<Frozen> {
    state.freeze(kind);
    let mut ranges = Vec::new();
    loop {
        match state.walk(10).expect("small rows are encoded") {
            Walked::More | Walked::Later => {}
            Walked::Range(frozen) => ranges.push(frozen),
            Walked::Done => return ranges,
        }
    }
}

fn restore<S: Checkpointed>(mut state: S, segments: &[Vec<Frozen>]) -> S {
    for ranges in segments {
        ranges.iter().flat_map(|range| &range.removed).for_each(|buffer| state.restore_removals(buffer));
        let rows = ranges.iter().flat_map(|range| range.rows.iter().chain(&range.early));
        rows.for_each(|buffer| state.restore_rows(buffer));
    }
    state
}

/// A full snapshot and deltas, in turn with changes.
fn segments<S: Checkpointed>(state: &mut S, mut change: impl FnMut(&mut S)) -> Vec<Vec<Frozen>> {
    let mut kind = SnapshotKind::Full;
    let mut segments = Vec::new();
    for _ in 0..4 {
        change(state);
        segments.push(snapshot(state, kind));
        kind = SnapshotKind::Delta;
    }
    segments
}

type Map = MapRows<String, i32, String>;
type MapModel = BTreeMap<String, BTreeMap<i32, String>>;

fn change_map(map: &mut Map, model: &mut MapModel, random: &mut Random) {
    let (key, entry) = (format!("key {}", random.below(5)), random.below(1_000) as i32 - 500);
    let of = model.entry(key.clone()).or_default();
    match random.below(100) {
        0..70 => {
            let value = format!("value {}", random.below(1_000));
            *map.entry(hash(&key), &key, entry, String::new) = value.clone();
            of.insert(entry, value);
        }
        70..85 => {
            let entry = of.keys().next().copied().unwrap_or(entry);
            assert_eq!(map.remove(hash(&key), &key, entry), of.remove(&entry));
        }
        85..99 => {
            if let Some(value) = map.get_mut(hash(&key), &key, entry) {
                value.push('!');
                of.get_mut(&entry).expect("the model has it, too").push('!');
            }
        }
        _ => {
            map.clear(hash(&key), &key);
            of.clear();
        }
    }
}

fn assert_map(map: &Map, model: &MapModel) {
    assert_eq!(map.len(), model.values().map(BTreeMap::len).sum::<usize>());
    for (key, of) in model {
        let hash = hash(key);
        let entries = map.iter(hash, key).map(|(entry, value)| (entry, value.clone())).collect::<Vec<_>>();
        assert_eq!(entries, of.clone().into_iter().collect::<Vec<_>>());
        assert_eq!((map.len_of(hash, key), map.is_empty_of(hash, key)), (of.len(), of.is_empty()));
        assert!(of.iter().all(|(entry, value)| map.get(hash, key, *entry) == Some(value)));
        let range = map.range(hash, key, Bound::Excluded(-100), Bound::Included(100)).map(|(entry, _)| entry);
        assert!(range.eq(of.range((Bound::Excluded(-100), Bound::Included(100))).map(|(entry, _)| *entry)));
    }
}

#[test]
fn maps_are_as_their_model_and_restored_so() {
    for (from, to) in [(0, 0), (1, 1), (0, 1), (1, 0)] {
        let (places, mut random, mut model) = (places(), Random(1), MapModel::new());
        let mut map = Map::new(RANGE, Tracking::Changes, places[from].as_ref());
        let segments = segments(&mut map, |map| {
            (0..2_000).for_each(|_| change_map(map, &mut model, &mut random));
            assert_map(map, &model);
            map.release();
        });
        let mut restored = restore(Map::new(RANGE, Tracking::Changes, places[to].as_ref()), &segments);
        assert_map(&restored, &model);
        for _ in 0..2_000 {
            change_map(&mut restored, &mut model, &mut random);
        }
        assert_map(&restored, &model);
    }
}

#[test]
fn sorted_chunks_are_as_a_set() {
    for (seed, limit, removed) in [(1, 100, 50), (2, 10_000, 40), (3, 5_000, 60), (4, 100_000, 5)] {
        let (mut random, mut model) = (Random(seed), BTreeSet::new());
        let mut sorted = Sorted::<i64>::new();
        for step in 0..20_000 {
            let key = random.below(limit) as i64;
            if random.below(100) < removed {
                sorted::remove(&mut sorted, key);
                model.remove(&key);
            } else {
                sorted::insert(&mut sorted, key);
                model.insert(key);
            }
            if step % 100 == 0 {
                let (a, b) = (random.below(limit) as i64, random.below(limit) as i64);
                for (lower, upper) in [
                    (Bound::Unbounded, Bound::Excluded(b)),
                    (Bound::Included(a), Bound::Unbounded),
                    (Bound::Included(a.min(b)), Bound::Included(b.max(a))),
                    (Bound::Excluded(a.min(b)), Bound::Excluded(b.max(a) + 1)),
                ] {
                    let found = sorted::range(&sorted, lower, upper);
                    assert!(found.eq(model.range((lower, upper))));
                    let back = sorted::range(&sorted, lower, upper).rev();
                    assert!(back.eq(model.range((lower, upper)).rev()));
                }
                assert_eq!(sorted::range(&sorted, Bound::Excluded(a), Bound::Excluded(a)).count(), 0);
                assert_eq!(sorted::range(&sorted, Bound::Included(a.max(b) + 1), Bound::Included(a.min(b))).count(), 0);
            }
        }
        assert!(sorted.iter().all(|chunk| !chunk.is_empty()));
        assert!(sorted.iter().flatten().eq(&model));
        let all = model.into_iter().collect::<Vec<_>>();
        all.into_iter().for_each(|key| sorted::remove(&mut sorted, key));
        assert!(sorted.is_empty());
    }
}

type List = ListRows<u64, Vec<u32>>;

fn assert_list(list: &List, model: &BTreeMap<u64, Vec<Vec<u32>>>) {
    assert_eq!(list.len(), model.values().map(Vec::len).sum::<usize>());
    for (key, of) in model {
        let hash = u64::hash(*key);
        assert!(list.iter(hash, *key).eq(of));
        assert_eq!((list.len_of(hash, *key), list.is_empty_of(hash, *key)), (of.len() as u64, of.is_empty()));
        assert_eq!(list.get(hash, *key, of.len() as u64), None);
    }
}

#[test]
fn lists_are_as_their_model_and_restored_so() {
    [(0, 0), (1, 1), (0, 1), (1, 0)].into_iter().for_each(|(from, to)| check_lists(from, to));
}

fn check_lists(from: usize, to: usize) {
    let places = places();
    let (mut random, mut model) = (Random(1), BTreeMap::<u64, Vec<Vec<u32>>>::new());
    let mut list = List::new(RANGE, Tracking::Changes, places[from].as_ref());
    let mut element = {
        let mut random = Random(7);
        move || (0..random.below(4)).map(|_| random.below(100) as u32).collect::<Vec<_>>()
    };
    let mut change = |list: &mut List, model: &mut BTreeMap<u64, Vec<Vec<u32>>>| {
        let key = random.below(20);
        let (hash, of) = (u64::hash(key), model.entry(key).or_default());
        match random.below(100) {
            0..80 => {
                of.push(element());
                list.push(hash, key, of[of.len() - 1].clone());
            }
            80..90 => {
                *of = (0..random.below(30)).map(|_| element()).collect();
                list.replace(hash, key, of.iter().cloned());
            }
            90..98 => {
                let position = random.below(30);
                if let Some(place) = list.get_mut(hash, key, position) {
                    *place = element();
                    of[position as usize] = place.clone();
                }
            }
            _ => {
                list.clear(hash, key);
                of.clear();
            }
        }
    };
    let segments = segments(&mut list, |list| {
        (0..1_000).for_each(|_| change(list, &mut model));
        assert_list(list, &model);
    });
    let mut restored = restore(List::new(RANGE, Tracking::Changes, places[to].as_ref()), &segments);
    assert_list(&restored, &model);
    (0..1_000).for_each(|_| change(&mut restored, &mut model));
    assert_list(&restored, &model);
}

type TimerModel = BTreeSet<(u8, Timestamp, u64, String)>;

fn row_of(key: &str, domain: TimerDomain, at: Timestamp) -> (u8, Timestamp, u64, String) {
    let tag = u8::from(domain == TimerDomain::ProcessingTime);
    (tag, at, crate::row::entry_hash(hash(key), <(u8, Timestamp)>::hash((tag, at))), key.to_owned())
}

fn change_timers(timers: &mut Timers<String>, model: &mut TimerModel, random: &mut Random) {
    let key = format!("key {}", random.below(50));
    let domain = if random.below(2) == 0 { TimerDomain::EventTime } else { TimerDomain::ProcessingTime };
    let at = Timestamp::from_millis(random.below(100) as i64 - 50);
    match random.below(10) {
        0..6 => assert_eq!(
            timers.register(hash(&key), &key, TimerEntry::new(domain, at, ())),
            model.insert(row_of(&key, domain, at))
        ),
        6..8 => assert_eq!(
            timers.delete(hash(&key), &key, TimerEntry::new(domain, at, ())),
            model.remove(&row_of(&key, domain, at))
        ),
        _ => {
            let tag = u8::from(domain == TimerDomain::ProcessingTime);
            let first = model.iter().find(|row| row.0 == tag).cloned();
            assert_eq!(timers.next(domain), first.as_ref().map(|row| row.1));
            let due = first.filter(|row| row.1 <= at);
            assert_eq!(timers.pop_due(domain, at), due.clone().map(|row| ((row.0, row.1), row.3)));
            due.map(|row| model.remove(&row));
        }
    }
}

fn pop_all(timers: &mut Timers<String>) -> Vec<(Timestamp, String)> {
    let domains = [TimerDomain::EventTime, TimerDomain::ProcessingTime];
    let mut popped = Vec::new();
    for domain in domains {
        let due = std::iter::from_fn(|| timers.pop_due(domain, Timestamp::MAX));
        popped.extend(due.map(|((_, at), key)| (at, key)));
    }
    popped
}

#[test]
fn timers_are_as_their_model_and_restored_so() {
    let (mut random, mut model) = (Random(1), TimerModel::new());
    let mut timers = Timers::<String>::new(RANGE, Tracking::Changes);
    let segments = segments(&mut timers, |timers| {
        (0..3_000).for_each(|_| change_timers(timers, &mut model, &mut random));
        assert_eq!(timers.len(), model.len());
    });
    let mut restored = restore(Timers::<String>::new(RANGE, Tracking::Changes), &segments);
    assert_eq!(restored.len(), model.len());
    for _ in 0..3_000 {
        change_timers(&mut restored, &mut model, &mut random);
    }
    assert_eq!(pop_all(&mut restored), model.into_iter().map(|row| (row.1, row.3)).collect::<Vec<_>>());
    assert!(restored.is_empty() && restored.next(TimerDomain::EventTime).is_none());
}

/// Numbers with one hash in common: that of a number of 128 bits combines those of its halves, which can be undone.
fn alike(count: u64) -> Vec<u128> {
    fn unmix(mut h: u64) -> u64 {
        h = (h ^ (h >> 33)).wrapping_mul(0x9cb4_b2f8_1293_37db);
        h = (h ^ (h >> 33)).wrapping_mul(0x4f74_430c_22a5_4005);
        h ^ (h >> 33)
    }
    assert_eq!(unmix(mix(12_345)), 12_345);
    (0..count).map(|low| u128::from(unmix(99 ^ mix(low).rotate_left(23))) << 64 | u128::from(low)).collect()
}

#[test]
fn timers_of_one_time_and_hash_come_in_the_order_of_keys() {
    let mut keys = alike(4);
    let (at, hash) = (Timestamp::from_millis(5), u128::hash(keys[0]));
    let timer = TimerEntry::new(TimerDomain::EventTime, at, ());
    let mut timers = Timers::<u128>::new(RANGE, Tracking::None);
    for key in &keys {
        assert_eq!(u128::hash(*key), hash);
        assert!(timers.register(hash, *key, timer));
    }
    assert!(!timers.register(hash, keys[2], timer));
    assert!(timers.delete(hash, keys[2], timer));
    assert!(!timers.delete(hash, keys[2], timer));
    keys.remove(2);
    keys.sort();
    let popped = std::iter::from_fn(|| timers.pop_due(TimerDomain::EventTime, at)).map(|(_, key)| key);
    assert_eq!(popped.collect::<Vec<_>>(), keys);
    assert_eq!(timers.next(TimerDomain::EventTime), None);
}

#[test]
fn a_sweep_takes_entries_out_of_their_maps() {
    for place in places() {
        const ENTRIES: u64 = 40;
        let mut maps = MapRows::<String, u64, u64>::new(RANGE, Tracking::Changes, place.as_ref());
        for key in ["a", "b"] {
            (0..ENTRIES).for_each(|entry| *maps.entry(hash(key), key, entry, || 0) = entry % 2);
        }
        *maps.entry(hash("c"), "c", 7, || 0) = 0;
        let mut cursor = crate::table::Cursor::default();
        (0..=ENTRIES).for_each(|_| maps.sweep(&mut cursor, 3, |value| *value == 0));
        for key in ["a", "b"] {
            let left: Vec<_> = maps.iter(hash(key), key).map(|(entry, value)| (entry, *value)).collect();
            let expected: Vec<_> = (0..ENTRIES).filter(|entry| entry % 2 == 1).map(|entry| (entry, 1)).collect();
            assert_eq!(left, expected);
        }
        assert!(maps.is_empty_of(hash("c"), "c"));
    }
}
