//! [`AggregatingState`] and [`ReducingState`]: for each key, what records come to together.

use std::marker::PhantomData;

use millstream_core::{aggregate::Aggregate, key::Key, record::Record, schema::Schema, time::Timestamp};

use super::{
    Expiring, ExpiringRows, Hashed, KeyRows, Opening, Plain, StateField, StateRef, StateTable, StateTables,
    state::field_marker, ttl::stored,
};
use crate::graph::StateKind;

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
        AggregatingTable { rows: Plain::open(name, cx), aggregate: A::default(), types: PhantomData }
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(
        table: &'a mut AggregatingTable<K, T, A>,
        key: Hashed<'k, K>,
    ) -> AggregatingRef<'a, 'k, K, T, A> {
        table.rows.release();
        AggregatingRef { table, key }
    }
}

/// The accumulators of all keys.
pub struct AggregatingTable<
    K: Key,
    T: Record,
    A: Aggregate<T>,
    R: KeyRows<K, A::Acc> = Plain<K, <A as Aggregate<T>>::Acc>,
> {
    rows: R,
    aggregate: A,
    types: PhantomData<fn() -> (K, T)>,
}

impl<K: Key, T: Record, A: Aggregate<T>, R: KeyRows<K, A::Acc>> StateTables for AggregatingTable<K, T, A, R> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.rows.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.rows.for_each(visit);
    }
}

/// The accumulator of a key.
pub struct AggregatingRef<
    'a,
    'k,
    K: Key,
    T: Record,
    A: Aggregate<T>,
    R: KeyRows<K, A::Acc> = Plain<K, <A as Aggregate<T>>::Acc>,
> {
    table: &'a mut AggregatingTable<K, T, A, R>,
    key: Hashed<'k, K>,
}

impl<K: Key, T: Record, A: Aggregate<T>, R: KeyRows<K, A::Acc>> Drop for AggregatingRef<'_, '_, K, T, A, R> {
    #[inline(always)]
    fn drop(&mut self) {
        self.table.rows.done_with(self.key);
    }
}

impl<K: Key, T: Record, A: Aggregate<T>, R: KeyRows<K, A::Acc>> AggregatingRef<'_, '_, K, T, A, R> {
    /// Adds a record that happened at this time: `state.volume.add(trade, cx.timestamp())`.
    #[inline]
    pub fn add(&mut self, record: T::View<'_>, at: Timestamp) {
        let AggregatingTable { rows, aggregate, .. } = &mut *self.table;
        aggregate.add(rows.entry(self.key, || aggregate.create()), record, at);
    }

    /// What the records come to; `None` if there were none.
    #[inline]
    pub fn get(&self) -> Option<A::Out> {
        let accumulator = self.table.rows.get(self.key)?;
        Some(self.table.aggregate.finish(accumulator))
    }

    /// True if no record was added.
    pub fn is_absent(&self) -> bool {
        self.table.rows.get(self.key).is_none()
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.table.rows.remove(self.key);
    }
}

impl<K: Key, T: Record, A: Aggregate<T>, R: KeyRows<K, A::Acc>> StateRef for AggregatingRef<'_, '_, K, T, A, R> {
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
        ReducingTable { rows: Plain::open(name, cx), types: PhantomData }
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut ReducingTable<K, R>, key: Hashed<'k, K>) -> ReducingRef<'a, 'k, K, R> {
        table.rows.release();
        ReducingRef { rows: &mut table.rows, key, types: PhantomData }
    }
}

/// What the records of all keys were joined to.
pub struct ReducingTable<K: Key, R: Reducer, S: KeyRows<K, R::Of> = Plain<K, <R as Reducer>::Of>> {
    rows: S,
    types: PhantomData<fn() -> (K, R)>,
}

impl<K: Key, R: Reducer, S: KeyRows<K, R::Of>> StateTables for ReducingTable<K, R, S> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.rows.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.rows.for_each(visit);
    }
}

