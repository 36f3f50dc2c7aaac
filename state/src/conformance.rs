//! What every [`Backend`] must do, tried with random steps beside a model.
//!
//! A seed gives a sequence of steps: writes, removals, snapshots and their walks, all interleaved. A snapshot must have what there was when the table was
//! frozen, whatever is written meanwhile; and a full one with the deltas behind it, restored, must give what there was at the last.

use std::{cmp::Ordering, collections::BTreeMap, fmt::Debug};

use millstream_core::{buffer::Buffer, key::mix, record::Record};

use crate::{
    backend::{Backend, Checkpointed, KeyedTable},
    groups::GroupRange,
    row::{ByEntry, ByKey, RowKey},
    snapshot::{Frozen, SnapshotKind},
    table::{Tracking, Walked},
};

/// How many steps a seed has.
const STEPS: usize = 3_000;
/// How many rows a table has that grows: enough for a shard in memory to split.
const GROWN_ROWS: u64 = 150_000;

/// Tries all kinds of rows with so many seeds each.
///
/// # Panics
///
/// If the backend does not do what it must; the message begins with the seed.
pub fn check<B: Backend>(backend: &B, seeds: u64) {
    check_steps(backend, seeds);
    check_growth(backend);
}

/// Tries all kinds of rows with so many seeds each, in tables of some hundred rows.
///
/// # Panics
///
/// As [`check`] does.
pub fn check_steps<B: Backend>(backend: &B, seeds: u64) {
    for seed in 0..seeds {
        Trial::<B, ByKey<u64>, u64>::new(backend, seed, 2_000, |i| i, |i| i).run();
        Trial::<B, ByKey<String>, String>::new(backend, seed, 500, text, text).run();
        Trial::<B, ByEntry<u64, String>, Vec<u32>>::new(backend, seed, 500, |i| (i % 30, text(i)), list).run();
        Trial::<B, ByEntry<String, u64>, ()>::new(backend, seed, 500, |i| (text(i % 40), i), |_| ()).run();
        Trial::<B, Skewed, [u8; 32]>::new(backend, seed, 3_000, |i| i, |i| [i as u8; 32]).run();
    }
}

/// Fills tables, and empties them again.
///
/// # Panics
///
/// As [`check`] does.
pub fn check_growth<B: Backend>(backend: &B) {
    Trial::<B, ByKey<u64>, u64>::new(backend, 0, GROWN_ROWS, |i| i, |i| i).grow();
    Trial::<B, Skewed, ()>::new(backend, 0, GROWN_ROWS, |i| i, |_| ()).grow();
}

/// Some text, sometimes long.
fn text(i: u64) -> String {
    let length = if i.is_multiple_of(50) { 3_000 } else { i % 20 };
    format!("{i}{}", "x".repeat(length as usize))
}

fn list(i: u64) -> Vec<u32> {
    (0..i % 10).map(|element| (i + element) as u32).collect()
}

/// Numbers whose hashes crowd: many begin alike, and some are even the same.
struct Skewed;

impl RowKey for Skewed {
    type Key = u64;

    fn hash(key: u64) -> u64 {
        match key % 64 {
            0 => (mix(1) & !3) | (key / 64 % 4),
            1..16 => mix(key),
            _ => (mix(2) & !0xffff_ffff) | (mix(key) & 0xffff_ffff),
        }
    }
    fn same(a: u64, b: u64) -> bool {
        a == b
    }
    fn compare(a: u64, b: u64) -> Ordering {
        a.cmp(&b)
    }
}

/// Numbers that look random.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0) % limit
    }
}

/// Which keys there are and which values they have, by number.
type Model = BTreeMap<u64, u64>;

/// A snapshot, with what there was when it began.
struct Segment {
    kind: SnapshotKind,
    model: Model,
    ranges: Vec<Frozen>,
}

/// All rows that a range brings.
fn rows_of(range: &Frozen) -> impl Iterator<Item = &Buffer> {
    range.rows.iter().chain(&range.early)
}

/// A table beside its model. Numbers stand for keys and values.
struct Trial<'b, B: Backend, R: RowKey, V: Record> {
    backend: &'b B,
    range: GroupRange,
    table: B::Table<R, V>,
    model: Model,
    key: fn(u64) -> R::Key,
    value: fn(u64) -> V,
    /// The numbers of the keys that are of the range.
    numbers: Vec<u64>,
    random: Random,
    /// What a message begins with.
    place: String,
    /// What can be restored: a full snapshot (unless the table began empty), and the deltas since.
    chain: Vec<Segment>,
    running: Option<Segment>,
    /// A snapshot was given up, so a full one must be next.
    lost: bool,
}

/// What two views are compared by: not all types can be compared that can be records.
fn shown(view: impl Debug) -> String {
    format!("{view:?}")
}

