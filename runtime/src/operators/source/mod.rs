//! The head of a chain that reads a [`Source`], and the pool of splits that its subtasks share.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet, VecDeque},
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use futures::future::Either;
use millstream_core::{record::Record, time::Timestamp};
use millstream_state::manifest::Spread;

use super::fused::{Handler, OnError};
use crate::{
    alignment::brake::Brake,
    checkpoint::{
        Barrier,
        restored::Restored,
        subtask::{OperatorReport, StateAccess},
    },
    env::Instant,
    failure::Failure,
    graph::{OperatorInfo, SourceDriver, Splits},
    metrics::TaskMetrics,
    operator::{Push, Signal, SplitSignal, Stage, Wait, earliest},
    source::{
        BadRecord, BadRecordView, Boundedness, ConnectorContext, Discovered, Emit, Emitted, Fetched, Rejects, Source,
        SourceContext, SplitEnumerator, SplitReader,
    },
    stream::Plan,
    task::{
        contain::Guard,
        context::ChainContext,
        flag::Flag,
        head::{BatchCursor, Head, NoInput, Progress, TaskContext},
    },
};

/// The plan of a chain that begins with a source.
pub struct From<S, H = FailBad> {
    pub(crate) source: Arc<S>,
    pub(crate) index: usize,
    /// What becomes of bad records.
    pub(crate) on_bad: H,
}

impl<S: Source, H: OnError<BadRecord, ()>> Plan for From<S, H> {
    type In = NoInput;
    type Out = S::Out;
    type Chain<N: Push<S::Out>> = SourceHead<S, H::Handler, N>;

    fn chain<N: Push<S::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        let blame = |failure: Failure| failure.at_operator(&info.to_string(), Some(info.location));
        let reader = self.source.reader(&cx.connector_context(&info)).map_err(blame)?;
        let pool = cx.splits.take().expect("the job driver starts the source of a source chain");
        let pool = *pool.downcast::<Arc<Pool<S>>>().expect("the driver and the plan of a source have one type");
        let rejects = self.on_bad.open(cx, &info)?;
        Ok(SourceHead {
            reader,
            rejects: Rejected(rejects),
            pool,
            subtask: cx.task.subtask,
            state: State::NoSplit,
            holds: false,
            idle: false,
            seen: 0,
            access: cx.state(&info),
            info,
            metrics: cx.metrics.clone(),
            drain: cx.drain.clone(),
            brake: cx.member.clone().map(|member| Brake::new(member, Arc::clone(&cx.task.env))),
            next,
        })
    }
}

/// The job fails, with the place of the bad record in the message. The default.
#[derive(Debug, Clone, Copy)]
pub struct FailBad;

impl OnError<BadRecord, ()> for FailBad {
    type Handler = FailBad;
    fn open(&self, _: &mut ChainContext<'_>, _: &OperatorInfo) -> Result<FailBad, Failure> {
        Ok(FailBad)
    }
}

impl Handler<BadRecord, ()> for FailBad {
    #[cold]
    fn handle(&mut self, bad: BadRecordView<'_>, _: Timestamp, (): ()) -> Result<(), Failure> {
        Err(Failure::new(format!("{}, line {}: {}", bad.origin, bad.line, bad.reason)))
    }
}

/// A policy, as a reader sees it.
struct Rejected<H>(H);

impl<H: Handler<BadRecord, ()>> Rejects for Rejected<H> {
    fn tells(&self) -> bool {
        H::READS
    }

    fn reject(&mut self, bad: BadRecordView<'_>) -> Result<(), Failure> {
        self.0.handle(bad, Timestamp::MIN, ())
    }

    fn is_full(&self) -> bool {
        self.0.is_full()
    }
}

