//! The head of a chain that reads a [`Source`], and the pool of splits that its subtasks share.

use std::{
    any::Any,
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

use futures::future::Either;
use millstream_core::time::Timestamp;

use crate::{
    failure::Failure,
    graph::{OperatorInfo, SourceDriver, Splits},
    metrics::TaskMetrics,
    operator::{Push, Signal, SplitSignal, Stage, Wait},
    source::{
        Boundedness, ConnectorContext, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator,
        SplitReader,
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
pub struct From<S> {
    pub(crate) source: Arc<S>,
    pub(crate) index: usize,
}

impl<S: Source> Plan for From<S> {
    type In = NoInput;
    type Out = S::Out;
    type Chain<N: Push<S::Out>> = SourceHead<S, N>;

    fn chain<N: Push<S::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<SourceHead<S, N>, Failure> {
        let info = cx.operator(self.index);
        let blame = |failure: Failure| failure.at_operator(&info.to_string(), Some(info.location));
        let reader = self.source.reader(&cx.connector_context(&info)).map_err(blame)?;
        let pool = cx.splits.take().expect("the job driver starts the source of a source chain");
        let pool = *pool.downcast::<Arc<Pool<S>>>().expect("the driver and the plan of a source have one type");
        Ok(SourceHead {
            reader,
            pool,
            subtask: cx.task.subtask,
            state: State::NoSplit,
            holds: self.source.boundedness() == Boundedness::Bounded,
            begun: false,
            idle: false,
            seen: 0,
            info,
            metrics: cx.metrics.clone(),
            drain: cx.drain.clone(),
            next,
        })
    }
}

/// Asks for splits, reads them one after the other, and tells the watermark generator behind it of them.
pub struct SourceHead<S: Source, N> {
    reader: S::Reader,
    pool: Arc<Pool<S>>,
    subtask: usize,
    state: State,
    /// Watermarks are held back as long as bounded splits wait to be assigned.
    holds: bool,
    begun: bool,
    idle: bool,
    /// The state of the pool when it last had nothing for this subtask.
    seen: u64,
    info: OperatorInfo,
    metrics: TaskMetrics,
    drain: Flag,
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

impl<S: Source, N: Push<S::Out>> Head for SourceHead<S, N> {
    fn poll(&mut self, _: &TaskContext, _: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        if !self.begun {
            self.begun = true;
            if self.holds {
                self.next.signal(Signal::Split(SplitSignal::Hold));
            }
        }
        self.release();
        if self.drain.is_set() {
            return Ok(self.finished());
        }
        match self.state {
            State::NoSplit => match self.pool.take(self.subtask) {
                Taken::Split(id, split) => {
                    self.reader.open(split).map_err(|failure| self.blame(failure))?;
                    if std::mem::take(&mut self.idle) {
                        self.next.signal(Signal::Active);
                    }
                    self.next.signal(Signal::Split(SplitSignal::Start(id)));
                    self.state = State::Fetching(id);
                    self.release();
                    Ok(Progress::Waiting)
                }
                Taken::Later { seen, discovered } => {
                    self.seen = seen;
                    // A subtask without a split must not hold the others' event time back. But what is bounded is held back until every split
                    // has its reader (one could be taken, and its subtask not yet be heard of as active again), and before
                    // the first discovery nobody has come anywhere yet.
                    if !self.holds && discovered && !std::mem::replace(&mut self.idle, true) {
                        self.next.signal(Signal::Idle);
                    }
                    Ok(Progress::Waiting)
                }
                Taken::None => Ok(self.finished()),
            },
            State::Fetching(_) => Ok(Progress::Waiting),
            State::Emitting(id) => {
                let mut out = Emit::new(&mut self.next);
                let guard = Guard::new(&self.info);
                let emitted = self.reader.emit(&mut out);
                guard.done();
                let (records, bytes) = out.counted();
                self.metrics.records_in.add(records);
                self.metrics.bytes_in.add(bytes);
                match emitted.map_err(|failure| self.blame(failure))? {
                    Emitted::All => self.state = State::Fetching(id),
                    Emitted::Some if self.next.is_full() => return Ok(Progress::NeedsOutput),
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

impl<S: Source, N: Push<S::Out>> SourceHead<S, N> {
    /// Lets watermarks pass once every bounded split is assigned: from then on each is held back by its own reader.
    fn release(&mut self) {
        if self.holds && self.pool.all_assigned() {
            self.holds = false;
            self.next.signal(Signal::Split(SplitSignal::Release));
        }
    }

    fn finished(&mut self) -> Progress {
        if std::mem::take(&mut self.idle) {
            self.next.signal(Signal::Active);
        }
        self.next.signal(Signal::Watermark(Timestamp::MAX));
        Progress::Finished
    }

    fn blame(&self, failure: Failure) -> Failure {
        failure.at_operator(&self.info.to_string(), Some(self.info.location))
    }
}

impl<S: Source, N: Push<S::Out>> Stage for SourceHead<S, N> {
    crate::operator::forward_stage!();
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

    fn start(&self, cx: &SourceContext, drain: Flag) -> Result<Splits, Failure> {
        let pool = Arc::new(Pool::<S>::new(self.0.enumerator(cx)?));
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

/// The splits of a source that wait for a subtask.
struct Pool<S: Source>(Mutex<PoolState<S>>);

struct PoolState<S: Source> {
    /// Absent while it looks for splits.
    enumerator: Option<S::Enumerator>,
    waiting: VecDeque<S::Split>,
    /// No more splits will come.
    complete: bool,
    /// The first discovery is done.
    discovered: bool,
    next_id: u64,
    /// The subtasks that wait for a change.
    wakers: BTreeMap<usize, Waker>,
    /// Counts what may change the answer to a subtask that was told to wait.
    changes: u64,
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
    fn new(enumerator: S::Enumerator) -> Self {
        Self(Mutex::new(PoolState {
            enumerator: Some(enumerator),
            waiting: VecDeque::new(),
            complete: false,
            discovered: false,
            next_id: 0,
            wakers: BTreeMap::new(),
            changes: 0,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, PoolState<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, enumerator: S::Enumerator, splits: Vec<S::Split>, complete: bool) {
        let mut state = self.lock();
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
                // Those who hold watermarks back may let go, and the enumerator may have another answer for those that wait.
                state.wake();
                Taken::Split(id, split)
            }
            None if state.complete && state.waiting.is_empty() => Taken::None,
            None => Taken::Later { seen: state.changes, discovered: state.discovered },
        }
    }

    fn all_assigned(&self) -> bool {
        let state = self.lock();
        state.complete && state.waiting.is_empty()
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