impl<'b, B: Backend, R: RowKey, V: Record> Trial<'b, B, R, V> {
    fn new(backend: &'b B, seed: u64, keys: u64, key: fn(u64) -> R::Key, value: fn(u64) -> V) -> Self {
        let ranges = [GroupRange::all(128), GroupRange::owned_by(1, 3, 128), GroupRange::all(1)];
        let range = ranges[(seed % 3) as usize];
        Self {
            backend,
            range,
            table: backend.table(range, Tracking::Changes),
            model: Model::new(),
            key,
            value,
            numbers: (0..keys).filter(|number| range.holds(R::hash(key(*number).view()))).collect(),
            random: Random(mix(seed)),
            place: format!("seed {seed}, {}, {}", std::any::type_name::<R>(), std::any::type_name::<V>()),
            chain: Vec::new(),
            running: None,
            lost: false,
        }
    }

    /// Takes random steps.
    fn run(mut self) {
        for _ in 0..STEPS {
            let number = self.numbers[self.random.below(self.numbers.len() as u64) as usize];
            self.step(number);
        }
        self.finish();
    }

    /// Fills the table, and empties it again, with snapshots all the time.
    fn grow(mut self) {
        for number in self.numbers.clone() {
            self.write(number);
            match self.random.below(10_000) {
                0 if self.running.is_none() => self.freeze(),
                1..200 => self.walk(),
                200..1_000 => {
                    let earlier = self.random.below(number + 1);
                    self.remove(earlier);
                }
                _ => {}
            }
        }
        self.finish();
        for number in self.numbers.clone() {
            self.remove(number);
            match self.random.below(10_000) {
                0 if self.running.is_none() => self.freeze(),
                1..200 => self.walk(),
                _ => {}
            }
        }
        self.finish();
    }

    fn step(&mut self, number: u64) {
        match self.random.below(1_000) {
            0..500 => self.write(number),
            500..600 => self.change(number),
            600..750 => self.remove(number),
            750..850 => self.look(number),
            850 => {
                self.table.clear();
                self.model.clear();
            }
            851 => self.give_up(),
            852 => self.freeze_again(),
            853 => self.restart(),
            854..860 if self.running.is_none() => self.freeze(),
            860..900 => self.walk(),
            _ => self.measure(),
        }
    }

    fn write(&mut self, number: u64) {
        let (key, to, make) = ((self.key)(number), self.random.below(1_000), self.value);
        let mut new = false;
        let place = self.table.entry(R::hash(key.view()), key.view(), || {
            new = true;
            make(0)
        });
        let before = self.model.insert(number, to);
        assert_eq!(shown(place.view()), shown(make(before.unwrap_or(0)).view()), "{}: entry", self.place);
        assert_eq!(new, before.is_none(), "{}: a value is made for a new key only", self.place);
        *place = make(to);
    }

    fn change(&mut self, number: u64) {
        let (key, to, make) = ((self.key)(number), self.random.below(1_000), self.value);
        let place = self.table.get_mut(R::hash(key.view()), key.view());
        let before = self.model.get_mut(&number);
        let found = place.as_ref().map(|value| shown(value.view()));
        assert_eq!(found, before.as_ref().map(|value| shown(make(**value).view())), "{}: get_mut", self.place);
        if let (Some(place), Some(before)) = (place, before) {
            (*place, *before) = (make(to), to);
        }
    }

    fn remove(&mut self, number: u64) {
        let key = (self.key)(number);
        let removed = self.table.remove(R::hash(key.view()), key.view());
        let wanted = self.model.remove(&number).map(self.value);
        let show = |value: Option<V>| value.map(|value| shown(value.view()));
        assert_eq!(show(removed), show(wanted), "{}: remove", self.place);
    }

    fn look(&mut self, number: u64) {
        let key = (self.key)(number);
        let hash = R::hash(key.view());
        self.table.prefetch(hash);
        let found = self.table.get(hash, key.view()).map(|value| shown(value.view()));
        let wanted = self.model.get(&number).map(|value| shown((self.value)(*value).view()));
        assert_eq!(found, wanted, "{}: get", self.place);
    }

    fn measure(&mut self) {
        assert_eq!(self.table.len(), self.model.len(), "{}: len", self.place);
        assert_eq!(self.table.is_empty(), self.model.is_empty(), "{}: is_empty", self.place);
        assert_eq!(self.table.is_frozen(), self.running.is_some(), "{}: is_frozen", self.place);
        assert!((0.0..=1.0).contains(&self.table.dirty_share()), "{}: dirty_share", self.place);
        assert!(self.table.size_bytes() > 0 || self.table.is_empty(), "{}: size_bytes", self.place);
    }

    fn freeze(&mut self) {
        let delta = !self.lost && self.random.below(4) > 0;
        self.freeze_as(if delta { SnapshotKind::Delta } else { SnapshotKind::Full });
    }

    /// Begins a full snapshot, though another may be running.
    fn freeze_again(&mut self) {
        self.freeze_as(SnapshotKind::Full);
    }