/// Asks for splits, reads them one after the other, and tells the watermark generator behind it of them.
pub struct SourceHead<S: Source, H, N> {
    reader: S::Reader,
    rejects: Rejected<H>,
    pool: Arc<Pool<S>>,
    subtask: usize,
    state: State,
    /// Watermarks are held back, as the pool says.
    holds: bool,
    idle: bool,
    /// The state of the pool when it last had nothing for this subtask.
    seen: u64,
    access: StateAccess,
    info: OperatorInfo,
    metrics: TaskMetrics,
    drain: Flag,
    /// Makes it wait for the other sources of its group, if it has one.
    brake: Option<Brake>,
    next: N,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    NoSplit,
    /// The split with this number is open and nothing is fetched of it.
    Fetching(u64),
    /// Records are there to be pushed.
    Emitting(u64),
    /// The split has been read to its end.
    Ended(u64),
}

impl<S: Source, H: Handler<BadRecord, ()>, N: Push<S::Out>> Head for SourceHead<S, H, N> {
    fn poll(&mut self, _: &TaskContext, _: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        self.hold_or_release();
        if self.drain.is_set() {
            return Ok(self.finished());
        }
        if self.must_wait() {
            return Ok(Progress::Waiting);
        }
        match self.state {
            State::NoSplit => match self.pool.take(self.subtask) {
                Taken::Split(id, split) => {
                    self.reader.open(split).map_err(|failure| self.blame(failure))?;
                    if std::mem::take(&mut self.idle) {
                        self.signal(Signal::Active);
                    }
                    self.next.signal(Signal::Split(SplitSignal::Start(id)));
                    self.state = State::Fetching(id);
                    self.pool.begun();
                    self.hold_or_release();
                    Ok(Progress::Waiting)
                }
                Taken::Later { seen, discovered } => {
                    self.seen = seen;
                    self.hold_or_release(); // what changed before that was seen, and nobody will wake this subtask for
                    // A subtask without a split must not hold the others' event time back. But what is bounded is held back until every split
                    // has its reader (one could be taken, and its subtask not yet be heard of as active again), and before
                    // the first discovery nobody has come anywhere yet.
                    if !self.holds && discovered && !std::mem::replace(&mut self.idle, true) {
                        self.signal(Signal::Idle);
                    }
                    Ok(Progress::Waiting)
                }
                Taken::None => Ok(self.finished()),
            },
            State::Fetching(_) => Ok(Progress::Waiting),
            State::Emitting(id) => {
                let mut out = Emit::new(&mut self.next, &mut self.rejects);
                let guard = Guard::new(&self.info);
                let emitted = self.reader.emit(&mut out);
                guard.done();
                let (records, bytes) = out.counted();
                self.metrics.records_in.add(records);
                self.metrics.bytes_in.add(bytes);
                match emitted.map_err(|failure| self.blame(failure))? {
                    Emitted::All => self.state = State::Fetching(id),
                    Emitted::Some if self.is_full() => return Ok(Progress::NeedsOutput),
                    Emitted::Some => return Ok(Progress::MoreWork),
                }
                Ok(Progress::Waiting)
            }
            State::Ended(id) => {
                self.next.signal(Signal::Split(SplitSignal::Done(id)));
                self.state = State::NoSplit;
                Ok(Progress::MoreWork)
            }
        }
    }

    fn wait(&mut self) -> Wait<'_> {
        Box::pin(async {
            if let Some(brake) = self.brake.as_ref().filter(|brake| brake.waits()) {
                futures::future::select(pin!(self.drain.wait()), brake.interval()).await;
                return Ok(());
            }
            match self.state {
                State::NoSplit => {
                    let drained = pin!(self.drain.wait());
                    let split = pin!(self.pool.changed(self.subtask, self.seen));
                    futures::future::select(drained, split).await;
                }
                State::Fetching(id) => {
                    let drained = pin!(self.drain.wait());
                    let fetch = pin!(self.reader.fetch());
                    let Either::Left((fetched, _)) = futures::future::select(fetch, drained).await else {
                        return Ok(());
                    };
                    let blame =
                        |failure: Failure| failure.at_operator(&self.info.to_string(), Some(self.info.location));
                    self.state = match fetched.map_err(blame)? {
                        Fetched::Data => State::Emitting(id),
                        Fetched::EndOfSplit => State::Ended(id),
                    };
                }
                State::Emitting(_) | State::Ended(_) => {}
            }
            Ok(())
        })
    }
}

