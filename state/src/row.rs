//! What identifies a row of state: a key of the stream, or that with a key of a map or the position in a list behind it.

use std::{cmp::Ordering, marker::PhantomData};

use millstream_core::{
    key::{Key, mix},
    record::Record,
};

/// How the rows of a table are told apart, sharded and sorted. The upper 32 bits of a row's hash are those of the stream's key, so that they give its key
/// group; rows are sorted by hash and then by `compare`, which sorts them by key group, too.
pub trait RowKey: Send + 'static {
    /// The row's key as it is stored.
    type Key: Record;

    /// The hash.
    fn hash(key: <Self::Key as Record>::View<'_>) -> u64;
    /// True if the two are of the same row.
    fn same(a: <Self::Key as Record>::View<'_>, b: <Self::Key as Record>::View<'_>) -> bool;
    /// A total order that agrees with `same`.
    fn compare(a: <Self::Key as Record>::View<'_>, b: <Self::Key as Record>::View<'_>) -> Ordering;
}

/// One row per key of the stream.
#[derive(Debug)]
pub struct ByKey<K>(PhantomData<fn() -> K>);

impl<K: Key> RowKey for ByKey<K> {
    type Key = K;

    #[inline(always)]
    fn hash(key: K::View<'_>) -> u64 {
        K::hash(key)
    }
    #[inline(always)]
    fn same(a: K::View<'_>, b: K::View<'_>) -> bool {
        K::same(a, b)
    }
    #[inline(always)]
    fn compare(a: K::View<'_>, b: K::View<'_>) -> Ordering {
        K::compare(a, b)
    }
}

/// Any number of rows per key of the stream: the entries of a map by their keys, the elements of a list by their positions, timers by their times.
#[derive(Debug)]
pub struct ByEntry<K, E>(PhantomData<fn() -> (K, E)>);

/// The hash of an entry: the upper half is that of the stream's key.
#[inline(always)]
pub fn entry_hash(key: u64, entry: u64) -> u64 {
    const UPPER: u64 = !0 << 32;
    (key & UPPER) | (mix(key.rotate_left(17) ^ entry) & !UPPER)
}

impl<K: Key, E: Key> RowKey for ByEntry<K, E> {
    type Key = (K, E);

    #[inline(always)]
    fn hash((key, entry): (K::View<'_>, E::View<'_>)) -> u64 {
        entry_hash(K::hash(key), E::hash(entry))
    }
    #[inline(always)]
    fn same(a: (K::View<'_>, E::View<'_>), b: (K::View<'_>, E::View<'_>)) -> bool {
        K::same(a.0, b.0) && E::same(a.1, b.1)
    }
    #[inline(always)]
    fn compare(a: (K::View<'_>, E::View<'_>), b: (K::View<'_>, E::View<'_>)) -> Ordering {
        K::compare(a.0, b.0).then_with(|| E::compare(a.1, b.1))
    }
}