/// What the records of a key were joined to.
pub struct ReducingRef<'a, 'k, K: Key, R: Reducer, S: KeyRows<K, R::Of> = Plain<K, <R as Reducer>::Of>> {
    rows: &'a mut S,
    key: Hashed<'k, K>,
    types: PhantomData<fn() -> R>,
}

impl<K: Key, R: Reducer, S: KeyRows<K, R::Of>> Drop for ReducingRef<'_, '_, K, R, S> {
    #[inline(always)]
    fn drop(&mut self) {
        self.rows.done_with(self.key);
    }
}

impl<K: Key, R: Reducer, S: KeyRows<K, R::Of>> ReducingRef<'_, '_, K, R, S> {
    /// Adds a record.
    #[inline]
    pub fn add(&mut self, record: <R::Of as Record>::View<'_>) {
        let mut joined = false;
        let first = || {
            joined = true;
            R::Of::from_view(record)
        };
        let so_far = self.rows.entry(self.key, first);
        if !joined {
            *so_far = R::reduce(so_far.view(), record);
        }
    }

    /// What the records were joined to; `None` if there were none.
    #[inline]
    pub fn get(&self) -> Option<&R::Of> {
        self.rows.get(self.key)
    }

    /// True if no record was added.
    pub fn is_absent(&self) -> bool {
        self.get().is_none()
    }

    /// Forgets the records.
    pub fn clear(&mut self) {
        self.rows.remove(self.key);
    }
}

impl<K: Key, R: Reducer, S: KeyRows<K, R::Of>> StateRef for ReducingRef<'_, '_, K, R, S> {
    fn is_absent(&self) -> bool {
        Self::is_absent(self)
    }

    fn clear(&mut self) {
        Self::clear(self);
    }
}

impl<T: Record, A: Aggregate<T> + Default, const MILLIS: u64, const ON_READ: bool, const SHOWS_OVER: bool> StateField
    for Expiring<AggregatingState<T, A>, MILLIS, ON_READ, SHOWS_OVER>
{
    const KIND: StateKind = StateKind::Aggregating;
    const ENTRY: Option<&'static Schema> = None;
    const VALUE: &'static Schema = stored::<A::Acc>();

    type Table<K: Key> = AggregatingTable<K, T, A, ExpiringRows<K, A::Acc>>;
    type Ref<'a, 'k, K: Key> = AggregatingRef<'a, 'k, K, T, A, ExpiringRows<K, A::Acc>>;

    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> Self::Table<K> {
        AggregatingTable { rows: ExpiringRows::open(name, cx, Self::TTL), aggregate: A::default(), types: PhantomData }
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut Self::Table<K>, key: Hashed<'k, K>) -> Self::Ref<'a, 'k, K> {
        table.rows.release();
        AggregatingRef { table, key }
    }
}

impl<R: Reducer, const MILLIS: u64, const ON_READ: bool, const SHOWS_OVER: bool> StateField
    for Expiring<ReducingState<R>, MILLIS, ON_READ, SHOWS_OVER>
{
    const KIND: StateKind = StateKind::Reducing;
    const ENTRY: Option<&'static Schema> = None;
    const VALUE: &'static Schema = stored::<R::Of>();

    type Table<K: Key> = ReducingTable<K, R, ExpiringRows<K, R::Of>>;
    type Ref<'a, 'k, K: Key> = ReducingRef<'a, 'k, K, R, ExpiringRows<K, R::Of>>;

    fn open<K: Key>(name: &'static str, cx: &Opening<'_>) -> Self::Table<K> {
        ReducingTable { rows: ExpiringRows::open(name, cx, Self::TTL), types: PhantomData }
    }

    #[inline(always)]
    fn at<'a, 'k, K: Key>(table: &'a mut Self::Table<K>, key: Hashed<'k, K>) -> Self::Ref<'a, 'k, K> {
        table.rows.release();
        ReducingRef { rows: &mut table.rows, key, types: PhantomData }
    }
}
