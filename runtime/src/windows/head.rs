//! The head that aggregates in windows: takes records and partial results, and fires whole slices.

use std::{collections::VecDeque, marker::PhantomData};

use millstream_core::{
    aggregate::Aggregate,
    buffer::Records,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{
    manifest::Spread,
    row::ByKey,
    snapshot::Namespace,
    table::{Drain, Table},
};

use super::{
    assigner::{Assigner, Clock},
    slices::{Slice, Slices},
};
use crate::{
    checkpoint::{
        keyed::{Snapshots, Walk, restore_block, step},
        subtask::{OperatorReport, StateAccess},
    },
    env::Instant,
    exchange::output::Output,
    failure::Failure,
    graph::{OperatorInfo, OutputId},
    metrics::Counter,
    operator::{KeyFn, Push, Signal, Stage, Wait, earliest},
    stream::Plan,
    task::{
        contain::Guard,
        context::ChainContext,
        head::{Background, BatchCursor, Head, Progress, TaskContext, Two},
    },
};

/// What a sender has aggregated of a key and a window.
pub(crate) type Partial<K, A> = (K, Window, A);

/// The port for records as they are, and that for partial results.
pub(crate) const RECORDS_PORT: u8 = 0;
pub(crate) const PARTIALS_PORT: u8 = 1;

/// The state that has the accumulators of the open windows.
const WINDOWS_STATE: &str = "windows";
/// The state that says how far event time has come.
const WATERMARK_STATE: &str = "watermark";

/// So many windows that have fired are told the next snapshot one by one; if there are more, it is a full one.
const DROPPED_LIMIT: usize = 16 << 10;
/// How many keys are hashed and prefetched before their entries are touched.
const PREFETCH_RECORDS: usize = 64;
/// How many results are pushed before the task looks around.
const FIRE_RECORDS_LIMIT: usize = 1024;

/// The plan of a chain that begins with window aggregation.
pub struct WindowPlan<T, K, W, A> {
    pub(crate) key: K,
    pub(crate) windows: W,
    pub(crate) aggregate: A,
    pub(crate) index: usize,
    pub(crate) late: Option<OutputId>,
    pub(crate) timed: bool,
    pub(crate) record: PhantomData<fn(T)>,
}

impl<T, K, W, A> Plan for WindowPlan<T, K, W, A>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
{
    type In = Two<T, Partial<K::Key, A::Acc>>;
    type Out = (K::Key, Window, A::Out);
    type Chain<N: Push<Self::Out>> = WindowHead<T, K, W, A, N>;

    fn chain<N: Push<Self::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        let late_records = cx.open_context(&info).counter("late_records");
        cx.measure_state(&info);
        let state = cx.state(&info);
        // All subtasks had the same at the barrier, unless one had it from another exchange.
        let watermark = state.restored().all::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        Ok(WindowHead {
            key: self.key.clone(),
            windows: self.windows.clone(),
            aggregate: self.aggregate.clone(),
            slices: Slices::default(),
            firing: VecDeque::new(),
            snapshots: cx.snapshots(WINDOWS_STATE, &state),
            dropped: Vec::new(),
            state,
            watermark: watermark.unwrap_or(Timestamp::MIN),
            forward: None,
            hashes: [0; PREFETCH_RECORDS],
            late: self.late.map(|output| cx.output(output, self.timed)),
            late_records,
            info,
            next,
            record: PhantomData,
        })
    }
}

/// The table of an open slice.
type Accumulators<K, A> = Table<ByKey<K>, A>;

/// Aggregates by key and window.
pub struct WindowHead<T: Record, K: KeyFn<T>, W, A: Aggregate<T>, N> {
    key: K,
    windows: W,
    aggregate: A,
    slices: Slices<Accumulators<K::Key, A::Acc>>,
    /// Slices that have closed and whose results are being pushed.
    firing: VecDeque<(Window, Drain<ByKey<K::Key>, A::Acc>)>,
    snapshots: Snapshots<ByKey<K::Key>, A::Acc>,
    /// The windows that have fired since the last snapshot.
    dropped: Vec<Namespace>,
    state: StateAccess,
    watermark: Timestamp,
    /// The watermark to pass on once everything has fired.
    forward: Option<Timestamp>,
    hashes: [u64; PREFETCH_RECORDS],
    late: Option<Output<T>>,
    late_records: Counter,
    info: OperatorInfo,
    next: N,
    record: PhantomData<fn(T)>,
}

