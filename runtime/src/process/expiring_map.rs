//! A [`MapState`] with a time to live: each entry has its own.

use std::{cell::RefCell, ops::RangeBounds};

use millstream_core::{key::Key, record::Record, schema::Schema, time::Timestamp};
use millstream_state::collections::MapRows;

use super::{
    Expiring, Hashed, MapState, Opening, StateField, StateRef, StateTable, StateTables,
    tables::Stored,
    ttl::{Expiry, SWEEP_ROWS, stored},
};
use crate::{checkpoint::subtask::Upload, failure::Failure, graph::StateKind, operator::Wait, task::head::Background};

impl<E: Key, V: Record, const MILLIS: u64, const ON_READ: bool, const SHOWS_OVER: bool> StateField
    for Expiring<MapState<E, V>, MILLIS, ON_READ, SHOWS_OVER>
{
    const KIND: StateKind = StateKind::Map;
    const ENTRY: Option<&'static Schema> = Some(E::SCHEMA);
    const VALUE: &'static Schema = stored::<V>();

    type Table<K: Key> = ExpiringMap<K, E, V>;
    type Ref<'a, 'k, K: Key> = ExpiringMapRef<'a, 'k, K, E, V>;

    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> ExpiringMap<K, E, V> {
        let expiry = Expiry::new(Self::TTL, cx.chain.clock.clone());
        ExpiringMap { maps: Stored::open(name, cx), expiry, read: RefCell::default() }
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut ExpiringMap<K, E, V>, key: Hashed<'k, K>) -> ExpiringMapRef<'a, 'k, K, E, V> {
        table.maps.release();
        ExpiringMapRef { table, key }
    }
}

/// The maps of all keys.
pub struct ExpiringMap<K: Key, E: Key, V: Record> {
    maps: Stored<MapRows<K, E, (Timestamp, V)>>,
    expiry: Expiry,
    /// The entries that were read of the map that is looked at, where reading keeps them alive.
    read: RefCell<Vec<E>>,
}

impl<K: Key, E: Key, V: Record> StateTables for ExpiringMap<K, E, V> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.maps.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        visit(self);
    }
}

impl<K: Key, E: Key, V: Record> StateTable for ExpiringMap<K, E, V> {
    fn measure(&mut self) -> usize {
        self.maps.measure()
    }

    fn is_full(&mut self) -> bool {
        StateTable::is_full(&mut self.maps)
    }

    fn check_freeze(&mut self) -> Result<(), Failure> {
        self.maps.check_freeze()
    }

    fn freeze(&mut self) -> Result<Upload, Failure> {
        self.maps.freeze()
    }

    /// Between snapshots it looks for entries that are over.
    fn walk(&mut self) -> Background {
        let background = self.maps.walk();
        if background == Background::Done
            && let Some(is_over) = self.expiry.sweeps()
        {
            self.maps.sweep(&mut self.expiry.cursor, SWEEP_ROWS, |(used, _)| is_over(*used));
        }
        background
    }

    fn restore(&mut self) -> Wait<'_> {
        self.maps.restore()
    }
}

/// The map of a key, as a [`MapRef`](super::MapRef), without the entries that are over.
pub struct ExpiringMapRef<'a, 'k, K: Key, E: Key, V: Record> {
    table: &'a mut ExpiringMap<K, E, V>,
    key: Hashed<'k, K>,
}

impl<K: Key, E: Key, V: Record> ExpiringMapRef<'_, '_, K, E, V> {
    /// The value of an entry.
    #[inline]
    pub fn get(&self, entry: E::View<'_>) -> Option<&V> {
        let (used, value) = self.table.maps.get(self.key.hash, self.key.key, entry)?;
        self.seen(entry, *used).then_some(value)
    }

    /// The value of an entry, to be changed.
    #[inline]
    pub fn get_mut(&mut self, entry: E::View<'_>) -> Option<&mut V> {
        let ExpiringMap { maps, expiry, .. } = &mut *self.table;
        let (used, _) = maps.get(self.key.hash, self.key.key, entry)?;
        if !expiry.shows(*used) {
            maps.remove(self.key.hash, self.key.key, entry);
            return None;
        }
        let (used, value) = maps.get_mut(self.key.hash, self.key.key, entry)?;
        *used = expiry.now();
        Some(value)
    }

