//! [`Fields`], a row with the plain fields of a state, and [`ValueState`], a field with a row of its own.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use millstream_core::{key::Key, record::Record, schema::Schema};
use millstream_state::{row::ByKey, table::Table};

use super::{
    Absent, Hashed, Opening, StateField, StateRef, StateTable, StateTables, state::field_marker, tables::Stored,
};
use crate::graph::{StateInfo, StateKind};

/// The name of the state that has a struct's plain fields; no field can be called so.
const PLAIN_FIELDS: &str = "plain-fields";

/// What is stored as a row, and read and written as a struct.
pub trait Row: Record {
    /// The struct: that which derives [`State`](super::State), or one of its plain fields.
    type Struct;

    /// The struct in the row.
    fn get(&self) -> &Self::Struct;
    /// The struct in the row.
    fn get_mut(&mut self) -> &mut Self::Struct;
}

/// A row for each key, and what an absent one reads as.
pub struct FieldsTable<K: Key, V: Record> {
    rows: Stored<Table<ByKey<K>, V>>,
    make: fn() -> V,
    absent: V,
}

impl<K: Key, V: Record> FieldsTable<K, V> {
    /// What it is: the plain fields of a struct.
    pub fn describe() -> StateInfo {
        StateInfo { name: PLAIN_FIELDS, kind: StateKind::Fields, key: Some(K::SCHEMA), entry: None, value: V::SCHEMA }
    }

    /// The table of a subtask, for the plain fields of a struct. `absent` makes what a row is before it is first written.
    pub fn open(cx: &Opening<'_>, absent: fn() -> V) -> Self {
        Self::named(PLAIN_FIELDS, cx, absent)
    }

    fn named(name: &'static str, cx: &Opening<'_>, absent: fn() -> V) -> Self {
        Self { rows: Stored::open(name, cx), make: absent, absent: absent() }
    }

    /// The row of a key.
    #[inline(always)]
    pub fn at<'a, 'k>(&'a mut self, key: Hashed<'k, K>) -> Fields<'a, 'k, K, V> {
        Fields { table: self, key }
    }
}

impl<K: Key, V: Record> StateTables for FieldsTable<K, V> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.rows.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.rows.for_each(visit);
    }
}

/// The row of a key: it reads as the struct, at no cost, and as its defaults before it is first written. Writing to it (any use as `&mut`) keeps it.
pub struct Fields<'a, 'k, K: Key, V: Record> {
    table: &'a mut FieldsTable<K, V>,
    key: Hashed<'k, K>,
}

impl<K: Key, V: Record> Fields<'_, '_, K, V> {
    /// True if there is nothing stored for the key.
    pub fn is_absent(&self) -> bool {
        self.table.rows.get(self.key.hash, self.key.key).is_none()
    }

    /// Removes what is stored for the key: it then reads as its defaults again.
    pub fn clear(&mut self) {
        self.table.rows.remove(self.key.hash, self.key.key);
    }

    #[inline(always)]
    fn row(&self) -> &V {
        self.table.rows.get(self.key.hash, self.key.key).unwrap_or(&self.table.absent)
    }

    #[inline(always)]
    fn row_mut(&mut self) -> &mut V {
        self.table.rows.entry(self.key.hash, self.key.key, self.table.make)
    }
}

impl<K: Key, V: Record> StateRef for Fields<'_, '_, K, V> {
    fn is_absent(&self) -> bool {
        Self::is_absent(self)
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

impl<K: Key, V: Row> Deref for Fields<'_, '_, K, V> {
    type Target = V::Struct;

    #[inline(always)]
    fn deref(&self) -> &V::Struct {
        self.row().get()
    }
}

impl<K: Key, V: Row> DerefMut for Fields<'_, '_, K, V> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut V::Struct {
        self.row_mut().get_mut()
    }
}

impl<K: Key, V: Row<Struct: fmt::Debug>> fmt::Debug for Fields<'_, '_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A value for each key in a row of its own: a field of a [`State`](super::State) that is large, or written at other times than the fields beside it, which
/// would be copied with it at a snapshot.
pub struct ValueState<T>(PhantomData<fn() -> T>);

field_marker!(ValueState<T>);

/// The value of a key: it reads as its [`Default`] before it is first written. Writing to it (any use as `&mut`) keeps it.
pub struct ValueRef<'a, 'k, K: Key, T: Record>(Fields<'a, 'k, K, T>);

impl<K: Key, T: Record> ValueRef<'_, '_, K, T> {
    /// True if there is nothing stored for the key.
    pub fn is_absent(&self) -> bool {
        self.0.is_absent()
    }

    /// Removes what is stored for the key: it then reads as its default again.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K: Key, T: Record> StateRef for ValueRef<'_, '_, K, T> {
    fn is_absent(&self) -> bool {
        self.0.is_absent()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K: Key, T: Record> Deref for ValueRef<'_, '_, K, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        self.0.row()
    }
}

impl<K: Key, T: Record> DerefMut for ValueRef<'_, '_, K, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        self.0.row_mut()
    }
}

impl<K: Key, T: Record + fmt::Debug> fmt::Debug for ValueRef<'_, '_, K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Record + Absent> StateField for ValueState<T> {
    const KIND: StateKind = StateKind::Value;
    const ENTRY: Option<&'static Schema> = None;
    const VALUE: &'static Schema = T::SCHEMA;

    type Table<K: Key> = FieldsTable<K, T>;
    type Ref<'a, 'k, K: Key> = ValueRef<'a, 'k, K, T>;

    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> FieldsTable<K, T> {
        FieldsTable::named(name, cx, T::absent)
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut FieldsTable<K, T>, key: Hashed<'k, K>) -> ValueRef<'a, 'k, K, T> {
        ValueRef(table.at(key))
    }
}