impl<T, K, W, A, N> Head for WindowHead<T, K, W, A, N>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
    N: Push<(K::Key, Window, A::Out)>,
{
    fn poll(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        if W::CLOCK == Clock::Processing {
            self.close_until(Timestamp::from_millis(cx.wall.millis().saturating_sub(1)));
        }
        if let Some(progress) = self.fire() {
            return Ok(progress);
        }
        match input.port() {
            Some(PARTIALS_PORT) => self.merge(input),
            Some(_) => {
                let records = input.records::<T>().expect("a cursor with a port has records");
                let end = records.len();
                // The late output is the only one that is written here, so it alone decides when to pause.
                let mut at = input.position();
                while at < end {
                    at = self.add(cx, &records, at, (at + PREFETCH_RECORDS).min(end));
                    input.advance_to(at);
                    if self.late.as_ref().is_some_and(Stage::is_full) {
                        return Ok(Progress::NeedsOutput);
                    }
                }
            }
            None => {}
        }
        Ok(Progress::Consumed)
    }

    fn background(&mut self) -> Background {
        if !self.snapshots.is_copying() {
            if self.snapshots.take_given_up() {
                self.slices.iter_mut().for_each(|slice| slice.table.abandon());
            }
            return Background::Done;
        }
        // The snapshot has its windows in order, and what has closed comes before what is open.
        if !self.firing.is_empty() || !self.snapshots.has_room() {
            return Background::Later;
        }
        let Some(slice) = self.slices.iter_mut().find(|slice| slice.table.is_frozen()) else {
            self.snapshots.end();
            return Background::Later;
        };
        match step(&mut self.snapshots, &mut slice.table, Namespace(Some(slice.window))) {
            Walk::More | Walk::Done => {}
            Walk::Failed => self.snapshots.give_up(),
        }
        Background::More
    }

    fn state_bytes(&mut self) -> usize {
        self.slices.iter_mut().map(|slice| slice.table.size_bytes()).sum()
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(async {
            let Self { slices, snapshots, .. } = self;
            let blank = snapshots.blank();
            let restored = snapshots.restore(|block| {
                let Namespace(Some(window)) = block.namespace() else { return };
                let slice = match slices.get(window) {
                    Some(slice) => slice,
                    None => slices.open(window, || blank.table()),
                };
                restore_block(&mut slice.table, block);
            });
            restored.await
        })
    }

    fn timer(&self) -> Option<Timestamp> {
        if W::CLOCK == Clock::Processing { self.slices.first_end() } else { None }
    }
}

