//! The end of a chain that writes to a [`Sink`].

use std::{
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use millstream_core::{record::Record, time::Timestamp};
use millstream_state::manifest::{Spread, ValuePart};

use crate::{
    attempt::sinks::{COMMITTABLES_STATE, From, GoneBack, WRITERS_STATE},
    checkpoint::{
        Barrier, CheckpointKind,
        restored::Restored,
        subtask::{OperatorReport, StateAccess},
        values::decode,
    },
    env::{BoxFuture, Instant},
    exchange::output::fail,
    failure::Failure,
    graph::{DynCommitter, OperatorInfo, SinkDriver},
    metrics::TaskMetrics,
    operator::{Push, Signal, Stage, Wait},
    sink::{Committer, Prepare, Prepared, Sink, SinkContext, SinkWriter, StateOf},
    source::ConnectorContext,
    task::{contain::Guard, context::ChainContext},
};

/// What the writers of all subtasks leave to be committed.
pub(crate) type Committables = Arc<Mutex<Vec<ValuePart>>>;

/// Writes records, and lets the task wait while the writer is full.
pub(crate) struct SinkTail<S: Sink> {
    sink: Arc<S>,
    writer: S::Writer,
    /// Commits what the writer hands over early. Made when it first does.
    committer: Option<S::Committer>,
    cx: SinkContext,
    info: OperatorInfo,
    metrics: TaskMetrics,
    committables: Committables,
    failure: Option<Failure>,
    /// How many of the writer's records have gone into the metrics, and how many were there when it was flushed.
    counted: u64,
    flushed: u64,
    state: StateAccess,
    /// The barrier that waits until everything in front of it is written.
    barrier: Option<Barrier>,
    /// What was handed over for checkpoints that are not known to be complete, by their numbers: if one is given up, the next commits it.
    uncommitted: Vec<(u64, Vec<S::Committable>)>,
    /// `ready` is to be awaited though the writer is not full: to flush, or because of a failure.
    halted: bool,
}

impl<S: Sink> SinkTail<S> {
    pub(crate) fn open(sink: &Arc<S>, cx: &mut ChainContext<'_>, index: usize) -> Result<Self, Failure> {
        let info = cx.operator(index);
        let sink_cx = cx.connector_context(&info);
        let state = cx.state(&info);
        cx.waits_to_write |= !S::Writer::INTERRUPTIBLE;
        let writer = state
            .share::<StateOf<S>>(WRITERS_STATE)
            .and_then(|restored| sink.writer(&sink_cx, restored))
            .map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))?;
        Ok(Self {
            sink: Arc::clone(sink),
            writer,
            committer: None,
            cx: sink_cx,
            info,
            metrics: cx.metrics.clone(),
            committables: Arc::clone(&cx.committables),
            failure: None,
            counted: 0,
            flushed: 0,
            state,
            barrier: None,
            uncommitted: Vec::new(),
            halted: false,
        })
    }

    fn count(&mut self) {
        let records = self.writer.records();
        self.metrics.records_out.add(records - mem::replace(&mut self.counted, records));
    }

    async fn write_out(&mut self) -> Result<(), Failure> {
        if let Some(barrier) = self.barrier {
            self.snapshot(barrier).await?;
            self.barrier = None; // not before: it may be interrupted
            return Ok(());
        }
        self.writer.flush().await?;
        if self.state.is_checkpointed() {
            return Ok(());
        }
        let early = self.writer.take_early();
        if early.is_empty() {
            return Ok(());
        }
        let committer = match &mut self.committer {
            Some(committer) => committer,
            none => none.insert(self.sink.committer(&self.cx)?),
        };
        committer.commit(early, false).await
    }

    /// Writes out what came before a barrier, and reports what is to be committed.
    async fn snapshot(&mut self, barrier: Barrier) -> Result<(), Failure> {
        let env = Arc::clone(self.cx.env());
        env.step("sink prepares");
        let last = barrier.kind == CheckpointKind::Final;
        let close = barrier.kind != CheckpointKind::Periodic;
        let Prepared { committables, state } =
            self.writer.prepare(Prepare { checkpoint: barrier.checkpoint, last, close }).await?;
        env.step("sink has prepared");
        self.uncommitted.push((barrier.checkpoint, committables));
        let report = || {
            let mut values = Vec::with_capacity(1 + self.uncommitted.len());
            for (_, committables) in &self.uncommitted {
                values.push(self.state.encode(COMMITTABLES_STATE, Spread::List, committables)?);
            }
            values.push(self.state.encode(WRITERS_STATE, Spread::List, &state)?);
            Ok(OperatorReport { values, ..OperatorReport::default() })
        };
        self.state.report(barrier, report());
        Ok(())
    }

    fn blame(&self, failure: Failure) -> Failure {
        failure.at_operator(&self.info.to_string(), Some(self.info.location))
    }
}