    /// The value of an entry, to be changed; made by `value` if there is none.
    #[inline]
    pub fn entry(&mut self, entry: E::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        let ExpiringMap { maps, expiry, .. } = &mut *self.table;
        let now = expiry.now();
        let mut value = Some(value);
        let mut made = || value.take().expect("an entry is made once")();
        let (used, value) = maps.entry(self.key.hash, self.key.key, entry, || (now, made()));
        if !expiry.shows(*used) {
            *value = made();
        }
        *used = now;
        value
    }

    /// True if there is such an entry.
    #[inline]
    pub fn contains(&self, entry: E::View<'_>) -> bool {
        self.get(entry).is_some()
    }

    /// Sets the value of an entry; the value that it had.
    #[inline]
    pub fn insert(&mut self, entry: E::View<'_>, value: V) -> Option<V> {
        let mut value = Some(value);
        // A new entry takes the value; of an old one it is left.
        let place = self.entry(entry, || value.take().expect("an entry is made once"));
        value.map(|value| std::mem::replace(place, value))
    }

    /// Removes an entry; the value that it had.
    #[inline]
    pub fn remove(&mut self, entry: E::View<'_>) -> Option<V> {
        let (used, value) = self.table.maps.remove(self.key.hash, self.key.key, entry)?;
        self.table.expiry.shows(used).then_some(value)
    }

    /// How many entries there are. Looks at all of them.
    pub fn len(&self) -> usize {
        self.entries().count()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.entries().next().is_none()
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (E::View<'_>, &V)> {
        self.entries().inspect(|(entry, _)| self.note(*entry))
    }

    /// The entries with keys in a range, in their order: `state.minutes.range(..=at)`.
    pub fn range<'e>(
        &self,
        range: impl RangeBounds<E::View<'e>>,
    ) -> impl DoubleEndedIterator<Item = (E::View<'_>, &V)> {
        let (lower, upper) = (range.start_bound().cloned(), range.end_bound().cloned());
        let entries = self.table.maps.range(self.key.hash, self.key.key, lower, upper);
        entries.filter_map(|(entry, (used, value))| self.seen(entry, *used).then_some((entry, value)))
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.table.maps.clear(self.key.hash, self.key.key);
    }

    /// The entries that can be seen, which does not count as reading them.
    fn entries(&self) -> impl DoubleEndedIterator<Item = (E::View<'_>, &V)> {
        let entries = self.table.maps.iter(self.key.hash, self.key.key);
        entries.filter_map(|(entry, (used, value))| self.table.expiry.shows(*used).then_some((entry, value)))
    }

    /// True for an entry that can be seen; then it has been read.
    #[inline]
    fn seen(&self, entry: E::View<'_>, used: Timestamp) -> bool {
        let shows = self.table.expiry.shows(used);
        if shows {
            self.note(entry);
        }
        shows
    }

    #[inline]
    fn note(&self, entry: E::View<'_>) {
        if self.table.expiry.counts_reads() {
            self.table.read.borrow_mut().push(E::from_view(entry));
        }
    }
}

/// What was read is kept alive.
impl<K: Key, E: Key, V: Record> Drop for ExpiringMapRef<'_, '_, K, E, V> {
    #[inline]
    fn drop(&mut self) {
        let ExpiringMap { maps, expiry, read } = &mut *self.table;
        for entry in read.get_mut().drain(..) {
            let Some((used, _)) = maps.get(self.key.hash, self.key.key, entry.view()) else { continue };
            // What is over was seen, and stays over. Writing the same again would only make the next snapshot larger.
            if *used < expiry.now()
                && !expiry.is_over(*used)
                && let Some((used, _)) = maps.get_mut(self.key.hash, self.key.key, entry.view())
            {
                *used = expiry.now();
            }
        }
    }
}

impl<K: Key, E: Key, V: Record> StateRef for ExpiringMapRef<'_, '_, K, E, V> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}
