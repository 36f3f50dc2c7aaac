//! The head that aggregates in windows: takes records and partial results, and fires whole slices.

use std::marker::PhantomData;

use millstream_core::{
    aggregate::Aggregate,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::manifest::Spread;

use super::{
    assigner::{Assigner, Clock},
    fire::Due,
    kept::{Closed, Kept},
};
use crate::{
    checkpoint::subtask::{OperatorReport, StateAccess},
    failure::Failure,
    graph::{OperatorInfo, OutputId},
    metrics::Counter,
    operator::{KeyFn, Push, Signal, Stage, Wait, forward_stage},
    operators::outlet::Outlet,
    stream::Plan,
    task::{
        context::ChainContext,
        forward::Forward,
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

/// The state that says how far windows have fired.
const PROGRESS_STATE: &str = "progress";

/// How many keys are hashed and prefetched before their entries are touched.
pub(super) const PREFETCH_RECORDS: usize = 64;

/// The plan of a chain that begins with window aggregation.
pub struct WindowPlan<T, K, W, A> {
    pub(crate) key: K,
    pub(crate) windows: W,
    pub(crate) aggregate: A,
    /// How long a window is kept when it has fired, in milliseconds of event time.
    pub(crate) lateness_ms: i64,
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
        // All subtasks had the same at the barrier, unless it overtook records, or one had it from another exchange.
        let watermark = state.own::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        let closed = Closed { at: watermark.unwrap_or(Timestamp::MIN), lateness_ms: self.lateness_ms };
        let snapshots = cx.snapshots(WINDOWS_STATE, &state);
        let progress = state.restored().all(PROGRESS_STATE)?;
        Ok(WindowHead {
            key: self.key.clone(),
            windows: self.windows.clone(),
            aggregate: self.aggregate.clone(),
            due: Due::new(closed.at, progress, snapshots.groups()),
            kept: Kept::new(snapshots, state.is_checkpointed(), closed),
            state,
            forward: Forward::default(),
            hashes: [0; PREFETCH_RECORDS],
            late: self.late.map(|output| cx.output(output, self.timed)).transpose()?,
            late_records,
            info,
            next,
            record: PhantomData,
        })
    }
}

/// Aggregates by key and window.
pub struct WindowHead<T: Record, K: KeyFn<T>, W, A: Aggregate<T>, N> {
    pub(super) key: K,
    pub(super) windows: W,
    pub(super) aggregate: A,
    pub(super) kept: Kept<K::Key, A::Acc>,
    pub(super) due: Due<K::Key>,
    state: StateAccess,
    /// What to pass on once everything has fired.
    pub(super) forward: Forward,
    pub(super) hashes: [u64; PREFETCH_RECORDS],
    pub(super) late: Option<Outlet<T>>,
    pub(super) late_records: Counter,
    pub(super) info: OperatorInfo,
    pub(super) next: N,
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
            self.fire_until(Timestamp::from_millis(cx.wall.millis().saturating_sub(1)));
        }
        let firing = self.fire()?;
        cx.interrupt(firing, || Ok(self.take(cx, input)))
    }

    fn background(&mut self) -> Background {
        self.kept.stored.walk(!self.kept.closing.is_empty())
    }

    fn state_bytes(&mut self) -> usize {
        self.kept.size_bytes()
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(self.kept.restore(self.windows.clone()))
    }

    fn timer(&self) -> Option<Timestamp> {
        if W::CLOCK == Clock::Event {
            return None;
        }
        let mut slices = self.kept.stored.slices.as_slice().iter();
        slices.find_map(|slice| self.windows.window_after(slice.window, self.due.fired())).map(|window| window.end)
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
    /// Takes a batch in.
    fn take(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Progress {
        match input.port() {
            Some(PARTIALS_PORT) => self.merge(input),
            Some(_) => {
                let records = input.records::<T>().expect("a cursor with a port has records");
                let (mut at, end) = (input.position(), records.len());
                while at < end {
                    let to = (at + PREFETCH_RECORDS).min(end);
                    at = self.add(cx, &records, at, to);
                    input.advance_to(at);
                    // What is late is put out at once.
                    if self.is_full() {
                        return Progress::NeedsOutput;
                    }
                    if at < to {
                        return Progress::MoreWork;
                    }
                }
            }
            None => {}
        }
        Progress::Consumed
    }

    /// Takes part in a checkpoint.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.kept.closed.at])?;
        let progress = self.state.encode(PROGRESS_STATE, Spread::Union, &self.progress())?;
        let upload = self.kept.stored.freeze()?;
        Ok(OperatorReport { values: vec![watermark, progress], uploads: vec![upload] })
    }

    pub(super) fn pass_on(&mut self, signal: Signal) {
        if let Some(late) = &mut self.late {
            late.signal(signal);
        }
        self.next.signal(signal);
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
    forward_stage!(except signal, beside late);

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Watermark(at) => {
                // Behind a restore it may begin further back than it was.
                // By the wall clock only the end of the input closes windows from here.
                if W::CLOCK == Clock::Event {
                    self.kept.closed.at = self.kept.closed.at.max(at);
                    self.fire_until(self.kept.closed.at);
                } else if at == Timestamp::MAX {
                    self.fire_until(at);
                }
                self.forward.watermark(at);
            }
            Signal::Barrier(barrier) => {
                let report = self.snapshot();
                self.state.report(barrier, report);
                self.pass_on(signal);
            }
            signal => {
                if let Some(signal) = self.forward.hold(signal) {
                    self.pass_on(signal);
                }
            }
        }
    }
}
