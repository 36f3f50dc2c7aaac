//! Aggregation before the exchange: the writer behind which a window aggregation stands. What can be aggregated where nobody sees the difference is,
//! and travels as partial results; any other record travels as itself.

use millstream_core::{aggregate::Aggregate, buffer::Columns, key::Key, record::Record, time::Timestamp};
use millstream_state::manifest::Spread;

use super::head::{PARTIALS_PORT, Partial, RECORDS_PORT};
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
    task::{contain::Guard, context::ChainContext, run::yield_now},
};

/// If a full table has not at least halved the number of records, aggregating is not worth it for now.
const WORTHWHILE_RECORDS_PER_ENTRY: usize = 2;
/// How many records per entry of the table then pass by before it is tried again.
const BYPASS_RECORDS_PER_ENTRY: usize = 16;
/// After how many records a table is sent though it has room, where accumulators may grow with every record.
const ABSORBED_RECORDS_LIMIT: usize = 64 << 10;
/// What an entry of unknown size is taken to own besides its slot, in bytes.
const ENTRY_HEAP_BYTES: usize = 64;

/// How many partial results are sent before the task looks around.
const SEND_LIMIT: usize = 4 << 10;

/// The state that says how far the senders are: their watermark, and whether they may be behind the receiver.
const SENDERS_STATE: &str = "senders";

