//! [`Fields`], a row with the plain fields of a state, and [`ValueState`], a field with a row of its own.

use std::{
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use millstream_core::{key::Key, record::Record, schema::Schema};

use super::{
    Absent, Expiring, ExpiringRows, Hashed, KeyRows, Opening, Plain, StateField, StateRef, StateTable, StateTables,
    Ttl, state::field_marker, ttl::stored,
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
pub struct FieldsTable<K: Key, V: Record, R: KeyRows<K, V> = Plain<K, V>> {
    rows: R,
    make: fn() -> V,
    absent: V,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key, V: Record> FieldsTable<K, V> {
    /// The table of a subtask, for the plain fields of a struct. `absent` makes what a row is before it is first written.
    pub fn open(cx: &Opening<'_>, absent: fn() -> V) -> Self {
        Self::over(Plain::open(PLAIN_FIELDS, cx), absent)
    }
}

impl<K: Key, V: Record> FieldsTable<K, V, ExpiringRows<K, V>> {
    /// As [`open`](FieldsTable::open), for fields with a time to live.
    pub fn expiring(cx: &Opening<'_>, absent: fn() -> V, ttl: Ttl) -> Self {
        Self::over(ExpiringRows::open(PLAIN_FIELDS, cx, ttl), absent)
    }
}

impl<K: Key, V: Record, R: KeyRows<K, V>> FieldsTable<K, V, R> {
    /// What it is: the plain fields of a struct.
    pub fn describe() -> StateInfo {
        StateInfo { name: PLAIN_FIELDS, kind: StateKind::Fields, key: Some(K::SCHEMA), entry: None, value: R::STORED }
    }

    fn over(rows: R, absent: fn() -> V) -> Self {
        Self { rows, make: absent, absent: absent(), keys: PhantomData }
    }

    /// The row of a key.
    #[inline(always)]
    pub fn at<'a, 'k>(&'a mut self, key: Hashed<'k, K>) -> Fields<'a, 'k, K, V, R> {
        self.rows.release();
        Fields { table: self, key }
    }
}

impl<K: Key, V: Record, R: KeyRows<K, V>> StateTables for FieldsTable<K, V, R> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.rows.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.rows.for_each(visit);
    }
}

/// The row of a key: it reads as the struct, at no cost, and as its defaults before it is first written. Writing to it (any use as `&mut`) keeps it.
pub struct Fields<'a, 'k, K: Key, V: Record, R: KeyRows<K, V> = Plain<K, V>> {
    table: &'a mut FieldsTable<K, V, R>,
    key: Hashed<'k, K>,
}

impl<K: Key, V: Record, R: KeyRows<K, V>> Fields<'_, '_, K, V, R> {
    /// True if there is nothing stored for the key.
    pub fn is_absent(&self) -> bool {
        self.table.rows.get(self.key).is_none()
    }

    /// Removes what is stored for the key: it then reads as its defaults again.
    pub fn clear(&mut self) {
        self.table.rows.remove(self.key);
    }

    #[inline(always)]
    fn row(&self) -> &V {
        self.table.rows.get(self.key).unwrap_or(&self.table.absent)
    }

    #[inline(always)]
    fn row_mut(&mut self) -> &mut V {
        self.table.rows.entry(self.key, self.table.make)
    }
}

impl<K: Key, V: Record, R: KeyRows<K, V>> Drop for Fields<'_, '_, K, V, R> {
    #[inline(always)]
    fn drop(&mut self) {
        self.table.rows.done_with(self.key);
    }
}

impl<K: Key, V: Record, R: KeyRows<K, V>> StateRef for Fields<'_, '_, K, V, R> {
    fn is_absent(&self) -> bool {
        Self::is_absent(self)
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

impl<K: Key, V: Row, R: KeyRows<K, V>> Deref for Fields<'_, '_, K, V, R> {
    type Target = V::Struct;

    #[inline(always)]
    fn deref(&self) -> &V::Struct {
        self.row().get()
    }
}

impl<K: Key, V: Row, R: KeyRows<K, V>> DerefMut for Fields<'_, '_, K, V, R> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut V::Struct {
        self.row_mut().get_mut()
    }
}

impl<K: Key, V: Row<Struct: fmt::Debug>, R: KeyRows<K, V>> fmt::Debug for Fields<'_, '_, K, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// A value for each key in a row of its own: a field of a [`State`](super::State) that is large, or written at other times than the fields beside it, which
/// would be copied with it at a snapshot.
pub struct ValueState<T>(PhantomData<fn() -> T>);

field_marker!(ValueState<T>);

/// The value of a key: it reads as its [`Default`] before it is first written. Writing to it (any use as `&mut`) keeps it.
pub struct ValueRef<'a, 'k, K: Key, T: Record, R: KeyRows<K, T> = Plain<K, T>>(Fields<'a, 'k, K, T, R>);

impl<K: Key, T: Record, R: KeyRows<K, T>> ValueRef<'_, '_, K, T, R> {
    /// True if there is nothing stored for the key.
    pub fn is_absent(&self) -> bool {
        self.0.is_absent()
    }

    /// Removes what is stored for the key: it then reads as its default again.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K: Key, T: Record, R: KeyRows<K, T>> StateRef for ValueRef<'_, '_, K, T, R> {
    fn is_absent(&self) -> bool {
        self.0.is_absent()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

impl<K: Key, T: Record, R: KeyRows<K, T>> Deref for ValueRef<'_, '_, K, T, R> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        self.0.row()
    }
}

impl<K: Key, T: Record, R: KeyRows<K, T>> DerefMut for ValueRef<'_, '_, K, T, R> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        self.0.row_mut()
    }
}

impl<K: Key, T: Record + fmt::Debug, R: KeyRows<K, T>> fmt::Debug for ValueRef<'_, '_, K, T, R> {
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
        FieldsTable::over(Plain::open(name, cx), T::absent)
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut FieldsTable<K, T>, key: Hashed<'k, K>) -> ValueRef<'a, 'k, K, T> {
        ValueRef(table.at(key))
    }
}

impl<T: Record + Absent, const MILLIS: u64, const ON_READ: bool, const SHOWS_OVER: bool> StateField
    for Expiring<ValueState<T>, MILLIS, ON_READ, SHOWS_OVER>
{
    const KIND: StateKind = StateKind::Value;
    const ENTRY: Option<&'static Schema> = None;
    const VALUE: &'static Schema = stored::<T>();

    type Table<K: Key> = FieldsTable<K, T, ExpiringRows<K, T>>;
    type Ref<'a, 'k, K: Key> = ValueRef<'a, 'k, K, T, ExpiringRows<K, T>>;

    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> Self::Table<K> {
        FieldsTable::over(ExpiringRows::open(name, cx, Self::TTL), T::absent)
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut Self::Table<K>, key: Hashed<'k, K>) -> Self::Ref<'a, 'k, K> {
        ValueRef(table.at(key))
    }
}
