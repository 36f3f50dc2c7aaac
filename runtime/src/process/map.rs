//! [`MapState`]: a map for each key, stored entry by entry.

use std::{marker::PhantomData, ops::RangeBounds};

use millstream_core::{key::Key, record::Record, schema::Schema};
use millstream_state::collections::MapRows;

use super::{Hashed, Opening, StateField, StateRef, StateTable, StateTables, state::field_marker, tables::Stored};
use crate::graph::StateKind;

/// A map for each key, in the order of `E`: a field of a [`State`](super::State). Each entry is a row of its own, so a map may be large: what is written at a
/// snapshot is the entries that have changed.
pub struct MapState<E, V>(PhantomData<fn() -> (E, V)>);

field_marker!(MapState<E, V>);

impl<E: Key, V: Record> StateField for MapState<E, V> {
    const KIND: StateKind = StateKind::Map;
    const ENTRY: Option<&'static Schema> = Some(E::SCHEMA);
    const VALUE: &'static Schema = V::SCHEMA;

    type Table<K: Key> = MapTable<K, E, V>;
    type Ref<'a, 'k, K: Key> = MapRef<'a, 'k, K, E, V>;

    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> MapTable<K, E, V> {
        MapTable(Stored::open(name, cx))
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut MapTable<K, E, V>, key: Hashed<'k, K>) -> MapRef<'a, 'k, K, E, V> {
        table.0.release();
        MapRef { maps: &mut table.0, key }
    }
}

/// The maps of all keys.
pub struct MapTable<K: Key, E: Key, V: Record>(Stored<MapRows<K, E, V>>);

impl<K: Key, E: Key, V: Record> StateTables for MapTable<K, E, V> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.0.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.0.for_each(visit);
    }
}

/// The map of a key. Its keys are given as views: `state.pages.insert("/", 1)`.
pub struct MapRef<'a, 'k, K: Key, E: Key, V: Record> {
    maps: &'a mut Stored<MapRows<K, E, V>>,
    key: Hashed<'k, K>,
}

impl<K: Key, E: Key, V: Record> MapRef<'_, '_, K, E, V> {
    /// The value of an entry.
    #[inline]
    pub fn get(&self, entry: E::View<'_>) -> Option<&V> {
        self.maps.get(self.key.hash, self.key.key, entry)
    }

    /// The value of an entry, to be changed.
    #[inline]
    pub fn get_mut(&mut self, entry: E::View<'_>) -> Option<&mut V> {
        self.maps.get_mut(self.key.hash, self.key.key, entry)
    }

    /// The value of an entry, to be changed; made by `value` if there is none.
    #[inline]
    pub fn entry(&mut self, entry: E::View<'_>, value: impl FnOnce() -> V) -> &mut V {
        self.maps.entry(self.key.hash, self.key.key, entry, value)
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
        self.maps.remove(self.key.hash, self.key.key, entry)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.maps.len_of(self.key.hash, self.key.key)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty_of(self.key.hash, self.key.key)
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (E::View<'_>, &V)> {
        self.maps.iter(self.key.hash, self.key.key)
    }

    /// The entries with keys in a range, in their order: `state.minutes.range(..=at)`.
    pub fn range<'e>(
        &self,
        range: impl RangeBounds<E::View<'e>>,
    ) -> impl DoubleEndedIterator<Item = (E::View<'_>, &V)> {
        self.maps.range(self.key.hash, self.key.key, range.start_bound().cloned(), range.end_bound().cloned())
    }

    /// Removes all entries.
    pub fn clear(&mut self) {
        self.maps.clear(self.key.hash, self.key.key);
    }
}

impl<K: Key, E: Key, V: Record> StateRef for MapRef<'_, '_, K, E, V> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}