/// What a sender has aggregated and not sent yet: partial results by window and key.
pub(crate) trait Partials<T: Record, K: Key, A: Aggregate<T>>: Send + 'static {
    /// False if windows of this kind are not aggregated early.
    const POSSIBLE: bool;

    /// Adds a record. A partial result that has no place beside it is sent.
    fn add(
        &mut self,
        aggregate: &A,
        key: (u64, K::View<'_>),
        record: (T::View<'_>, Timestamp),
        watermark: Timestamp,
        send: impl FnMut(<Partial<K, A::Acc> as Record>::View<'_>),
    ) -> Added;

    /// Hands out so much of what has to be sent before a watermark, and keeps as much of the rest as it likes. True if that was all: until then nothing is added.
    fn drain(
        &mut self,
        until: Timestamp,
        limit: usize,
        send: impl FnMut(u64, <Partial<K, A::Acc> as Record>::View<'_>),
    ) -> bool;

    /// How many there are.
    fn len(&self) -> usize;
}

/// What has become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is in a partial result that was there.
    Absorbed,
    /// It is in a new one.
    New,
    /// It has to be sent as it is: only the receiver knows whether it is late.
    Refused,
}

/// Aggregates, or sends on, the records of a subtask.
pub(crate) struct PreAggregate<T: Record, K: KeyFn<T>, P, A: Aggregate<T>> {
    key: K,
    aggregate: A,
    held: P,
    /// How many entries it may have.
    entries_limit: usize,
    /// How many records have gone into them.
    absorbed: usize,
    /// How many records are still to pass by; it stays so where the input has been idle.
    bypass: usize,
    /// What is to be sent, and not all sent yet. Meanwhile the senders are full.
    sending: Option<Sending>,
    watermark: Timestamp,
    /// The input has been idle once. Meanwhile the receiver's event time may have gone past that of this sender, so that only the receiver can tell
    /// what is late, and only of records: from then on nothing is aggregated here.
    may_be_behind: bool,
    state: StateAccess,
    info: OperatorInfo,
    out: Outputs<T, K::Key, A::Acc>,
}

/// Why partial results are being sent.
#[derive(Debug, Clone, Copy)]
struct Sending {
    /// Those that have to come before this watermark.
    until: Timestamp,
    /// What follows them.
    before: Option<Signal>,
}

/// The way to the receivers: for records, and for partial results.
struct Outputs<T: Record, K: Key, V: Record> {
    owners: Owners,
    records: Lanes<T>,
    partials: Lanes<Partial<K, V>>,
    /// Which of the two was written to last. What is in the other has been sealed: whether a record is late may depend on what came before it.
    last: u8,
    senders: Senders,
}

impl<T: Record, K: Key, V: Record> Outputs<T, K, V> {
    #[inline(always)]
    fn record(&mut self, record: T::View<'_>, at: Timestamp, hash: u64) {
        if self.last != RECORDS_PORT {
            self.partials.seal(&mut self.senders);
            self.last = RECORDS_PORT;
        }
        self.records.push(&mut self.senders, self.owners.of(hash), record, at, hash);
    }

    #[inline(always)]
    fn partial(&mut self, hash: u64, partial: <Partial<K, V> as Record>::View<'_>) {
        if self.last != PARTIALS_PORT {
            self.records.seal(&mut self.senders);
            self.last = PARTIALS_PORT;
        }
        self.partials.push(&mut self.senders, self.owners.of(hash), partial, Timestamp::MIN, hash);
    }

    /// Sends a signal behind all of them.
    fn signal(&mut self, signal: Signal) {
        if let Signal::Watermark(at) = signal {
            match self.last {
                RECORDS_PORT => self.records.watermark(&mut self.senders, at),
                _ => self.partials.watermark(&mut self.senders, at),
            }
        } else if let Some(event) = event_of(signal) {
            self.records.seal(&mut self.senders);
            self.partials.seal(&mut self.senders);
            self.senders.event(event);
        }
    }
}

impl<T, K, P, A> PreAggregate<T, K, P, A>
where
    T: Record,
    K: KeyFn<T>,
    P: Partials<T, K::Key, A>,
    A: Aggregate<T>,
{
    /// Only windows with their default trigger, and aggregates that merge, may be aggregated early.
    const POSSIBLE: bool = A::MERGES && P::POSSIBLE;

    pub(crate) fn open(
        cx: &mut ChainContext<'_>,
        (key, held, aggregate): (K, P, A),
        info: OperatorInfo,
        output: OutputId,
        timed: bool,
    ) -> Result<Self, Failure> {
        let senders = cx.senders(output);
        // The receiver has come as far as the sender that was last. To be at another's place, which was further, would only mean to aggregate less; to be
        // behind the receiver would mean to aggregate what is late.
        let state = cx.state_of(senders.receiver.clone());
        let before = state.restored().all::<(Timestamp, bool)>(SENDERS_STATE)?;
        let may_be_behind = before.iter().any(|(_, may_be_behind)| *may_be_behind);
        let settings = &cx.task.settings;
        let hashed = <K::Key as Key>::CARRY_HASH;
        // A table that has just grown is not half full.
        let heap = if <K::Key as Record>::PLAIN && A::Acc::PLAIN { 0 } else { ENTRY_HEAP_BYTES };
        let entry_bytes = 2 * size_of::<(u64, K::Key, A::Acc)>() + heap;
        Ok(Self {
            key,
            aggregate,
            held,
            entries_limit: (cx.preaggregation_bytes / entry_bytes).max(1),
            absorbed: 0,
            bypass: usize::from(may_be_behind),
            sending: None,
            watermark: before.iter().map(|(watermark, _)| *watermark).min().unwrap_or(Timestamp::MIN),
            may_be_behind,
            state,
            info,
            out: Outputs {
                owners: Owners::new(senders.max_parallelism, senders.len()),
                records: Lanes::new(settings, Columns { timed, hashed }, RECORDS_PORT, senders.len()),
                partials: Lanes::new(settings, Columns { timed: false, hashed }, PARTIALS_PORT, senders.len()),
                last: RECORDS_PORT,
                senders,
            },
        })
    }

    /// Takes part in a checkpoint: what was aggregated has been sent, so only the time is left to be remembered.
    fn snapshot(&mut self, barrier: Barrier) {
        let values = [(self.watermark, self.may_be_behind)];
        let report = self.state.encode(SENDERS_STATE, Spread::Union, &values);
        self.state.report(barrier, report.map(|value| OperatorReport { values: vec![value], ..Default::default() }));
    }

    /// Begins to send partial results. Mostly that is all there is to it.
    fn send(&mut self, sending: Sending) {
        self.sending = Some(sending);
        self.send_some();
    }

    /// Sends some of what is to be sent, and then what it was sent for. True if nothing is left.
    fn send_some(&mut self) -> bool {
        let Self { sending: Some(sending), held, out, .. } = self else { return true };
        let sending = *sending;
        if !held.drain(sending.until, SEND_LIMIT, |hash, partial| out.partial(hash, partial)) {
            out.senders.fill();
            return false;
        }
        if held.len() == 0 {
            self.absorbed = 0;
        }
        self.sending = None;
        if let Some(signal) = sending.before {
            if let Signal::Barrier(barrier) = signal {
                self.snapshot(barrier);
            }
            self.out.signal(signal);
        }
        true
    }

    /// Sends the rest without a look around: something comes behind it already.
    #[cold]
    #[inline(never)]
    fn send_rest(&mut self) {
        while !self.send_some() {}
    }

    /// The table is full: sends it, and judges whether it was worth it.
    #[cold]
    #[inline(never)]
    fn overflow(&mut self) {
        if self.absorbed < self.held.len() * WORTHWHILE_RECORDS_PER_ENTRY {
            self.bypass = self.held.len() * BYPASS_RECORDS_PER_ENTRY;
        }
        self.absorbed = 0;
        self.send(Sending { until: Timestamp::MAX, before: None });
    }
}

impl<T, K, P, A> Push<T> for PreAggregate<T, K, P, A>
where
    T: Record,
    K: KeyFn<T>,
    P: Partials<T, K::Key, A>,
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

impl<T, K, P, A> PreAggregate<T, K, P, A>
where
    T: Record,
    K: KeyFn<T>,
    P: Partials<T, K::Key, A>,
    A: Aggregate<T>,
{
    /// Aggregates a record, or sends it.
    #[inline(always)]
    fn take(&mut self, record: T::View<'_>, at: Timestamp, hash: u64) {
        if self.is_full() {
            self.send_rest(); // an operator that puts out many records at once does not ask each time
        }
        let Self { key, aggregate, held, out, info, .. } = self;
        if !Self::POSSIBLE {
            return out.record(record, at, hash);
        }
        if self.bypass > 0 {
            self.bypass -= usize::from(!self.may_be_behind);
            return out.record(record, at, hash);
        }
        let guard = Guard::new(info);
        let added = key.with(record, |key| {
            held.add(aggregate, (hash, key), (record, at), self.watermark, |partial| out.partial(hash, partial))
        });
        guard.done();
        let full = match added {
            Added::Refused => return out.record(record, at, hash),
            Added::Absorbed => !A::Acc::PLAIN && self.absorbed >= ABSORBED_RECORDS_LIMIT,
            Added::New => held.len() >= self.entries_limit,
        };
        self.absorbed += 1;
        if full {
            self.overflow();
        }
    }
}

impl<T, K, P, A> Stage for PreAggregate<T, K, P, A>
where
    T: Record,
    K: KeyFn<T>,
    P: Partials<T, K::Key, A>,
    A: Aggregate<T>,
{
    fn signal(&mut self, signal: Signal) {
        self.out.senders.hurry(signal.hurries());
        self.send_rest();
        match signal {
            Signal::Watermark(at) => {
                self.watermark = self.watermark.max(at);
                self.send(Sending { until: at, before: Some(signal) });
            }
            // What came before must not wait here while others close its windows.
            Signal::Idle => {
                (self.may_be_behind, self.bypass) = (true, 1);
                self.send(Sending { until: Timestamp::MAX, before: Some(signal) });
            }
            // What came before the barrier has to be part of the receiver's state; and the task counts on its report.
            Signal::Barrier(_) => {
                self.send(Sending { until: Timestamp::MAX, before: Some(signal) });
                self.send_rest();
            }
            signal => self.out.signal(signal),
        }
        self.out.senders.hurry(false);
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.out.senders.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        let Outputs { records, partials, senders, .. } = &mut self.out;
        earliest(records.flush(senders, now), partials.flush(senders, now))
    }

    fn idle(&mut self) {}

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(async {
            loop {
                self.out.senders.ready().await?;
                if self.send_some() {
                    return Ok(());
                }
                yield_now().await;
            }
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        self.ready()
    }
}
