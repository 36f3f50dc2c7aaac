//! Aggregation before the exchange: the writer behind which a window aggregation stands. What can be aggregated where nobody sees the difference is,
//! and travels as partial results; any other record travels as itself.

use std::marker::PhantomData;

use millstream_core::{aggregate::Aggregate, buffer::Columns, key::Key, record::Record, table::Table, time::Timestamp};
use millstream_state::manifest::Spread;

use super::{
    assigner::{Assigner, Clock},
    head::{PARTIALS_PORT, Partial, RECORDS_PORT},
    slices::Slices,
};
use crate::{
    checkpoint::{
        Barrier,
        subtask::{OperatorReport, StateAccess},
    },
    env::Instant,
    exchange::{
        output::event_of,
        partition::Owners,
        partitioned::{Lanes, Senders},
    },
    failure::Failure,
    graph::{OperatorInfo, OutputId},
    operator::{KeyFn, Push, Signal, Stage, Wait, earliest},
    task::{contain::Guard, context::ChainContext},
};

/// If a full table has not at least halved the number of records, aggregating is not worth it for now.
const WORTHWHILE_RECORDS_PER_ENTRY: usize = 2;
/// How many records per entry of the table then pass by before it is tried again.
const BYPASS_RECORDS_PER_ENTRY: usize = 16;
/// After how many records a table is sent though it has room, where accumulators may grow with every record.
const ABSORBED_RECORDS_LIMIT: usize = 64 << 10;
/// What an entry of unknown size is taken to own besides its slot, in bytes.
const ENTRY_HEAP_BYTES: usize = 64;

/// The state that says how far the senders are: their watermark, and whether they may be behind the receiver.
const SENDERS_STATE: &str = "senders";

/// Aggregates, or sends on, the records of a subtask.
pub(crate) struct PreAggregate<T: Record, K: KeyFn<T>, W, A: Aggregate<T>> {
    key: K,
    windows: W,
    aggregate: A,
    slices: Slices<Table<K::Key, A::Acc>>,
    /// How many entries the slices have, and may have.
    entries: usize,
    entries_limit: usize,
    /// How many records have gone into them.
    absorbed: usize,
    /// How many records are still to pass by.
    bypass: usize,
    watermark: Timestamp,
    /// The input has been idle once. Meanwhile the receiver's event time may have gone past that of this sender, so that only the receiver can tell
    /// what is late, and only of records: from then on nothing is aggregated here.
    may_be_behind: bool,
    state: StateAccess,
    info: OperatorInfo,
    owners: Owners,
    records: Lanes<T>,
    partials: Lanes<Partial<K::Key, A::Acc>>,
    senders: Senders,
    record: PhantomData<fn(T)>,
}

impl<T, K, W, A> PreAggregate<T, K, W, A>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
{
    /// Only event-time windows with their default trigger, and aggregates that merge, may be aggregated early.
    const POSSIBLE: bool = A::MERGES && matches!(W::CLOCK, Clock::Event);

    pub(crate) fn open(
        cx: &mut ChainContext<'_>,
        (key, windows, aggregate): (K, W, A),
        info: OperatorInfo,
        output: OutputId,
        timed: bool,
    ) -> Result<Self, Failure> {
        let senders = cx.senders(output);
        // The receiver has come as far as the sender that was last. To be at another's place, which was further, would only mean to aggregate less; to be
        // behind the receiver would mean to aggregate what is late.
        let state = cx.state_of(senders.receiver.clone());
        let before = state.restored().all::<(Timestamp, bool)>(SENDERS_STATE)?;
        let settings = &cx.task.settings;
        let hashed = <K::Key as Key>::CARRY_HASH;
        // A table that has just grown is not half full.
        let heap = if <K::Key as Record>::PLAIN && A::Acc::PLAIN { 0 } else { ENTRY_HEAP_BYTES };
        let entry_bytes = 2 * size_of::<(u64, K::Key, A::Acc)>() + heap;
        Ok(Self {
            owners: Owners::new(senders.max_parallelism, senders.len()),
            records: Lanes::new(settings, Columns { timed, hashed }, RECORDS_PORT, senders.len()),
            partials: Lanes::new(settings, Columns { timed: false, hashed }, PARTIALS_PORT, senders.len()),
            key,
            windows,
            aggregate,
            slices: Slices::default(),
            entries: 0,
            entries_limit: (cx.preaggregation_bytes / entry_bytes).max(1),
            absorbed: 0,
            bypass: 0,
            watermark: before.iter().map(|(watermark, _)| *watermark).min().unwrap_or(Timestamp::MIN),
            may_be_behind: before.iter().any(|(_, may_be_behind)| *may_be_behind),
            state,
            info,
            senders,
            record: PhantomData,
        })
    }