impl<T, K, W, A, N> WindowHead<T, K, W, A, N>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
    N: Push<(K::Key, Window, A::Out)>,
{
    /// Adds records `from..to` to their windows: first all hashes, with their slots asked for, then the entries.
    fn add(&mut self, cx: &TaskContext, records: &Records<'_, T>, from: usize, to: usize) -> usize {
        let Self { key, windows, aggregate, slices, snapshots, hashes, info, .. } = self;
        let guard = Guard::new(info);
        for (i, hash) in (from..to).zip(hashes.iter_mut()) {
            *hash = match records.hash(i) {
                Some(hash) => hash,
                None => key.with(records.get(i), |key| <K::Key as Key>::hash(key)),
            };
        }
        prefetch(slices, &hashes[..to - from]);
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), records.time(i));
            let slice = match slices.find(windows, time_of::<W>(cx, at)) {
                Ok(slice) => slice,
                // Only a slice that is not open can be closed already.
                Err(window) if W::CLOCK == Clock::Event && window.max_timestamp() <= self.watermark => {
                    self.late_records.add(1);
                    if let Some(late) = &mut self.late {
                        late.push(record, at);
                    }
                    continue;
                }
                Err(window) => slices.open(window, || snapshots.table()),
            };
            key.with(record, |key| {
                aggregate.add(slice.table.entry(*hash, key, || aggregate.create()), record, at);
            });
        }
        guard.done();
        to
    }

    /// Merges what senders have aggregated.
    fn merge(&mut self, input: &mut BatchCursor<'_>) {
        let partials = input.records::<Partial<K::Key, A::Acc>>().expect("a cursor with a port has records");
        let Self { aggregate, slices, snapshots, info, .. } = self;
        let guard = Guard::new(info);
        let (mut at, end) = (input.position(), partials.len());
        while at < end {
            let to = (at + PREFETCH_RECORDS).min(end);
            for (i, hash) in (at..to).zip(self.hashes.iter_mut()) {
                *hash = partials.hash(i).unwrap_or_else(|| <K::Key as Key>::hash(partials.get(i).0));
            }
            prefetch(slices, &self.hashes[..to - at]);
            for (i, hash) in (at..to).zip(self.hashes.iter()) {
                let (key, window, partial) = partials.get(i);
                // A sender aggregates only what its own watermark does not close, and flushes before it passes the watermark on.
                debug_assert!(window.max_timestamp() > self.watermark, "a partial result is never late");
                let slice = match slices.get(window) {
                    Some(slice) => slice,
                    None => slices.open(window, || snapshots.table()),
                };
                aggregate.merge(slice.table.entry(*hash, key, || aggregate.create()), partial);
            }
            at = to;
        }
        guard.done();
        input.advance_to(end);
    }

    fn close_until(&mut self, at: Timestamp) {
        for slice in self.slices.close_until(at) {
            if self.state.is_checkpointed() {
                self.dropped.push(Namespace(Some(slice.window)));
            }
            self.firing.push_back((slice.window, slice.table.drain()));
        }
        if self.dropped.len() > DROPPED_LIMIT {
            self.dropped.clear();
            self.snapshots.start_over();
        }
    }

    /// Takes part in a checkpoint.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.watermark])?;
        let changed = |slice: &mut Slice<Accumulators<K::Key, A::Acc>>| {
            (slice.table.dirty_share() * slice.table.len() as f64, slice.table.len() as f64)
        };
        let (changed, all) =
            self.slices.iter_mut().map(changed).fold((0.0, 0.0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        let kind = self.snapshots.kind(changed / f64::max(all, 1.0))?;
        self.slices.iter_mut().for_each(|slice| slice.table.freeze(kind));
        let upload = self.snapshots.begin(kind, std::mem::take(&mut self.dropped));
        Ok(OperatorReport { values: vec![watermark], uploads: vec![upload] })
    }

    /// Pushes results of closed slices, a bounded number; then passes the watermark on.
    fn fire(&mut self) -> Option<Progress> {
        let mut pushed = 0;
        while let Some((window, results)) = self.firing.front_mut() {
            for (key, accumulator) in results.by_ref() {
                let guard = Guard::new(&self.info);
                let out = self.aggregate.finish(&accumulator);
                guard.done();
                self.next.push((key.view(), *window, out.view()), window.max_timestamp());
                pushed += 1;
                if self.next.is_full() {
                    return Some(Progress::NeedsOutput);
                }
                if pushed == FIRE_RECORDS_LIMIT {
                    return Some(Progress::MoreWork);
                }
            }
            if let Some((window, results)) = self.firing.pop_front() {
                // What a snapshot that is being copied had of it.
                match results.finish() {
                    Ok(frozen) => {
                        frozen.into_iter().for_each(|range| self.snapshots.offer(Namespace(Some(window)), range))
                    }
                    Err(_) => self.snapshots.give_up(), // a row is too large, which cannot be seen before
                }
            }
        }
        if let Some(watermark) = self.forward.take() {
            self.pass_on(Signal::Watermark(watermark));
        }
        None
    }

    fn pass_on(&mut self, signal: Signal) {
        if let Some(late) = &mut self.late {
            late.signal(signal);
        }
        self.next.signal(signal);
    }
}

/// The time that counts for windows.
#[inline(always)]
fn time_of<W: Assigner>(cx: &TaskContext, at: Timestamp) -> Timestamp {
    if W::CLOCK == Clock::Processing { cx.wall } else { at }
}

/// Asks for the entries that a batch is about to touch; in the slice that was used last, which mostly is the one of them all.
#[inline(always)]
fn prefetch<K: Key, A: Record>(slices: &Slices<Accumulators<K, A>>, hashes: &[u64]) {
    if let Some(table) = slices.last().filter(|table| table.wants_prefetch()) {
        hashes.iter().for_each(|hash| table.prefetch(*hash));
    }
}

impl<T, K, W, A, N> Stage for WindowHead<T, K, W, A, N>
where
    T: Record,
    K: KeyFn<T>,
    W: Assigner,
    A: Aggregate<T>,
    N: Push<(K::Key, Window, A::Out)>,
{
    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Watermark(at) => {
                // Behind a restore it may begin further back than it was.
                self.watermark = self.watermark.max(at);
                // By the wall clock only the end of the input closes windows from here.
                if W::CLOCK == Clock::Event || at == Timestamp::MAX {
                    self.close_until(at);
                }
                self.forward = Some(at);
            }
            Signal::Barrier(barrier) => {
                let report = self.snapshot();
                self.state.report(barrier, report);
                self.pass_on(signal);
            }
            signal => self.pass_on(signal),
        }
    }

    fn is_full(&self) -> bool {
        self.next.is_full() || self.late.as_ref().is_some_and(Stage::is_full)
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        let late = self.late.as_mut().and_then(|late| late.flush(now));
        earliest(late, self.next.flush(now))
    }

    fn idle(&mut self) {
        self.next.idle();
    }

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(async {
            if let Some(late) = &mut self.late {
                late.ready().await?;
            }
            self.next.ready().await
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            if let Some(late) = &mut self.late {
                late.ready().await?;
            }
            self.next.finish().await
        })
    }
}
