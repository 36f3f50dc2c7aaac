//! [`AggregatingState`] and [`ReducingState`]: for each key, what records come to together.

use std::marker::PhantomData;

use millstream_core::{aggregate::Aggregate, key::Key, record::Record, schema::Schema, time::Timestamp};
use millstream_state::{row::ByKey, table::Table};

use super::{Hashed, Opening, StateField, StateRef, StateTable, StateTables, state::field_marker, tables::Stored};
use crate::graph::StateKind;

/// A row for each key.
type Rows<K, V> = Stored<Table<ByKey<K>, V>>;

/// What an [`Aggregate`] makes of the records of type `T` that are added for a key: a field of a [`State`](super::State). The aggregate is a type of its own
/// that has a [`Default`], as one made by `#[aggregate]`.
pub struct AggregatingState<T, A>(PhantomData<fn() -> (T, A)>);

field_marker!(AggregatingState<T, A>);

impl<T: Record, A: Aggregate<T> + Default> StateField for AggregatingState<T, A> {
    const KIND: StateKind = StateKind::Aggregating;
    const ENTRY: Option<&'static Schema> = None;
    const VALUE: &'static Schema = <A::Acc as Record>::SCHEMA;

    type Table<K: Key> = AggregatingTable<K, T, A>;
    type Ref<'a, 'k, K: Key> = AggregatingRef<'a, 'k, K, T, A>;

    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> AggregatingTable<K, T, A> {
        AggregatingTable { rows: Stored::open(name, cx), aggregate: A::default() }
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(
        table: &'a mut AggregatingTable<K, T, A>,
        key: Hashed<'k, K>,
    ) -> AggregatingRef<'a, 'k, K, T, A> {
        AggregatingRef { table, key }
    }
}

/// The accumulators of all keys.
pub struct AggregatingTable<K: Key, T: Record, A: Aggregate<T>> {
    rows: Rows<K, A::Acc>,
    aggregate: A,
}

impl<K: Key, T: Record, A: Aggregate<T>> StateTables for AggregatingTable<K, T, A> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.rows.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.rows.for_each(visit);
    }
}

/// The accumulator of a key.
pub struct AggregatingRef<'a, 'k, K: Key, T: Record, A: Aggregate<T>> {
    table: &'a mut AggregatingTable<K, T, A>,
    key: Hashed<'k, K>,
}

impl<K: Key, T: Record, A: Aggregate<T>> AggregatingRef<'_, '_, K, T, A> {
    /// Adds a record that happened at this time: `state.volume.add(trade, cx.timestamp())`.
    #[inline]
    pub fn add(&mut self, record: T::View<'_>, at: Timestamp) {
        let AggregatingTable { rows, aggregate } = &mut *self.table;
        aggregate.add(rows.entry(self.key.hash, self.key.key, || aggregate.create()), record, at);
    }

    /// What the records come to; `None` if there were none.
    #[inline]
    pub fn get(&self) -> Option<A::Out> {
        let accumulator = self.table.rows.get(self.key.hash, self.key.key)?;
        Some(self.table.aggregate.finish(accumulator))
    }

    /// True if no record was added.
    pub fn is_absent(&self) -> bool {
        self.table.rows.get(self.key.hash, self.key.key).is_none()
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.table.rows.remove(self.key.hash, self.key.key);
    }
}

impl<K: Key, T: Record, A: Aggregate<T>> StateRef for AggregatingRef<'_, '_, K, T, A> {
    fn is_absent(&self) -> bool {
        Self::is_absent(self)
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

/// Joins records two by two, for a [`ReducingState`].
pub trait Reducer: 'static {
    /// What it joins.
    type Of: Record;

    /// What was joined so far and the next record, as one.
    fn reduce(joined: <Self::Of as Record>::View<'_>, next: <Self::Of as Record>::View<'_>) -> Self::Of;
}

/// What a [`Reducer`] makes of the records that are added for a key: a field of a [`State`](super::State).
pub struct ReducingState<R>(PhantomData<fn() -> R>);

field_marker!(ReducingState<R>);

impl<R: Reducer> StateField for ReducingState<R> {
    const KIND: StateKind = StateKind::Reducing;
    const ENTRY: Option<&'static Schema> = None;
    const VALUE: &'static Schema = <R::Of as Record>::SCHEMA;

    type Table<K: Key> = ReducingTable<K, R>;
    type Ref<'a, 'k, K: Key> = ReducingRef<'a, 'k, K, R>;

    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> ReducingTable<K, R> {
        ReducingTable(Stored::open(name, cx))
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut ReducingTable<K, R>, key: Hashed<'k, K>) -> ReducingRef<'a, 'k, K, R> {
        ReducingRef { rows: &mut table.0, key }
    }
}

/// What the records of all keys were joined to.
pub struct ReducingTable<K: Key, R: Reducer>(Rows<K, R::Of>);

impl<K: Key, R: Reducer> StateTables for ReducingTable<K, R> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.0.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.0.for_each(visit);
    }
}

/// What the records of a key were joined to.
pub struct ReducingRef<'a, 'k, K: Key, R: Reducer> {
    rows: &'a mut Rows<K, R::Of>,
    key: Hashed<'k, K>,
}

impl<K: Key, R: Reducer> ReducingRef<'_, '_, K, R> {
    /// Adds a record.
    #[inline]
    pub fn add(&mut self, record: <R::Of as Record>::View<'_>) {
        let mut joined = false;
        let first = || {
            joined = true;
            R::Of::from_view(record)
        };
        let so_far = self.rows.entry(self.key.hash, self.key.key, first);
        if !joined {
            *so_far = R::reduce(so_far.view(), record);
        }
    }

    /// What the records were joined to; `None` if there were none.
    #[inline]
    pub fn get(&self) -> Option<&R::Of> {
        self.rows.get(self.key.hash, self.key.key)
    }

    /// True if no record was added.
    pub fn is_absent(&self) -> bool {
        self.get().is_none()
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.rows.remove(self.key.hash, self.key.key);
    }
}

impl<K: Key, R: Reducer> StateRef for ReducingRef<'_, '_, K, R> {
    fn is_absent(&self) -> bool {
        Self::is_absent(self)
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}
