//! Partitioners: which subtask of the next chain a record goes to.

use std::marker::PhantomData;

use millstream_core::{
    key::{Key, key_group, owner_of},
    record::Record,
    time::Window,
};

use crate::operator::KeyFn;

/// Chooses the subtask of each record.
pub(crate) trait Route<T: Record>: Send + 'static {
    /// True if the key's hash should travel with the record.
    const CARRIES_HASH: bool = false;
    /// The subtask, below the number of subtasks that the route was made for; and the key's hash if it travels.
    fn route(&mut self, record: T::View<'_>) -> (usize, u64);
}

/// What makes the [`Route`] of a subtask.
pub(crate) trait Partition<T: Record>: Send + 'static {
    type Route: Route<T>;
    /// What messages call it: the method.
    fn kind(&self) -> &'static str;
    /// For plans: `hash by industry`.
    fn describe(&self) -> String;
    fn route(&self, from: usize, targets: usize, max_parallelism: u32, seed: u64) -> Self::Route;
}

/// By key group.
pub(crate) struct ByKey<K>(pub(crate) K);

pub(crate) struct KeyRoute<K> {
    pub(crate) key: K,
    pub(crate) owners: Owners,
}

/// The owner of every key group, looked up rather than divided for each record.
pub(crate) struct Owners {
    of_group: Vec<u32>,
}

impl Owners {
    pub(crate) fn new(max_parallelism: u32, parallelism: usize) -> Self {
        let owner = |group| owner_of(group, max_parallelism, parallelism as u32);
        Self { of_group: (0..max_parallelism).map(owner).collect() }
    }

    #[inline(always)]
    pub(crate) fn of(&self, hash: u64) -> usize {
        self.of_group[key_group(hash, self.of_group.len() as u32) as usize] as usize
    }
}

impl<T: Record, K: KeyFn<T>> Partition<T> for ByKey<K> {
    type Route = KeyRoute<K>;

    fn kind(&self) -> &'static str {
        "key_by"
    }

    fn describe(&self) -> String {
        let name = self.0.name();
        if name.is_empty() { "hash".into() } else { format!("hash by {name}") }
    }

    fn route(&self, _: usize, targets: usize, max_parallelism: u32, _: u64) -> KeyRoute<K> {
        KeyRoute { key: self.0.clone(), owners: Owners::new(max_parallelism, targets) }
    }
}

impl<T: Record, K: KeyFn<T>> Route<T> for KeyRoute<K> {
    const CARRIES_HASH: bool = <K::Key as Key>::CARRY_HASH;

    #[inline(always)]
    fn route(&mut self, record: T::View<'_>) -> (usize, u64) {
        let hash = self.key.with(record, |key| <K::Key as Key>::hash(key));
        (self.owners.of(hash), hash)
    }
}

/// Partial results of windows, by the key group of their key.
pub(crate) struct PartialsByKey;

impl<K: Key, V: Record> Partition<(K, Window, V)> for PartialsByKey {
    type Route = Owners;

    fn kind(&self) -> &'static str {
        "key_by"
    }

    fn describe(&self) -> String {
        "hash".into()
    }

    fn route(&self, _: usize, targets: usize, max_parallelism: u32, _: u64) -> Owners {
        Owners::new(max_parallelism, targets)
    }
}

impl<K: Key, V: Record> Route<(K, Window, V)> for Owners {
    fn route(&mut self, (key, ..): <(K, Window, V) as Record>::View<'_>) -> (usize, u64) {
        let hash = K::hash(key);
        (self.of(hash), hash)
    }
}

/// In turn, record by record, beginning at a subtask's own number so that the first records do not all go to one.
pub(crate) struct Rebalance;

pub(crate) struct Turns {
    next: usize,
    targets: usize,
}

impl<T: Record> Partition<T> for Rebalance {
    type Route = Turns;

    fn kind(&self) -> &'static str {
        "rebalance"
    }

    fn describe(&self) -> String {
        "rebalance".into()
    }

    fn route(&self, from: usize, targets: usize, _: u32, _: u64) -> Turns {
        Turns { next: from % targets, targets }
    }
}

impl<T: Record> Route<T> for Turns {
    #[inline(always)]
    fn route(&mut self, _: T::View<'_>) -> (usize, u64) {
        let target = self.next;
        self.next = if target + 1 == self.targets { 0 } else { target + 1 };
        (target, 0)
    }
}

/// At random.
pub(crate) struct Shuffle;

/// Xorshift, seeded from the environment.
pub(crate) struct Random {
    state: u64,
    targets: usize,
}

impl<T: Record> Partition<T> for Shuffle {
    type Route = Random;

    fn kind(&self) -> &'static str {
        "shuffle"
    }

    fn describe(&self) -> String {
        "shuffle".into()
    }

    fn route(&self, _: usize, targets: usize, _: u32, seed: u64) -> Random {
        Random { state: seed | 1, targets }
    }
}

impl<T: Record> Route<T> for Random {
    #[inline(always)]
    fn route(&mut self, _: T::View<'_>) -> (usize, u64) {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        ((((self.state >> 32) * self.targets as u64) >> 32) as usize, 0)
    }
}

/// By the user's function of the record and the number of subtasks.
pub(crate) struct Custom<F>(pub(crate) F);

pub(crate) struct CustomRoute<T, F> {
    choose: F,
    targets: usize,
    record: PhantomData<fn(T)>,
}

impl<T: Record, F> Partition<T> for Custom<F>
where
    F: for<'a> Fn(T::View<'a>, usize) -> usize + Clone + Send + 'static,
{
    type Route = CustomRoute<T, F>;

    fn kind(&self) -> &'static str {
        "partition_by"
    }

    fn describe(&self) -> String {
        "custom".into()
    }

    fn route(&self, _: usize, targets: usize, _: u32, _: u64) -> CustomRoute<T, F> {
        CustomRoute { choose: self.0.clone(), targets, record: PhantomData }
    }
}

impl<T: Record, F> Route<T> for CustomRoute<T, F>
where
    F: for<'a> Fn(T::View<'a>, usize) -> usize + Send + 'static,
{
    #[inline(always)]
    fn route(&mut self, record: T::View<'_>) -> (usize, u64) {
        // A number beyond the last subtask is taken around, so that no choice can go wrong.
        ((self.choose)(record, self.targets) % self.targets, 0)
    }
}
