//! [`KeySet`]: the set of values behind an exact count.

use std::{fmt, slice, vec};

use rkyv::{
    Place,
    vec::{ArchivedVec, VecResolver},
};

use crate::{
    dynamic::Value,
    impls::check_list_size,
    key::Key,
    record::{EncodeError, Encoder, Record, ViewOf},
    schema::Schema,
    table::Table,
    view::View,
};

/// Different values of one key type. Its archive is a list sorted by [`Key::compare`], so that equal sets have equal bytes.
pub struct KeySet<K: Key> {
    keys: Table<K, ()>,
}

impl<K: Key> Default for KeySet<K> {
    fn default() -> Self {
        Self { keys: Table::default() }
    }
}

impl<K: Key> fmt::Debug for KeySet<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl<K: Key> KeySet<K> {
    /// How many there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a value, unless it is there already.
    #[inline(always)]
    pub fn insert(&mut self, key: K::View<'_>) {
        self.keys.entry(K::hash(key), key, || ());
    }
}

/// The values of a set, wherever they are.
pub enum KeySetView<'a, K: Key> {
    /// A set in memory.
    Owned(&'a KeySet<K>),
    /// Sorted values in a sealed buffer.
    Archived(&'a [K::Archived]),
}

impl<K: Key> Clone for KeySetView<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Key> Copy for KeySetView<'_, K> {}

impl<K: Key> fmt::Debug for KeySetView<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

impl<'a, K: Key> KeySetView<'a, K> {
    fn len(self) -> usize {
        match self {
            Self::Owned(set) => set.len(),
            Self::Archived(keys) => keys.len(),
        }
    }

    /// All values, in the order of [`Key::compare`]. Those of a set in memory are sorted here.
    pub fn iter(self) -> KeySetIter<'a, K> {
        match self {
            Self::Owned(set) => {
                let mut keys: Vec<&K> = set.keys.iter().map(|(key, ())| key).collect();
                keys.sort_unstable_by(|a, b| K::compare(a.view(), b.view()));
                KeySetIter::Owned(keys.into_iter())
            }
            Self::Archived(keys) => KeySetIter::Archived(keys.iter()),
        }
    }
}

/// Goes through the views of a set's values, in order.
pub enum KeySetIter<'a, K: Key> {
    /// The sorted values of a set in memory.
    Owned(vec::IntoIter<&'a K>),
    /// Values in a sealed buffer.
    Archived(slice::Iter<'a, K::Archived>),
}

impl<K: Key> Clone for KeySetIter<'_, K> {
    fn clone(&self) -> Self {
        match self {
            Self::Owned(keys) => Self::Owned(keys.clone()),
            Self::Archived(keys) => Self::Archived(keys.clone()),
        }
    }
}

impl<'a, K: Key> Iterator for KeySetIter<'a, K> {
    type Item = K::View<'a>;

    #[inline]
    fn next(&mut self) -> Option<K::View<'a>> {
        match self {
            Self::Owned(keys) => keys.next().map(K::view),
            Self::Archived(keys) => keys.next().map(K::view_archived),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Owned(keys) => keys.size_hint(),
            Self::Archived(keys) => keys.size_hint(),
        }
    }
}

impl<K: Key> ExactSizeIterator for KeySetIter<'_, K> {}

// SAFETY: rkyv writes the values, each through `K`, and notes where; the length that `finish` notes is that of the view they came from.
unsafe impl<K: Key> Record for KeySet<K> {
    type Archived = ArchivedVec<K::Archived>;
    type Resolver = VecResolver;
    type View<'a> = KeySetView<'a, K>;

    const SCHEMA: &'static Schema = &Schema::List(K::SCHEMA);
    const PLAIN: bool = false;

    #[inline(always)]
    fn view(&self) -> KeySetView<'_, K> {
        KeySetView::Owned(self)
    }

    #[inline(always)]
    fn view_archived(archived: &Self::Archived) -> KeySetView<'_, K> {
        KeySetView::Archived(archived.as_slice())
    }

    fn from_view(view: KeySetView<'_, K>) -> Self {
        let mut set = Self::default();
        view.iter().for_each(|key| set.insert(key));
        set
    }

    fn from_value(value: Value<'_>) -> Option<Self> {
        let mut set = Self::default();
        for key in value.elements()? {
            set.insert(K::from_value(key)?.view());
        }
        Some(set)
    }

    fn write(view: KeySetView<'_, K>, out: &mut Encoder<'_>) -> Result<VecResolver, EncodeError> {
        check_list_size(view.len(), size_of::<K::Archived>())?;
        ArchivedVec::serialize_from_iter::<ViewOf<'_, K>, _, _>(view.iter().map(ViewOf::<K>), out)
    }

    fn finish(view: KeySetView<'_, K>, resolver: VecResolver, out: Place<Self::Archived>) {
        ArchivedVec::resolve_from_len(view.len(), resolver, out);
    }
}

impl<K: Key> View for KeySetView<'static, K> {
    type Record = KeySet<K>;
}
