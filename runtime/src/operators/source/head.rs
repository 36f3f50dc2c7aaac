//! [`SourceHead`]: the head of a chain that reads a [`Source`].

use std::pin::pin;

use futures::future::Either;
use millstream_core::time::Timestamp;
use millstream_state::manifest::Spread;

use super::{super::fused::Handler, FOUND_STATE, SPLITS_STATE, handle::PoolHandle, pool::Taken, rejected::Rejected};
use crate::{
    alignment::brake::Brake,
    bad_record::BadRecord,
    checkpoint::{
        Barrier,
        subtask::{OperatorReport, StateAccess},
    },
    env::Instant,
    failure::Failure,
    graph::OperatorInfo,
    metrics::TaskMetrics,
    operator::{Push, Signal, SplitSignal, Stage, Wait, earliest},
    source::{Emit, Emitted, Fetched, Rejects, Source, SplitReader},
    task::{
        contain::Guard,
        flag::Flag,
        head::{BatchCursor, Head, Progress, TaskContext},
    },
};

/// Asks for splits, reads them one after the other, and tells the watermark generator behind it of them.
pub struct SourceHead<S: Source, H, N> {
    reader: S::Reader,
    rejects: Rejected<H>,
    pool: PoolHandle<S>,
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
    pub(super) next: N,
}

/// What a [`SourceHead`] is made of.
pub(super) struct Parts<S: Source, H, N> {
    pub(super) reader: S::Reader,
    pub(super) rejects: Rejected<H>,
    pub(super) pool: PoolHandle<S>,
    pub(super) subtask: usize,
    pub(super) access: StateAccess,
    pub(super) info: OperatorInfo,
    pub(super) metrics: TaskMetrics,
    pub(super) drain: Flag,
    pub(super) brake: Option<Brake>,
    pub(super) next: N,
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
        self.pool.hear().map_err(|failure| self.blame(failure))?;
        self.hold_or_release();
        if self.drain.is_set() {
            return Ok(self.finished());
        }
        if self.must_wait() {
            return Ok(Progress::Waiting);
        }
        match self.state {
            State::NoSplit => match self.pool.take(self.subtask).map_err(|failure| self.blame(failure))? {
                Taken::Split(id, split) => {
                    self.reader.open(split).map_err(|failure| self.blame(failure))?;
                    if std::mem::take(&mut self.idle) {
                        self.signal(Signal::Active);
                    }
                    self.next.signal(Signal::Split(SplitSignal::Start(id)));
                    self.state = State::Fetching(id);
                    self.pool.begun().map_err(|failure| self.blame(failure))?;
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
        // `self` as a whole: a split in it may be moved to another thread, but not be shared with one.
        Box::pin(async move {
            if let Some(brake) = self.brake.as_ref().filter(|brake| brake.waits()) {
                futures::future::select(pin!(self.drain.wait()), brake.interval()).await;
                return Ok(());
            }
            match self.state {
                State::NoSplit => {
                    let drained = pin!(self.drain.wait());
                    let changed = self.pool.changed(self.subtask, self.seen);
                    futures::future::select(drained, pin!(changed)).await;
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
    pub(super) fn new(parts: Parts<S, H, N>) -> Self {
        let Parts { reader, rejects, pool, subtask, access, info, metrics, drain, brake, next } = parts;
        let (state, holds, idle, seen) = (State::NoSplit, false, false, 0);
        Self { reader, rejects, pool, subtask, state, holds, idle, seen, access, info, metrics, drain, brake, next }
    }

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

    /// Takes part in a checkpoint: with the split that is being read, and with those of the pool that nobody else has.
    fn snapshot(&mut self, barrier: Barrier) {
        self.reader.on_snapshot(barrier.checkpoint);
        let mut splits = Vec::new();
        if let State::Fetching(_) | State::Emitting(_) = self.state {
            splits.push(self.reader.position());
        }
        let rest = self.pool.at_barrier(self.subtask, barrier.checkpoint);
        let report = || {
            let rest = rest?;
            splits.extend(rest.splits);
            let mut values = Vec::new();
            if let Some(found) = rest.found {
                values.push(self.access.encode(FOUND_STATE, Spread::Union, &[found])?);
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
