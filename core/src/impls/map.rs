//! `BTreeMap` and `HashMap`: the view is a [`MapView`], the archive a list of entries sorted by [`Key::compare`], so that equal maps have
//! equal bytes and look-ups need no decoding.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    hash::{BuildHasher, Hash},
    slice, vec,
};

use rkyv::{
    Place,
    tuple::ArchivedTuple2,
    vec::{ArchivedVec, VecResolver},
};

use super::check_list_size;
use crate::{
    dynamic::Value,
    key::Key,
    record::{EncodeError, Encoder, Record, ViewOf},
    schema::Schema,
    view::View,
};

type Entry<K, V> = ArchivedTuple2<<K as Record>::Archived, <V as Record>::Archived>;

/// A map of the standard library, as [`MapView`] needs it.
pub trait OwnedMap<K: 'static, V: 'static> {
    /// How many entries it has.
    fn len(&self) -> usize;
    /// True if it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The value of a key.
    fn get(&self, key: &K) -> Option<&V>;
    /// All entries, in the map's own order.
    fn entries(&self) -> impl Iterator<Item = (&K, &V)>;
}

impl<K: Ord + 'static, V: 'static> OwnedMap<K, V> for BTreeMap<K, V> {
    fn len(&self) -> usize {
        self.len()
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.get(key)
    }

    fn entries(&self) -> impl Iterator<Item = (&K, &V)> {
        self.iter()
    }
}

impl<K: Hash + Eq + 'static, V: 'static, S: BuildHasher> OwnedMap<K, V> for HashMap<K, V, S> {
    fn len(&self) -> usize {
        self.len()
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.get(key)
    }

    fn entries(&self) -> impl Iterator<Item = (&K, &V)> {
        self.iter()
    }
}

/// The entries of a map, wherever they are. `M` is the map that user code builds: a `BTreeMap`, unless it is said to be another.
pub enum MapView<'a, K: Key, V: Record, M = BTreeMap<K, V>> {
    /// A map that user code built.
    Owned(&'a M),
    /// Entries in a sealed buffer, sorted by key.
    Archived(&'a [Entry<K, V>]),
    /// Entries that were read from a text, each key once and sorted by key: views that borrow from it.
    Views(&'a [(K::View<'a>, V::View<'a>)]),
}

/// The view of a `HashMap`.
pub type HashMapView<'a, K, V, S = std::hash::RandomState> = MapView<'a, K, V, HashMap<K, V, S>>;

impl<K: Key, V: Record, M> Clone for MapView<'_, K, V, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Key, V: Record, M> Copy for MapView<'_, K, V, M> {}

impl<'a, K: Key, V: Record, M: OwnedMap<K, V>> MapView<'a, K, V, M> {
    /// How many entries there are.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Owned(map) => map.len(),
            Self::Archived(entries) => entries.len(),
            Self::Views(entries) => entries.len(),
        }
    }

    /// True if there are none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The value of a key. In a buffer this is a binary search and allocates nothing; a map that user code built is asked with an owned key,
    /// which a `String` pays for with an allocation.
    pub fn get(self, key: K::View<'_>) -> Option<V::View<'a>> {
        match self {
            Self::Owned(map) => map.get(&K::from_view(key)).map(V::view),
            Self::Archived(entries) => {
                let found = entries.binary_search_by(|entry| K::compare(K::view_archived(&entry.0), key));
                Some(V::view_archived(&entries[found.ok()?].1))
            }
            Self::Views(entries) => {
                let found = entries.binary_search_by(|entry| K::compare(entry.0, key));
                Some(entries[found.ok()?].1)
            }
        }
    }

    /// True if the key is there. Costs what [`MapView::get`] does.
    pub fn contains_key(self, key: K::View<'_>) -> bool {
        self.get(key).is_some()
    }

    /// All entries, in the order of [`Key::compare`]: results do not depend on where the map is, nor on a hasher's seed. Entries in a buffer
    /// are sorted; for a map that user code built a list of references is made and sorted here.
    pub fn iter(self) -> MapIter<'a, K, V> {
        match self {
            Self::Owned(map) => {
                let mut entries: Vec<(&K, &V)> = map.entries().collect();
                // The entries of a `BTreeMap` are in order already, unless its `Ord` disagrees with `Key`: sorting sees that in one pass.
                entries.sort_by(|a, b| K::compare(a.0.view(), b.0.view()));
                MapIter::Owned(entries.into_iter())
            }
            Self::Archived(entries) => MapIter::Archived(entries.iter()),
            Self::Views(entries) => MapIter::Views(entries.iter()),
        }
    }

    /// All keys, in order.
    pub fn keys(self) -> impl ExactSizeIterator<Item = K::View<'a>> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// All values, in the order of their keys.
    pub fn values(self) -> impl ExactSizeIterator<Item = V::View<'a>> + Clone {
        self.iter().map(|(_, value)| value)
    }

    fn write(self, out: &mut Encoder<'_>) -> Result<VecResolver, EncodeError> {
        check_list_size(self.len(), size_of::<Entry<K, V>>())?;
        ArchivedVec::serialize_from_iter::<ViewOf<'_, (K, V)>, _, _>(self.iter().map(ViewOf::<(K, V)>), out)
    }

    fn finish(self, resolver: VecResolver, out: Place<ArchivedVec<Entry<K, V>>>) {
        ArchivedVec::resolve_from_len(self.len(), resolver, out);
    }
}

