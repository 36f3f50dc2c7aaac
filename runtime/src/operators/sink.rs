//! The end of a chain that writes to a [`Sink`].

use std::{
    any::Any,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use millstream_core::{record::Record, time::Timestamp};

use crate::{
    env::{BoxFuture, Instant},
    exchange::output::fail,
    failure::Failure,
    graph::{DynCommitter, OperatorInfo, SinkDriver},
    metrics::TaskMetrics,
    operator::{Push, Signal, Stage, Wait},
    sink::{Committer, Prepare, Sink, SinkContext, SinkWriter},
    source::ConnectorContext,
    task::{contain::Guard, context::ChainContext},
};

/// What the writers of all subtasks leave to be committed.
pub(crate) type Committables = Arc<Mutex<Vec<Box<dyn Any + Send>>>>;

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
    /// `ready` is to be awaited though the writer is not full: to flush, or because of a failure.
    halted: bool,
}

impl<S: Sink> SinkTail<S> {
    pub(crate) fn open(sink: &Arc<S>, cx: &mut ChainContext<'_>, index: usize) -> Result<Self, Failure> {
        let info = cx.operator(index);
        let sink_cx = cx.connector_context(&info);
        let writer = sink
            .writer(&sink_cx, Vec::new())
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
            halted: false,
        })
    }

    fn count(&mut self) {
        let records = self.writer.records();
        self.metrics.records_out.add(records - mem::replace(&mut self.counted, records));
    }

    async fn write_out(&mut self) -> Result<(), Failure> {
        self.writer.flush().await?;
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
    fn signal(&mut self, _: Signal) {}

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
            let prepared = self.writer.prepare(Prepare::END).await.map_err(|failure| self.blame(failure))?;
            let committables = prepared.committables;
            let mut all = self.committables.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(committables.into_iter().map(|committable| Box::new(committable) as Box<dyn Any + Send>));
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
    fn commit(&mut self, what: Vec<Box<dyn Any + Send>>) -> BoxFuture<'_, Result<(), Failure>> {
        let typed = what.into_iter().map(|committable| {
            *committable.downcast::<C::Committable>().expect("a sink's writers and committer have one committable type")
        });
        let typed = typed.collect();
        Box::pin(self.0.commit(typed, true))
    }

    fn abort(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.abort())
    }
}
