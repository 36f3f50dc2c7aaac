//! [`Arrival`]: what comes in on a port of a join, which is all that its two sides differ in.

use millstream_core::{buffer::Records, key::Key, packed::Packed, record::Record};

use super::{
    Keep,
    chunk::{Left, Right, Side},
    pairing::Sides,
};
use crate::{
    metrics::Counter,
    operator::{KeyFn, OpenContext},
    process::{EitherKey, EitherView},
};

/// How many keys are hashed and prefetched before their rows are touched.
pub(super) const PREFETCH_RECORDS: usize = 64;

/// The records of a side, of which `M` says what is kept.
pub(super) trait Arrival<L: Record, R: Record, A, B, M: Keep<R>>: Side<L, M::Kept> {
    type Record: Record;
    type KeyFn: KeyFn<Self::Record>;

    fn key(key: &EitherKey<A, B>) -> &Self::KeyFn;
    fn either(record: <Self::Record as Record>::View<'_>) -> EitherView<'_, L, R>;
    fn kept(record: <Self::Record as Record>::View<'_>) -> <Self::Own as Record>::View<'_>;
    /// Those of a key and window.
    fn list(sides: &mut Sides<L, M::Kept>) -> &mut Packed<Self::Own>;
    /// The counter of those that are late.
    fn late(counters: &[Counter; 2]) -> &Counter;
}

impl<L: Record, R: Record, A: KeyFn<L>, B, M: Keep<R>> Arrival<L, R, A, B, M> for Left {
    type Record = L;
    type KeyFn = A;

    #[inline(always)]
    fn key(key: &EitherKey<A, B>) -> &A {
        &key.left
    }

    #[inline(always)]
    fn either(record: L::View<'_>) -> EitherView<'_, L, R> {
        EitherView::Left(record)
    }

    #[inline(always)]
    fn kept(record: L::View<'_>) -> L::View<'_> {
        record
    }

    #[inline(always)]
    fn list(sides: &mut Sides<L, M::Kept>) -> &mut Packed<L> {
        &mut sides.0
    }

    fn late(counters: &[Counter; 2]) -> &Counter {
        &counters[0]
    }
}

impl<L: Record, R: Record, A, B: KeyFn<R>, M: Keep<R>> Arrival<L, R, A, B, M> for Right {
    type Record = R;
    type KeyFn = B;

    #[inline(always)]
    fn key(key: &EitherKey<A, B>) -> &B {
        &key.right
    }

    #[inline(always)]
    fn either(record: R::View<'_>) -> EitherView<'_, L, R> {
        EitherView::Right(record)
    }

    #[inline(always)]
    fn kept(record: R::View<'_>) -> <M::Kept as Record>::View<'_> {
        M::kept(record)
    }

    #[inline(always)]
    fn list(sides: &mut Sides<L, M::Kept>) -> &mut Packed<M::Kept> {
        &mut sides.1
    }

    fn late(counters: &[Counter; 2]) -> &Counter {
        &counters[1]
    }
}

/// The counters of late records, for [`Arrival::late`].
pub(super) fn late_counters(open: &OpenContext<'_>) -> [Counter; 2] {
    ["late_left_records", "late_right_records"].map(|name| open.counter(name))
}

/// Hashes the keys of records `from..to`, which are as many at most.
#[inline(always)]
pub(super) fn hash_keys<T: Record, K: KeyFn<T>>(
    records: &Records<'_, T>,
    (from, to): (usize, usize),
    key: &K,
    hashes: &mut [u64; PREFETCH_RECORDS],
) {
    for (i, hash) in (from..to).zip(hashes.iter_mut()) {
        *hash = match records.hash(i) {
            Some(hash) => hash,
            None => key.with(records.get(i), |key| <K::Key as Key>::hash(key)),
        };
    }
}