impl<K: Key, V: Record, M: OwnedMap<K, V>> fmt::Debug for MapView<'_, K, V, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<'a, K: Key, V: Record, M: OwnedMap<K, V>> IntoIterator for MapView<'a, K, V, M> {
    type Item = (K::View<'a>, V::View<'a>);
    type IntoIter = MapIter<'a, K, V>;

    fn into_iter(self) -> MapIter<'a, K, V> {
        self.iter()
    }
}

/// Goes through the views of a map's entries, in the order of their keys.
pub enum MapIter<'a, K: Key, V: Record> {
    /// The sorted entries of a map that user code built.
    Owned(vec::IntoIter<(&'a K, &'a V)>),
    /// Entries in a sealed buffer.
    Archived(slice::Iter<'a, Entry<K, V>>),
    /// Entries that were read from a text.
    Views(slice::Iter<'a, (K::View<'a>, V::View<'a>)>),
}

impl<K: Key, V: Record> Clone for MapIter<'_, K, V> {
    fn clone(&self) -> Self {
        match self {
            Self::Owned(entries) => Self::Owned(entries.clone()),
            Self::Archived(entries) => Self::Archived(entries.clone()),
            Self::Views(entries) => Self::Views(entries.clone()),
        }
    }
}

impl<'a, K: Key, V: Record> Iterator for MapIter<'a, K, V> {
    type Item = (K::View<'a>, V::View<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Owned(entries) => entries.next().map(|(key, value)| (key.view(), value.view())),
            Self::Archived(entries) => entries.next().map(<(K, V)>::view_archived),
            Self::Views(entries) => entries.next().copied(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Owned(entries) => entries.size_hint(),
            Self::Archived(entries) => entries.size_hint(),
            Self::Views(entries) => entries.size_hint(),
        }
    }
}

impl<K: Key, V: Record> ExactSizeIterator for MapIter<'_, K, V> {}

/// Both maps have the same archive.
macro_rules! map {
    ([$($parameters:tt)*] $map:ty) => {
        // SAFETY: rkyv writes the entries, each through `(K, V)`, and notes where; the length that `finish` notes is that of the view.
        unsafe impl<$($parameters)*> Record for $map {
            type Archived = ArchivedVec<Entry<K, V>>;
            type Resolver = VecResolver;
            type View<'a> = MapView<'a, K, V, Self>;

            const SCHEMA: &'static Schema = &Schema::Map(K::SCHEMA, V::SCHEMA);
            const PLAIN: bool = false;

            #[inline(always)]
            fn view(&self) -> MapView<'_, K, V, Self> {
                MapView::Owned(self)
            }

            #[inline(always)]
            fn view_archived(archived: &Self::Archived) -> MapView<'_, K, V, Self> {
                MapView::Archived(archived.as_slice())
            }

            fn from_view(view: MapView<'_, K, V, Self>) -> Self {
                view.iter().map(<(K, V)>::from_view).collect()
            }

            fn from_value(value: Value<'_>) -> Option<Self> {
                let entries = value.entries()?;
                let len = entries.len();
                let map = entries.map(|(key, value)| Some((K::from_value(key)?, V::from_value(value)?)));
                map.collect::<Option<Self>>().filter(|map| map.len() == len)
            }

            fn write(view: MapView<'_, K, V, Self>, out: &mut Encoder<'_>) -> Result<VecResolver, EncodeError> {
                view.write(out)
            }

            fn finish(view: MapView<'_, K, V, Self>, resolver: VecResolver, out: Place<Self::Archived>) {
                view.finish(resolver, out);
            }
        }

        impl<$($parameters)*> View for MapView<'static, K, V, $map> {
            type Record = $map;
        }
    };
}

map!([K: Key + Ord, V: Record] BTreeMap<K, V>);
map!([K: Key + Hash + Eq, V: Record, S: BuildHasher + Default + Send + 'static] HashMap<K, V, S>);
