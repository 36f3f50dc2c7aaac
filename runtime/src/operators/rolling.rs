//! The head that aggregates as records come: each record of a key brings a new result.

use std::marker::PhantomData;

use millstream_core::{
    aggregate::{Aggregate, Rolling},
    buffer::Records,
    key::Key,
    record::Record,
};
use millstream_state::{row::ByKey, spill::SpillTable};

use crate::{
    checkpoint::{
        keyed::{Snapshots, restore_spilling},
        subtask::{OperatorReport, StateAccess},
    },
    failure::Failure,
    graph::OperatorInfo,
    operator::{KeyFn, Push, Signal, Stage, Wait, forward_stage},
    stream::Plan,
    task::{
        contain::Guard,
        context::ChainContext,
        head::{Background, BatchCursor, Head, One, Progress, TaskContext},
    },
};

/// How many keys are hashed and prefetched before their entries are touched.
const PREFETCH_RECORDS: usize = 64;

/// The state that has the accumulator of each key.
const RESULTS_STATE: &str = "results";

/// The plan of a chain that begins with rolling aggregation.
pub struct RollingPlan<T, K, A> {
    pub(crate) key: K,
    pub(crate) aggregate: A,
    pub(crate) index: usize,
    pub(crate) record: PhantomData<fn(T)>,
}

impl<T: Record, K: KeyFn<T>, A: Aggregate<T>> Plan for RollingPlan<T, K, A> {
    type In = One<T>;
    type Out = (K::Key, Rolling<A::Out>);
    type Chain<N: Push<Self::Out>> = RollingHead<T, K, A, N>;

    fn chain<N: Push<Self::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        cx.measure_state(&info);
        let state = cx.state(&info);
        let snapshots = cx.snapshots(RESULTS_STATE, &state);
        Ok(RollingHead {
            key: self.key.clone(),
            aggregate: self.aggregate.clone(),
            table: snapshots.spill_table(),
            snapshots,
            state,
            hashes: [0; PREFETCH_RECORDS],
            info,
            next,
        })
    }
}

/// Aggregates by key. Its keyed state grows with the number of keys.
pub struct RollingHead<T: Record, K: KeyFn<T>, A: Aggregate<T>, N> {
    key: K,
    aggregate: A,
    table: SpillTable<ByKey<K::Key>, A::Acc>,
    snapshots: Snapshots<ByKey<K::Key>, A::Acc>,
    state: StateAccess,
    hashes: [u64; PREFETCH_RECORDS],
    info: OperatorInfo,
    next: N,
}

impl<T, K, A, N> Head for RollingHead<T, K, A, N>
where
    T: Record,
    K: KeyFn<T>,
    A: Aggregate<T>,
    N: Push<(K::Key, Rolling<A::Out>)>,
{
    fn poll(&mut self, _: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        let Some(records) = input.records::<T>() else { return Ok(Progress::Consumed) };
        let (mut at, end) = (records.position(), records.len());
        while at < end {
            at = self.add(&records, at, (at + PREFETCH_RECORDS).min(end));
            if self.next.is_full() {
                break;
            }
        }
        input.advance_to(at);
        Ok(if at < end { Progress::NeedsOutput } else { Progress::Consumed })
    }

    fn background(&mut self) -> Background {
        self.snapshots.walk(&mut self.table)
    }

    fn is_held_up(&mut self) -> bool {
        self.table.is_full()
    }

    fn state_bytes(&mut self) -> usize {
        self.snapshots.measure(&mut self.table)
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(self.snapshots.restore(|block| restore_spilling(&mut self.table, block)))
    }
}

impl<T, K, A, N> RollingHead<T, K, A, N>
where
    T: Record,
    K: KeyFn<T>,
    A: Aggregate<T>,
    N: Push<(K::Key, Rolling<A::Out>)>,
{
    /// Adds records `from..to` and pushes a result for each, until the output is full: first all hashes, with their slots asked for, then the
    /// entries. Says which record is next.
    fn add(&mut self, records: &Records<'_, T>, from: usize, to: usize) -> usize {
        let Self { key, aggregate, table, hashes, info, next, .. } = self;
        let guard = Guard::new(info);
        for (i, hash) in (from..to).zip(hashes.iter_mut()) {
            *hash = match records.hash(i) {
                Some(hash) => hash,
                None => key.with(records.get(i), |key| <K::Key as Key>::hash(key)),
            };
        }
        guard.done();
        if table.wants_prefetch() {
            hashes[..to - from].iter().for_each(|hash| table.prefetch(*hash));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), records.time(i));
            let guard = Guard::new(info);
            let (key, out) = key.with(record, |key| {
                let (key, accumulator) = table.entry_and_key(*hash, key, || aggregate.create());
                aggregate.add(accumulator, record, at);
                (key, aggregate.finish(accumulator))
            });
            guard.done();
            next.push((key.view(), Rolling(out.view())), at);
            if next.is_full() {
                return i + 1;
            }
        }
        to
    }
}

impl<T, K, A, N> Stage for RollingHead<T, K, A, N>
where
    T: Record,
    K: KeyFn<T>,
    A: Aggregate<T>,
    N: Push<(K::Key, Rolling<A::Out>)>,
{
    forward_stage!(except signal);

    fn signal(&mut self, signal: Signal) {
        if let Signal::Barrier(barrier) = signal {
            let frozen = self.snapshots.freeze(&mut self.table);
            self.state
                .report(barrier, frozen.map(|upload| OperatorReport { uploads: vec![upload], values: Vec::new() }));
        }
        self.next.signal(signal);
    }
}