impl<S: Source, H: Handler<BadRecord, ()>, N: Push<S::Out>> SourceHead<S, H, N> {
    /// Lets watermarks pass while every bounded split has a reader, which then holds them back by itself.
    fn hold_or_release(&mut self) {
        let holds = self.pool.holds();
        if std::mem::replace(&mut self.holds, holds) != holds {
            let signal = if holds { SplitSignal::Hold } else { SplitSignal::Release };
            self.next.signal(Signal::Split(signal));
        }
    }

    /// Whether the split that is open has to wait for other sources. It has not as long as watermarks are held back for splits that nobody reads yet: that they
    /// are read is what everybody waits for then.
    fn must_wait(&mut self) -> bool {
        let Some(brake) = &mut self.brake else { return false };
        let reads = matches!(self.state, State::Fetching(_) | State::Emitting(_));
        if reads && !self.holds {
            return brake.must_wait();
        }
        brake.release();
        false
    }

    fn finished(&mut self) -> Progress {
        if std::mem::take(&mut self.idle) {
            self.signal(Signal::Active);
        }
        self.signal(Signal::Watermark(Timestamp::MAX));
        Progress::Finished
    }

    /// Takes part in a checkpoint: with the split that is being read, and for the last subtask to pass the barrier with what nobody has begun to read.
    fn snapshot(&mut self, barrier: Barrier) {
        self.reader.on_snapshot(barrier.checkpoint);
        let mut splits = Vec::new();
        if let State::Fetching(_) | State::Emitting(_) = self.state {
            splits.push(self.reader.position());
        }
        let rest = self.pool.passed(self.subtask, barrier.checkpoint);
        let report = || {
            let mut values = Vec::new();
            if let Some((waiting, found)) = rest {
                splits.extend(waiting);
                values.push(self.access.encode(FOUND_STATE, Spread::Union, &found)?);
            }
            values.push(self.access.encode(SPLITS_STATE, Spread::List, &splits)?);
            Ok(OperatorReport { values, ..OperatorReport::default() })
        };
        self.access.report(barrier, report());
    }

    fn blame(&self, failure: Failure) -> Failure {
        failure.at_operator(&self.info.to_string(), Some(self.info.location))
    }
}

impl<S: Source, H: Handler<BadRecord, ()>, N: Push<S::Out>> Stage for SourceHead<S, H, N> {
    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Barrier(barrier) => self.snapshot(barrier),
            Signal::Completed(checkpoint) => self.reader.on_complete(checkpoint),
            Signal::Aborted(checkpoint) => self.reader.on_abort(checkpoint),
            _ => {}
        }
        self.rejects.0.signal(signal);
        self.next.signal(signal);
    }

    fn is_full(&self) -> bool {
        self.next.is_full() || self.rejects.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        earliest(self.rejects.0.flush(now), self.next.flush(now))
    }

    fn idle(&mut self) {
        self.next.idle();
    }

    fn ready(&mut self) -> Wait<'_> {
        if !H::WRITES {
            return self.next.ready();
        }
        Box::pin(async {
            self.rejects.0.ready().await?;
            self.next.ready().await
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            self.rejects.0.finish().await?;
            self.next.finish().await
        })
    }
}

/// The part of a source that is one per job.
pub(crate) struct Driver<S>(pub(crate) Arc<S>);

impl<S: Source> SourceDriver for Driver<S> {
    fn boundedness(&self) -> Boundedness {
        self.0.boundedness()
    }

    fn check(&self, cx: &ConnectorContext) -> Result<(), Failure> {
        self.0.check(cx)
    }

