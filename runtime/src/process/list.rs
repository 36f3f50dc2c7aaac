//! [`ListState`]: a list for each key, stored element by element.

use std::marker::PhantomData;

use millstream_core::{key::Key, record::Record, schema::Schema};

use super::{
    Hashed, StateField, StateRef, StateTable, StateTables,
    tables::{self, Lists},
};
use crate::{graph::StateKind, operator::OpenContext};

/// A list for each key: a field of a [`State`](super::State). Each element is a row of its own, so a list may be long: what is written at a snapshot is what has been
/// appended.
pub struct ListState<T>(PhantomData<fn() -> T>);

impl<T: Record> StateField for ListState<T> {
    const KIND: StateKind = StateKind::List;
    const ENTRY: Option<&'static Schema> = None;
    const VALUE: &'static Schema = T::SCHEMA;

    type Table<K: Key> = ListTable<K, T>;
    type Ref<'a, 'k, K: Key> = ListRef<'a, 'k, K, T>;

    fn open<K: Key>(name: &'static str, cx: &OpenContext<'_>) -> ListTable<K, T> {
        ListTable(tables::lists(name, cx))
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut ListTable<K, T>, key: Hashed<'k, K>) -> ListRef<'a, 'k, K, T> {
        ListRef { lists: &mut table.0, key }
    }
}

/// The lists of all keys.
pub struct ListTable<K: Key, T: Record>(Lists<K, T>);

impl<K: Key, T: Record> StateTables for ListTable<K, T> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.0.prefetch(hash);
    }

    fn for_each(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.0);
    }
}

/// The list of a key.
pub struct ListRef<'a, 'k, K: Key, T: Record> {
    lists: &'a mut Lists<K, T>,
    key: Hashed<'k, K>,
}

impl<K: Key, T: Record> ListRef<'_, '_, K, T> {
    /// Appends an element.
    #[inline]
    pub fn push(&mut self, element: T) {
        self.lists.push(self.key.hash, self.key.key, element);
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.lists.len(self.key.hash, self.key.key)
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All elements, in the order in which they were appended.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.lists.iter(self.key.hash, self.key.key)
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