impl<S: Sink> Push<S::In> for SinkTail<S> {
    #[inline(always)]
    fn push(&mut self, record: <S::In as Record>::View<'_>, at: Timestamp) {
        let guard = Guard::new(&self.info);
        let result = self.writer.write(record, at);
        guard.done();
        if let Err(failure) = result {
            let failure = self.blame(failure);
            fail(&mut self.failure, failure);
            self.halted = true;
        }
    }
}

impl<S: Sink> Stage for SinkTail<S> {
    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Barrier(barrier) => {
                self.barrier = Some(barrier);
                self.halted = true;
            }
            Signal::Completed(checkpoint) => {
                self.uncommitted.retain(|(of, _)| *of > checkpoint);
                self.writer.on_complete(checkpoint);
            }
            Signal::Aborted(checkpoint) => self.writer.on_abort(checkpoint),
            _ => {}
        }
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.halted | self.writer.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        self.count();
        let deadline = self.writer.deadline();
        self.halted |= deadline.is_some_and(|deadline| deadline <= now);
        deadline
    }

    fn idle(&mut self) {
        self.halted |= self.writer.records() > self.flushed;
    }

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(async {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            self.count();
            let result = self.write_out().await;
            (self.flushed, self.halted) = (self.writer.records(), false);
            result.map_err(|failure| self.blame(failure))
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            self.count();
            if self.state.is_checkpointed() {
                return Ok(()); // the last checkpoint has taken everything
            }
            let prepared = self.writer.prepare(Prepare::END).await.map_err(|failure| self.blame(failure))?;
            // As part of a checkpoint would be: who commits may be in another process.
            let part = self.state.encode(COMMITTABLES_STATE, Spread::List, &prepared.committables);
            let part = part.map_err(|failure| self.blame(failure))?;
            self.committables.lock().unwrap_or_else(PoisonError::into_inner).push(part);
            Ok(())
        })
    }
}

/// The part of a sink that is one per job.
pub(crate) struct Driver<S>(pub(crate) Arc<S>);

impl<S: Sink> SinkDriver for Driver<S> {
    fn check(&self, cx: &ConnectorContext) -> Result<(), Failure> {
        self.0.check(cx)
    }

    fn committer(&self, cx: &SinkContext) -> Result<Box<dyn DynCommitter>, Failure> {
        Ok(Box::new(Erased(self.0.committer(cx)?)))
    }
}

struct Erased<C>(C);

impl<C: Committer> DynCommitter for Erased<C> {
    fn abort(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.abort())
    }

    fn recover(&mut self, restored: Restored, from: &From) -> BoxFuture<'_, Result<(), Failure>> {
        let From { last, gone_back, begun_with } = *from;
        Box::pin(async move {
            let committables = restored.all::<C::Committable>(COMMITTABLES_STATE)?;
            let states = restored.all::<C::State>(WRITERS_STATE)?;
            if let Some(GoneBack { to, may_repeat }) = gone_back
                && !self.0.take_back(to, &committables, &states).await?
                && !may_repeat
            {
                return Err(no_way_back(to));
            }
            if let Some(to) = begun_with
                && self.0.has_since(to).await?
            {
                return Err(begun_before(to));
            }
            self.0.recover(&committables, &states).await?;
            if committables.is_empty() && !last {
                return Ok(());
            }
            self.0.commit(committables, last).await
        })
    }

    fn commit_parts(&mut self, parts: Vec<ValuePart>, last: bool) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(async move {
            let mut committables = Vec::new();
            for part in &parts {
                committables.extend(decode::<C::Committable>(part)?);
            }
            if committables.is_empty() && !last {
                return Ok(());
            }
            self.0.commit(committables, last).await
        })
    }
}

/// Why a job does not begin with a savepoint.
fn begun_before(to: u64) -> Failure {
    Failure::new(format!(
        "there is output here that the job has put out after the savepoint (of checkpoint {to}) was made: it would be written twice"
    ))
    .with_hint("take it back with `--rewind`, name another place for the output, or begin with the newest savepoint")
}

/// Why a job that promises exactly once does not go on.
fn no_way_back(to: u64) -> Failure {
    Failure::new(format!(
        "the newest checkpoint cannot be read, and the sink cannot take back what it has committed since checkpoint {to}: it would be written twice"
    ))
    .with_hint(
        "restore the newest checkpoint from a backup; or begin anew with `--fresh`, and with other directories for the output; or let the job be \
         `Job<AtLeastOnce>`, which may write it twice",
    )
}