    fn start(&self, cx: &SourceContext, drain: Flag, restored: &Restored) -> Result<Splits, Failure> {
        let mut enumerator = self.0.enumerator(cx)?;
        let found = restored.all::<Found<S>>(FOUND_STATE)?.pop();
        let complete = found.as_ref().is_some_and(|(_, complete)| *complete);
        let restored = found.as_ref().map(|_| restored.all::<S::Split>(SPLITS_STATE)).transpose()?;
        if let Some((found, _)) = found {
            enumerator.restore(found)?;
        }
        let pool = Arc::new(Pool::<S>::new(enumerator, Holding::of(&*self.0), cx.parallelism()));
        if let Some(splits) = restored {
            pool.restore(splits, complete);
        }
        let handle = {
            let pool = Arc::clone(&pool);
            Box::new(move || Box::new(Arc::clone(&pool)) as Box<dyn Any + Send>)
        };
        let discovery = Box::pin(discover(pool, cx.clone(), drain));
        Ok(Splits { handle, discovery })
    }
}

/// Looks for splits until there are no more to come.
async fn discover<S: Source>(pool: Arc<Pool<S>>, cx: SourceContext, drain: Flag) -> Result<(), Failure> {
    if pool.lock().complete {
        return Ok(()); // as the checkpoint says
    }
    let input_bytes = cx.gauge("input_bytes");
    let mut total = 0;
    loop {
        let mut enumerator =
            pool.lock().enumerator.take().expect("only discovery takes the enumerator, and puts it back");
        let found = match futures::future::select(pin!(enumerator.discover()), pin!(drain.wait())).await {
            Either::Left((found, _)) => found,
            Either::Right(_) => return Ok(()),
        };
        let Discovered { splits, bytes, again } = found?;
        total += bytes;
        input_bytes.set(i64::try_from(total).unwrap_or(i64::MAX));
        pool.add(enumerator, splits, again.is_none());
        let Some(again) = again else { return Ok(()) };
        let sleep = cx.env().sleep(again);
        futures::future::select(sleep, pin!(drain.wait())).await;
        if drain.is_set() {
            return Ok(());
        }
    }
}

/// Until when watermarks are held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// They are not: each split goes on for ever, and may be far behind the others at any time.
    Never,
    /// Until no split waits; again when there are new ones.
    Waiting,
    /// Until no split waits and no more will come.
    Complete,
}

impl Holding {
    fn of<S: Source>(source: &S) -> Self {
        match (source.splits(), source.boundedness()) {
            (Boundedness::Unbounded, _) => Self::Never,
            (Boundedness::Bounded, Boundedness::Unbounded) => Self::Waiting,
            (Boundedness::Bounded, Boundedness::Bounded) => Self::Complete,
        }
    }
}

/// The splits of a source that wait for a subtask.
struct Pool<S: Source> {
    holding: Holding,
    /// How many subtasks share it.
    subtasks: usize,
    state: Mutex<PoolState<S>>,
}

/// What discovery has found by now, and whether it is at its end.
type Found<S> = (<<S as Source>::Enumerator as SplitEnumerator>::State, bool);

/// The state of a source that has its splits, each as it would have to be opened.
const SPLITS_STATE: &str = "splits";
/// The state of a source that says what discovery has found.
const FOUND_STATE: &str = "found";

struct PoolState<S: Source> {
    /// Absent while it looks for splits.
    enumerator: Option<S::Enumerator>,
    waiting: VecDeque<S::Split>,
    /// How many splits have been taken by subtasks that have not yet been heard of as active behind them.
    taken: usize,
    /// No more splits will come.
    complete: bool,
    /// The first discovery is done.
    discovered: bool,
    next_id: u64,
    /// The subtasks that wait for a change.
    wakers: BTreeMap<usize, Waker>,
    /// Counts what may change the answer to a subtask that was told to wait.
    changes: u64,
    /// The state of the enumerator as of the last discovery.
    found: <S::Enumerator as SplitEnumerator>::State,
    /// The checkpoint whose barrier some subtasks have passed.
    passing: Option<Passing<S::Split>>,
}

/// A checkpoint of a pool is taken when the last subtask has passed the barrier: then every split is either with a subtask that had it at its barrier, or
/// waits, or was taken by a subtask behind its barrier.
struct Passing<S> {
    checkpoint: u64,
    passed: BTreeSet<usize>,
    /// The splits that subtasks have taken since they passed the barrier.
    taken: Vec<S>,
}

enum Taken<S> {
    Split(u64, S),
    /// There may be one once the pool has changed from this state.
    Later {
        seen: u64,
        discovered: bool,
    },
    None,
}