    /// Takes part in a checkpoint: what was aggregated has been sent, so only the time is left to be remembered.
    fn snapshot(&mut self, barrier: Barrier) {
        let values = [(self.watermark, self.may_be_behind)];
        let report = self.state.encode(SENDERS_STATE, Spread::Union, &values);
        self.state.report(barrier, report.map(|value| OperatorReport { values: vec![value], ..Default::default() }));
    }

    /// Sends the partial results of the slices that end at or before `until`.
    fn send_partials(&mut self, until: Timestamp) {
        let Self { slices, senders, owners, partials, entries, .. } = self;
        for slice in slices.close_until(until) {
            *entries -= slice.table.len();
            for (key, accumulator) in slice.table.into_entries() {
                let hash = <K::Key as Key>::hash(key.view());
                let partial = (key.view(), slice.window, accumulator.view());
                partials.push(senders, owners.of(hash), partial, Timestamp::MIN, hash);
            }
        }
        if self.entries == 0 {
            self.absorbed = 0;
        }
    }

    /// The table is full: sends it, and judges whether it was worth it.
    #[cold]
    #[inline(never)]
    fn overflow(&mut self) {
        if self.absorbed < self.entries * WORTHWHILE_RECORDS_PER_ENTRY {
            self.bypass = self.entries * BYPASS_RECORDS_PER_ENTRY;
        }
        self.send_partials(Timestamp::MAX);
        self.absorbed = 0;
    }
}

impl<T, K, W, A> Push<T> for PreAggregate<T, K, W, A>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
{
    #[inline(always)]
    fn push(&mut self, record: T::View<'_>, at: Timestamp) {
        let guard = Guard::new(&self.info);
        let hash = self.key.with(record, |key| <K::Key as Key>::hash(key));
        guard.done();
        self.take(record, at, hash);
    }
}

impl<T, K, W, A> PreAggregate<T, K, W, A>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
{
    /// Aggregates a record, or sends it.
    #[inline(always)]
    fn take(&mut self, record: T::View<'_>, at: Timestamp, hash: u64) {
        let Self { key, windows, aggregate, slices, owners, records, senders, info, .. } = self;
        let mut send = || records.push(senders, owners.of(hash), record, at, hash);
        if !Self::POSSIBLE || self.may_be_behind {
            return send();
        }
        if self.bypass > 0 {
            self.bypass -= 1;
            return send();
        }
        let slice = match slices.find(windows, at) {
            Ok(slice) => slice,
            // What may be late is the receiver's to judge.
            Err(slice) if slice.max_timestamp() <= self.watermark => return send(),
            // So is what is in no window.
            Err(slice) if windows.window_after(slice, Timestamp::MIN).is_none() => return send(),
            Err(slice) => slices.open(slice, slice.max_timestamp(), Table::of_sender),
        };
        let before = slice.table.len();
        let guard = Guard::new(info);
        key.with(record, |key| {
            aggregate.add(slice.table.entry(hash, key, || aggregate.create()), record, at);
        });
        guard.done();
        self.absorbed += 1;
        if slice.table.len() > before {
            self.entries += 1;
            if self.entries >= self.entries_limit {
                self.overflow();
            }
        } else if !A::Acc::PLAIN && self.absorbed >= ABSORBED_RECORDS_LIMIT {
            self.overflow();
        }
    }
}

impl<T, K, W, A> Stage for PreAggregate<T, K, W, A>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
{
    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Watermark(at) => {
                self.watermark = self.watermark.max(at);
                self.send_partials(at);
            }
            // What came before must not wait here while others close its windows.
            Signal::Idle => {
                self.may_be_behind = true;
                self.send_partials(Timestamp::MAX);
            }
            // What came before the barrier has to be part of the receiver's state.
            Signal::Barrier(barrier) => {
                self.send_partials(Timestamp::MAX);
                self.snapshot(barrier);
            }
            _ => {}
        }
        if let Some(event) = event_of(signal) {
            self.records.seal(&mut self.senders);
            self.partials.seal(&mut self.senders);
            self.senders.event(event);
        }
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.senders.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        earliest(self.records.flush(&mut self.senders, now), self.partials.flush(&mut self.senders, now))
    }

    fn idle(&mut self) {}

    fn ready(&mut self) -> Wait<'_> {
        self.senders.ready()
    }

    fn finish(&mut self) -> Wait<'_> {
        self.ready()
    }
}
