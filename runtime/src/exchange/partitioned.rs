//! [`Partitioned`]: the writer that chooses the receiving subtask of every record.

use std::{future::poll_fn, sync::Arc};

use millstream_core::{batch::Batch, buffer::Columns, record::Record, time::Timestamp};

use super::{
    channel::{Event, Sender},
    lane::Lane,
    output::{count, event_of, fail, overdraft},
    partition::Route,
};
use crate::{
    env::{Env, Instant},
    failure::Failure,
    graph::OperatorInfo,
    metrics::TaskMetrics,
    operator::{Push, Signal, Stage, Wait, earliest},
    settings::Settings,
    task::{contain::Guard, context::EdgeSenders},
};

/// A buffer per receiving subtask.
pub(crate) struct Partitioned<T: Record, R> {
    lanes: Lanes<T>,
    route: R,
    senders: Senders,
    /// Whom to blame if the user's choice panics.
    info: OperatorInfo,
}

impl<T: Record, R: Route<T>> Partitioned<T, R> {
    pub(crate) fn new(route: R, senders: Senders, settings: &Settings, timed: bool, info: OperatorInfo) -> Self {
        let columns = Columns { timed, hashed: R::CARRIES_HASH };
        Self { lanes: Lanes::new(settings, columns, senders.port, senders.len()), route, senders, info }
    }
}

/// Lanes to the subtasks of the next chain, one each.
pub(crate) struct Lanes<T: Record>(Vec<Lane<T>>);

impl<T: Record> Lanes<T> {
    pub(crate) fn new(settings: &Settings, columns: Columns, port: u8, targets: usize) -> Self {
        Self((0..targets).map(|_| Lane::new(settings, columns, port)).collect())
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, senders: &mut Senders, target: usize, record: T::View<'_>, at: Timestamp, hash: u64) {
        let lane = &mut self.0[target];
        match lane.push(record, at, hash) {
            Ok(false) => {}
            Ok(true) => {
                let window = senders.senders[target].window_bytes();
                senders.send(target, lane.seal_full(window));
            }
            Err(failure) => senders.fail(failure),
        }
    }

    /// Sends everything.
    pub(crate) fn seal(&mut self, senders: &mut Senders) {
        for (target, lane) in self.0.iter_mut().enumerate() {
            if let Some(batch) = lane.seal() {
                senders.send(target, batch);
            }
        }
    }

    /// Appends a watermark to all.
    pub(crate) fn watermark(&mut self, senders: &mut Senders, at: Timestamp) {
        for (target, lane) in self.0.iter_mut().enumerate() {
            if let Some(batch) = lane.watermark(at) {
                senders.send(target, batch);
            }
        }
    }

    /// Sends what is due.
    pub(crate) fn flush(&mut self, senders: &mut Senders, now: Instant) -> Option<Instant> {
        let mut next = None;
        for (target, lane) in self.0.iter_mut().enumerate() {
            match lane.seal_due(now, senders.senders[target].receiver_waits()) {
                Ok(batch) => senders.send(target, batch),
                Err(due) => next = earliest(next, due),
            }
        }
        next
    }
}

/// The sending ends of an edge, with what they have to say about it.
pub(crate) struct Senders {
    senders: Vec<Sender>,
    /// The port at which records arrive; who sends records of several types chooses by himself.
    port: u8,
    /// How many key groups the receivers share.
    pub(crate) max_parallelism: u32,
    /// The id of the operator that they go to.
    pub(crate) receiver: String,
    /// A sender is out of credit, or whoever writes has something to do before it takes more, or there is a failure to be told.
    full: bool,
    /// A barrier that may overtake is being sent: nothing waits for credit.
    hurries: bool,
    failure: Option<Failure>,
    metrics: TaskMetrics,
    env: Arc<dyn Env>,
}

impl Senders {
    pub(crate) fn new(edge: EdgeSenders, metrics: TaskMetrics, env: Arc<dyn Env>) -> Self {
        let EdgeSenders { senders, port, max_parallelism, receiver, .. } = edge;
        Self { senders, port, max_parallelism, receiver, full: false, hurries: false, failure: None, metrics, env }
    }

    pub(crate) fn len(&self) -> usize {
        self.senders.len()
    }

    fn send(&mut self, target: usize, batch: Batch) {
        count(&batch, &self.metrics);
        let sender = &self.senders[target];
        sender.send(Event::Data(batch));
        self.full |= overdraft(std::iter::once(sender), self.hurries, &self.metrics, &*self.env);
    }

    /// Sends a control event to all; what comes before it has been sealed.
    pub(crate) fn event(&mut self, event: impl Fn() -> Event) {
        self.senders.iter().for_each(|sender| sender.send(event()));
    }

    #[cold]
    fn fail(&mut self, failure: Failure) {
        fail(&mut self.failure, failure);
        self.full = true;
    }

    /// Says whether a barrier is being sent that does not wait for credit.
    pub(crate) fn hurry(&mut self, hurries: bool) {
        self.hurries = hurries;
    }

    /// Says that it is full, until it is waited for.
    pub(crate) fn fill(&mut self) {
        self.full = true;
    }

    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    pub(crate) fn ready(&mut self) -> Wait<'_> {
        Box::pin(async move {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            for sender in &self.senders {
                poll_fn(|cx| sender.poll_credit(cx)).await;
            }
            self.full = false;
            Ok(())
        })
    }
}

impl<T: Record, R: Route<T>> Push<T> for Partitioned<T, R> {
    #[inline(always)]
    fn push(&mut self, record: T::View<'_>, at: Timestamp) {
        let guard = Guard::new(&self.info);
        let (target, hash) = self.route.route(record);
        guard.done();
        self.lanes.push(&mut self.senders, target, record, at, hash);
    }
}

impl<T: Record, R: Route<T>> Stage for Partitioned<T, R> {
    fn signal(&mut self, signal: Signal) {
        if let Signal::Watermark(at) = signal {
            self.lanes.watermark(&mut self.senders, at);
        } else if let Some(event) = event_of(signal) {
            self.senders.hurry(signal.hurries());
            self.lanes.seal(&mut self.senders);
            self.senders.event(event);
            self.senders.hurry(false);
        }
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.senders.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        self.lanes.flush(&mut self.senders, now)
    }

    fn idle(&mut self) {}

    fn ready(&mut self) -> Wait<'_> {
        self.senders.ready()
    }

    fn finish(&mut self) -> Wait<'_> {
        self.ready()
    }
}