impl<S: Source> Pool<S> {
    fn new(enumerator: S::Enumerator, holding: Holding, subtasks: usize) -> Self {
        let state = PoolState {
            found: enumerator.state(),
            passing: None,
            enumerator: Some(enumerator),
            waiting: VecDeque::new(),
            taken: 0,
            complete: false,
            discovered: false,
            next_id: 0,
            wakers: BTreeMap::new(),
            changes: 0,
        };
        Self { holding, subtasks, state: Mutex::new(state) }
    }

    /// Begins with the splits of a checkpoint.
    fn restore(&self, splits: Vec<S::Split>, complete: bool) {
        let mut state = self.lock();
        state.waiting.extend(splits);
        (state.complete, state.discovered) = (complete, complete);
    }

    /// A subtask passes a barrier. For the last one: the splits that no subtask had at its barrier, and what discovery has found.
    fn passed(&self, subtask: usize, checkpoint: u64) -> Option<(Vec<S::Split>, Vec<Found<S>>)> {
        let state = &mut *self.lock();
        if state.passing.as_ref().is_none_or(|passing| passing.checkpoint < checkpoint) {
            state.passing = Some(Passing { checkpoint, passed: BTreeSet::new(), taken: Vec::new() });
        }
        let passing = state.passing.as_mut().filter(|passing| passing.checkpoint == checkpoint)?;
        passing.passed.insert(subtask);
        if passing.passed.len() < self.subtasks {
            return None;
        }
        let mut splits = state.passing.take().map_or_else(Vec::new, |passing| passing.taken);
        splits.extend(state.waiting.iter().cloned());
        Some((splits, vec![(copy(&state.found), state.complete)]))
    }

    fn lock(&self) -> MutexGuard<'_, PoolState<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, enumerator: S::Enumerator, splits: Vec<S::Split>, complete: bool) {
        let mut state = self.lock();
        state.found = enumerator.state();
        state.enumerator = Some(enumerator);
        state.waiting.extend(splits);
        state.complete = complete;
        state.discovered = true;
        state.wake();
    }

    fn take(&self, subtask: usize) -> Taken<S::Split> {
        let state = &mut *self.lock();
        let split = match &mut state.enumerator {
            Some(enumerator) => enumerator.assign(&mut state.waiting, subtask),
            None => state.waiting.pop_front(),
        };
        match split {
            Some(split) => {
                let id = state.next_id;
                state.next_id += 1;
                state.taken += 1;
                if let Some(passing) = state.passing.as_mut().filter(|passing| passing.passed.contains(&subtask)) {
                    passing.taken.push(split.clone());
                }
                Taken::Split(id, split)
            }
            None if state.complete && state.waiting.is_empty() => Taken::None,
            None => Taken::Later { seen: state.changes, discovered: state.discovered },
        }
    }

    /// Says that the subtask which took a split last is active.
    fn begun(&self) {
        let mut state = self.lock();
        state.taken -= 1;
        // Those who hold watermarks back may let go, and the enumerator may have another answer for those that wait.
        state.wake();
    }

    /// True if no watermark may pass.
    fn holds(&self) -> bool {
        if self.holding == Holding::Never {
            return false;
        }
        let state = self.lock();
        let more = !state.discovered || (self.holding == Holding::Complete && !state.complete);
        more || !state.waiting.is_empty() || state.taken > 0
    }

    /// Waits until the pool is no longer in the state that [`Taken::Later`] told this subtask of.
    async fn changed(&self, subtask: usize, seen: u64) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.changes != seen {
                return Poll::Ready(());
            }
            // By subtask: one that looks up for its timers waits again, and must not wait twice.
            state.wakers.insert(subtask, cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl<S: Source> PoolState<S> {
    fn wake(&mut self) {
        self.changes += 1;
        std::mem::take(&mut self.wakers).into_values().for_each(Waker::wake);
    }
}

/// A copy of a record: records need not be `Clone`.
fn copy<T: Record>(record: &T) -> T {
    T::from_view(record.view())
}
