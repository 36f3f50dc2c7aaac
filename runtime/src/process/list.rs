//! [`ListState`]: a list for each key, stored element by element.

use std::marker::PhantomData;

use millstream_core::{key::Key, record::Record, schema::Schema};
use millstream_state::collections::ListRows;

use super::{Hashed, Opening, StateField, StateRef, StateTable, StateTables, state::field_marker, tables::Stored};
use crate::graph::StateKind;

/// A list for each key: a field of a [`State`](super::State). Each element is a row of its own, so a list may be long: what is written at a snapshot is what has been
/// appended.
pub struct ListState<T>(PhantomData<fn() -> T>);

field_marker!(ListState<T>);

impl<T: Record> StateField for ListState<T> {
    const KIND: StateKind = StateKind::List;
    const ENTRY: Option<&'static Schema> = None;
    const VALUE: &'static Schema = T::SCHEMA;

    type Table<K: Key> = ListTable<K, T>;
    type Ref<'a, 'k, K: Key> = ListRef<'a, 'k, K, T>;

    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> ListTable<K, T> {
        ListTable(Stored::open(name, cx))
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut ListTable<K, T>, key: Hashed<'k, K>) -> ListRef<'a, 'k, K, T> {
        table.0.release();
        ListRef { lists: &mut table.0, key }
    }
}

/// The lists of all keys.
pub struct ListTable<K: Key, T: Record>(Stored<ListRows<K, T>>);

impl<K: Key, T: Record> StateTables for ListTable<K, T> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.0.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.0.for_each(visit);
    }
}

/// The list of a key.
pub struct ListRef<'a, 'k, K: Key, T: Record> {
    lists: &'a mut Stored<ListRows<K, T>>,
    key: Hashed<'k, K>,
}

impl<K: Key, T: Record> ListRef<'_, '_, K, T> {
    /// Appends an element.
    #[inline]
    pub fn push(&mut self, element: T) {
        self.lists.push(self.key.hash, self.key.key, element);
    }

    /// How many elements there are.
    pub fn len(&self) -> u64 {
        self.lists.len_of(self.key.hash, self.key.key)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty_of(self.key.hash, self.key.key)
    }

    /// The element at a position, from 0.
    pub fn get(&self, position: u64) -> Option<&T> {
        self.lists.get(self.key.hash, self.key.key, position)
    }

    /// The element at a position, to be changed.
    pub fn get_mut(&mut self, position: u64) -> Option<&mut T> {
        self.lists.get_mut(self.key.hash, self.key.key, position)
    }

    /// All elements, in the order in which they were appended.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.lists.iter(self.key.hash, self.key.key)
    }

    /// Puts these elements in the place of all.
    pub fn replace(&mut self, elements: impl IntoIterator<Item = T>) {
        self.lists.replace(self.key.hash, self.key.key, elements);
    }

    /// Removes all elements.
    pub fn clear(&mut self) {
        self.lists.clear(self.key.hash, self.key.key);
    }
}

impl<K: Key, T: Record> StateRef for ListRef<'_, '_, K, T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}
