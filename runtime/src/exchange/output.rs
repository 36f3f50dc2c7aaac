//! [`Output`]: the writer for whole batches. One buffer is built, sealed, and shared by reference with every consumer: side outputs, forks, unions,
//! broadcasts and forward edges are of this kind.

use std::future::poll_fn;
use std::sync::Arc;

use millstream_core::{batch::Batch, buffer::Columns, record::Record, time::Timestamp};
use tracing::debug;

use super::{
    channel::{Event, Sender},
    lane::Lane,
};
use crate::{
    env::{Env, Instant},
    failure::Failure,
    metrics::TaskMetrics,
    operator::{Push, Signal, Stage, Wait},
};

/// How the batches of one consumer are spread over its subtasks.
pub(crate) enum Spread {
    /// All to one subtask.
    One,
    /// Each to all subtasks.
    All,
    /// In turn. Only watermarks are for all.
    Turns(usize),
}

/// One consumer of an output.
pub(crate) struct Consumer {
    pub(crate) senders: Vec<Sender>,
    pub(crate) spread: Spread,
}

/// Writes records for any number of consumers.
pub struct Output<T: Record> {
    lane: Lane<T>,
    consumers: Vec<Consumer>,
    /// A sender is out of credit, or there is a failure to be told.
    full: bool,
    /// A barrier that may overtake is being sent: nothing waits for credit.
    hurries: bool,
    failure: Option<Failure>,
    metrics: TaskMetrics,
    env: Arc<dyn Env>,
}

impl<T: Record> Output<T> {
    pub(crate) fn new(lane: Lane<T>, consumers: Vec<Consumer>, metrics: TaskMetrics, env: Arc<dyn Env>) -> Self {
        Self { lane, consumers, full: false, hurries: false, failure: None, metrics, env }
    }

    fn send(&mut self, batch: Batch) {
        count(&batch, &self.metrics);
        for consumer in &mut self.consumers {
            match &mut consumer.spread {
                Spread::One => consumer.senders[0].send(Event::Data(batch.clone())),
                Spread::Turns(next) if !batch.buffer.is_empty() => {
                    consumer.senders[*next].send(Event::Data(batch.clone()));
                    *next = (*next + 1) % consumer.senders.len();
                }
                Spread::All | Spread::Turns(_) => {
                    consumer.senders.iter().for_each(|sender| sender.send(Event::Data(batch.clone())));
                }
            }
        }
        self.full |= overdraft(self.senders(), self.hurries, &self.metrics, &*self.env);
    }

    /// Sends what there is, if anything.
    fn seal(&mut self) {
        if let Some(batch) = self.lane.seal() {
            self.send(batch);
        }
    }

    fn watermark(&mut self, at: Timestamp) {
        let takes_turns = self.consumers.iter().any(|consumer| matches!(consumer.spread, Spread::Turns(_)));
        if takes_turns {
            self.seal(); // who gets the records is not the only one to get the watermark
        }
        match self.lane.watermark(at) {
            Some(batch) => self.send(batch),
            None if takes_turns => self.seal(),
            None => {}
        }
    }

    fn senders(&self) -> impl Iterator<Item = &Sender> {
        self.consumers.iter().flat_map(|consumer| &consumer.senders)
    }

    fn event(&mut self, event: impl Fn() -> Event) {
        self.seal();
        self.senders().for_each(|sender| sender.send(event()));
    }
}

impl<T: Record> Push<T> for Output<T> {
    #[inline(always)]
    fn push(&mut self, record: T::View<'_>, at: Timestamp) {
        match self.lane.push(record, at, 0) {
            Ok(false) => {}
            Ok(true) => {
                let window = self.senders().map(Sender::window_bytes).min().unwrap_or(usize::MAX);
                let batch = self.lane.seal_full(window);
                self.send(batch);
            }
            Err(failure) => {
                fail(&mut self.failure, failure);
                self.full = true;
            }
        }
    }
}

impl<T: Record> Stage for Output<T> {
    fn signal(&mut self, signal: Signal) {
        if let Signal::Watermark(at) = signal {
            self.watermark(at);
        } else if let Some(event) = event_of(signal) {
            self.hurries = signal.hurries();
            self.event(event);
            self.hurries = false;
        }
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.full
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        let waits = self.senders().all(Sender::receiver_waits);
        match self.lane.seal_due(now, waits) {
            Ok(batch) => {
                self.send(batch);
                None
            }
            Err(due) => due,
        }
    }

    fn idle(&mut self) {}

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(async move {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            for sender in self.senders() {
                poll_fn(|cx| sender.poll_credit(cx)).await;
            }
            self.full = false;
            Ok(())
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        self.ready()
    }
}

/// The event that stands for a signal between tasks. Watermarks go with the records.
pub(crate) fn event_of(signal: Signal) -> Option<impl Fn() -> Event> {
    match signal {
        Signal::Idle | Signal::Active | Signal::Barrier(_) | Signal::End => Some(move || match signal {
            Signal::Idle => Event::Idle,
            Signal::Active => Event::Active,
            Signal::Barrier(barrier) => Event::Barrier(barrier),
            _ => Event::End,
        }),
        Signal::Watermark(_) | Signal::Split(_) | Signal::Tick(_) | Signal::Completed(_) | Signal::Aborted(_) => None,
    }
}

/// Counts what is sent.
pub(crate) fn count(batch: &Batch, metrics: &TaskMetrics) {
    metrics.records_out.add(batch.buffer.len() as u64);
    metrics.bytes_out.add(batch.size() as u64);
}

/// Keeps the first failure.
#[cold]
pub(crate) fn fail(slot: &mut Option<Failure>, failure: Failure) {
    slot.get_or_insert(failure);
}

/// True if a sender is out of credit. If one has even used up its overdraft, it first waits in place for credit, off the threads that run tasks; unless it `hurries`.
pub(crate) fn overdraft<'a>(
    senders: impl Iterator<Item = &'a Sender>,
    hurries: bool,
    metrics: &TaskMetrics,
    env: &dyn Env,
) -> bool {
    let mut full = false;
    for sender in senders {
        if sender.is_overdrawn() && !hurries {
            metrics.overdraft_waits.add(1);
            debug!(
                waits = metrics.overdraft_waits.get(),
                "an operator put out more than the overdraft: its thread waits"
            );
            env.wait_in_place(Box::pin(poll_fn(|cx| sender.poll_credit(cx))));
        }
        full |= !sender.has_credit();
    }
    full
}

/// Which columns the buffers of a stream have.
pub(crate) fn columns(timed: bool) -> Columns {
    Columns { timed, hashed: false }
}
