//! The records that rank first in a window, a record for each rank.

use std::marker::PhantomData;

use millstream_core::{
    record::Record,
    time::{Timestamp, Window},
};

use crate::{
    failure::Failure,
    operator::{Push, Stage, forward_stage},
    stream::Plan,
    task::context::ChainContext,
};

/// The plan of a chain that puts out windows with a list of records, in the order of ranks, and then goes on rank by rank. It has the types of keys and records
/// as parameters, since rustc does not find them by way of the plan where closures behind it are checked.
pub struct RankedPlan<P, K, T> {
    lists: P,
    types: PhantomData<fn() -> (K, T)>,
}

impl<P, K, T> RankedPlan<P, K, T> {
    pub(crate) fn new(lists: P) -> Self {
        Self { lists, types: PhantomData }
    }
}

impl<P, K, T> Plan for RankedPlan<P, K, T>
where
    P: Plan<Out = (K, Window, Vec<T>)>,
    K: Record,
    T: Record,
{
    type In = P::In;
    type Out = (K, Window, u64, T);
    type Chain<N: Push<Self::Out>> = P::Chain<EachRank<N>>;

    fn chain<N: Push<Self::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        self.lists.chain(cx, EachRank { next })
    }
}

/// Makes a record for each rank of a window's result.
pub struct EachRank<N> {
    next: N,
}

impl<K: Record, T: Record, N: Push<(K, Window, u64, T)>> Push<(K, Window, Vec<T>)> for EachRank<N> {
    #[inline(always)]
    fn push(&mut self, (key, window, records): <(K, Window, Vec<T>) as Record>::View<'_>, at: Timestamp) {
        for (record, rank) in records.into_iter().zip(1..) {
            self.next.push((key, window, rank, record), at);
        }
    }
}

impl<N: Stage> Stage for EachRank<N> {
    forward_stage!();
}