    fn freeze_as(&mut self, kind: SnapshotKind) {
        self.table.freeze(kind);
        self.running = Some(Segment { kind, model: self.model.clone(), ranges: Vec::new() });
        self.lost = false;
    }

    fn give_up(&mut self) {
        self.table.abandon();
        self.lost |= self.running.take().is_some();
    }

    fn walk(&mut self) {
        let rows = 1 << self.random.below(12);
        match self.table.walk(rows).expect("small rows can be encoded") {
            Walked::More | Walked::Later => {}
            Walked::Range(frozen) => {
                let running = self.running.as_mut().expect("a range comes of a running snapshot");
                running.ranges.push(frozen);
            }
            Walked::Done => {
                if let Some(segment) = self.running.take() {
                    self.complete(segment);
                }
            }
        }
    }

    /// Checks a snapshot that has been walked to its end, and keeps it.
    fn complete(&mut self, segment: Segment) {
        self.check_order(&segment);
        if segment.kind == SnapshotKind::Full {
            let rows: usize = segment.ranges.iter().flat_map(rows_of).map(|buffer| buffer.len()).sum();
            assert_eq!(rows, segment.model.len(), "{}: a full snapshot has each row once", self.place);
            assert!(segment.ranges.iter().all(|range| range.removed.is_empty()), "{}: and no other", self.place);
            self.chain.clear();
        }
        self.chain.push(segment);
        if self.random.below(4) == 0 {
            self.check_restored();
        }
    }

    /// Checks that ranges ascend, that nothing comes behind its range, and that hashes, where there are any, are those of their keys.
    fn check_order(&self, segment: &Segment) {
        let mut before = None;
        for range in &segment.ranges {
            // Each with the greatest hash that is allowed there.
            let mut hashes = Vec::new();
            for (buffers, last) in [(&range.rows, range.last), (&range.early, u64::MAX)] {
                for buffer in buffers {
                    let rows = buffer.records::<(R::Key, V)>(0);
                    hashes.extend((0..buffer.len()).map(|i| (rows.hash(i), R::hash(rows.get(i).0), last)));
                }
            }
            for buffer in &range.removed {
                let keys = buffer.records::<R::Key>(0);
                hashes.extend((0..buffer.len()).map(|i| (keys.hash(i), R::hash(keys.get(i)), range.last)));
            }
            assert!(!hashes.is_empty(), "{}: a range has rows or keys", self.place);
            for (found, hash, last) in hashes {
                assert!(found.is_none_or(|found| found == hash), "{}: hashes", self.place);
                assert!(before < Some(hash) && hash <= last, "{}: ranges ascend, and nothing comes late", self.place);
            }
            before = Some(range.last);
        }
    }

    /// A table restored from the chain, for the key groups of `range`.
    fn restored(&self, range: GroupRange) -> B::Table<R, V> {
        let mut table = self.backend.table::<R, V>(range, Tracking::Changes);
        table.reserve(self.model.len());
        for segment in &self.chain {
            let removed = segment.ranges.iter().flat_map(|range| &range.removed);
            removed.for_each(|buffer| table.restore_removals(buffer));
            segment.ranges.iter().flat_map(rows_of).for_each(|buffer| table.restore_rows(buffer));
        }
        table
    }

    fn check_restored(&self) {
        let Some(last) = self.chain.last() else { return };
        let half = GroupRange::owned_by(self.range.of.min(2) - 1, 2.min(self.range.of), self.range.of);
        for range in [self.range, self.range.intersection(half)] {
            let of_range = |number: &u64| range.holds(R::hash((self.key)(*number).view()));
            let model = last.model.iter().filter(|(number, _)| of_range(number)).map(|(key, value)| (*key, *value));
            self.check_table(&mut self.restored(range), &model.collect());
        }
    }

    fn check_table(&self, table: &mut B::Table<R, V>, model: &Model) {
        for (number, value) in model {
            let key = (self.key)(*number);
            let found = table.get(R::hash(key.view()), key.view()).map(|value| shown(value.view()));
            assert_eq!(found, Some(shown((self.value)(*value).view())), "{}: row {number}", self.place);
        }
        let mut rows = 0;
        table.for_each(|_, _| rows += 1);
        assert_eq!((rows, table.len()), (model.len(), model.len()), "{}: there is no other row", self.place);
    }

    /// Goes on with a table restored from the chain, as after a failure.
    fn restart(&mut self) {
        let Some(last) = self.chain.last() else { return };
        (self.model, self.table) = (last.model.clone(), self.restored(self.range));
        (self.running, self.lost) = (None, false);
    }

    /// Takes a last snapshot, and checks it.
    fn finish(&mut self) {
        if self.running.is_none() {
            self.freeze();
        }
        while self.running.is_some() {
            self.walk();
        }
        self.check_restored();
        let model = self.model.clone();
        let mut table = std::mem::replace(&mut self.table, self.backend.table(self.range, Tracking::Changes));
        self.check_table(&mut table, &model);
        self.table = table;
    }
}
