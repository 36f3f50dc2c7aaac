//! The head that aggregates in sessions.
//!
//! A key stands in the queue once, for when its first session might be over. A record that makes a session longer does not touch the queue: when the time has come
//! the session is looked at, and the key put in again. So a session costs the queue one entry for each gap of its length, however many records it has.

use std::marker::PhantomData;

use millstream_core::{
    aggregate::Aggregate,
    buffer::Records,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{manifest::Spread, row::ByKey, table::Table};

use super::{
    Gap, Session,
    queue::Queue,
    row::{self, Row},
    touch,
};
use crate::{
    checkpoint::{
        keyed::{Snapshots, restore_block},
        subtask::{OperatorReport, StateAccess},
    },
    failure::Failure,
    graph::{OperatorInfo, OutputId},
    metrics::Counter,
    operator::{KeyFn, Push, Signal, Stage, Wait, forward_stage},
    operators::outlet::Outlet,
    stream::Plan,
    task::{
        contain::Guard,
        context::ChainContext,
        head::{Background, BatchCursor, Head, One, Progress, TaskContext},
    },
    windows::assigner::{Clock, ClockMarker},
};

/// The state that has the open sessions of each key.
const SESSIONS_STATE: &str = "sessions";
/// The state that says how far event time has come.
const WATERMARK_STATE: &str = "watermark";

/// The state that says how far sessions have fired, where a barrier came while they did.
const FIRED_STATE: &str = "fired";

/// How many keys are hashed and prefetched before their rows are touched.
const PREFETCH_RECORDS: usize = 64;
/// How many keys are looked at before the task looks around.
const FIRE_KEYS_LIMIT: usize = 1024;

/// The plan of a chain that begins with aggregation in sessions.
pub struct SessionPlan<T, K, G, C, A> {
    pub(crate) key: K,
    pub(crate) sessions: Session<G, C>,
    pub(crate) aggregate: A,
    /// How long a session is kept when it has fired, in milliseconds of event time.
    pub(crate) lateness_ms: i64,
    pub(crate) index: usize,
    pub(crate) late: Option<OutputId>,
    pub(crate) timed: bool,
    pub(crate) record: PhantomData<fn(T)>,
}

impl<T: Record, K: KeyFn<T>, G: Gap<T>, C: ClockMarker, A: Aggregate<T>> Plan for SessionPlan<T, K, G, C, A> {
    type In = One<T>;
    type Out = (K::Key, Window, A::Out);
    type Chain<N: Push<Self::Out>> = SessionHead<T, K, G, C, A, N>;

    fn chain<N: Push<Self::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        let late_records = cx.open_context(&info).counter("late_records");
        cx.measure_state(&info);
        let state = cx.state(&info);
        let watermark = state.restored().all::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        let closed = watermark.unwrap_or(Timestamp::MIN);
        let fired = state.restored().all::<Timestamp>(FIRED_STATE)?.into_iter().min();
        let snapshots = cx.snapshots(SESSIONS_STATE, &state);
        Ok(SessionHead {
            key: self.key.clone(),
            sessions: self.sessions.clone(),
            aggregate: self.aggregate.clone(),
            rows: snapshots.table(),
            snapshots,
            queue: Queue::default(),
            times: Times { closed, lateness_ms: self.lateness_ms },
            until: closed,
            fired: fired.unwrap_or(closed),
            forward: None,
            state,
            hashes: [0; PREFETCH_RECORDS],
            late: self.late.map(|output| cx.output(output, self.timed)).transpose()?,
            late_records,
            info,
            next,
        })
    }
}

/// How far event time has come, and how long sessions are kept beyond their ends.
#[derive(Clone, Copy)]
struct Times {
    /// Sessions whose last moment is at or before this are over. By the wall clock none is late, and this stays at the beginning of time.
    closed: Timestamp,
    lateness_ms: i64,
}

impl Times {
    /// When a session goes.
    fn gone(self, session: Window) -> Timestamp {
        Timestamp::from_millis(session.max_timestamp().millis().saturating_add(self.lateness_ms))
    }

    /// When something happens to a session next, of which all has been done that was due by `at`.
    fn due(self, session: Window, at: Timestamp) -> Timestamp {
        if session.max_timestamp() > at { session.max_timestamp() } else { self.gone(session) }
    }
}

/// Aggregates by key and session.
pub struct SessionHead<T: Record, K: KeyFn<T>, G, C, A: Aggregate<T>, N> {
    key: K,
    sessions: Session<G, C>,
    aggregate: A,
    rows: Table<ByKey<K::Key>, Row<A::Acc>>,
    snapshots: Snapshots<ByKey<K::Key>, Row<A::Acc>>,
    /// The keys, each for the time that its row says. What is there for another time is out of date.
    queue: Queue<(u64, K::Key)>,
    times: Times,
    /// Sessions that are over by then are to fire.
    until: Timestamp,
    /// Those that were over by then have.
    fired: Timestamp,
    /// The watermark to pass on once everything has fired.
    forward: Option<Timestamp>,
    state: StateAccess,
    hashes: [u64; PREFETCH_RECORDS],
    late: Option<Outlet<T>>,
    late_records: Counter,
    info: OperatorInfo,
    next: N,
}

impl<T, K, G, C, A, N> Head for SessionHead<T, K, G, C, A, N>
where
    T: Record,
    K: KeyFn<T>,
    G: Gap<T>,
    C: ClockMarker,
    A: Aggregate<T>,
    N: Push<(K::Key, Window, A::Out)>,
{
    fn poll(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        if C::CLOCK == Clock::Processing {
            self.until = self.until.max(Timestamp::from_millis(cx.wall.millis().saturating_sub(1)));
        }
        let firing = self.fire();
        cx.interrupt(firing, true, || Ok(self.take(cx, input)))
    }

    fn background(&mut self) -> Background {
        self.snapshots.walk(&mut self.rows)
    }

    fn state_bytes(&mut self) -> usize {
        self.rows.size_bytes() + self.queue.size_bytes()
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(async {
            let Self { snapshots, rows, queue, .. } = self;
            snapshots.restore(|block| restore_block(rows, block)).await?;
            for (key, (due, ..)) in rows.iter() {
                queue.push(*due, (K::Key::hash(key.view()), K::Key::from_view(key.view())));
            }
            Ok(())
        })
    }

    fn timer(&self) -> Option<Timestamp> {
        let next = self.queue.next().filter(|_| C::CLOCK == Clock::Processing);
        next.map(|due| Timestamp::from_millis(due.millis().saturating_add(1)))
    }
}

impl<T, K, G, C, A, N> SessionHead<T, K, G, C, A, N>
where
    T: Record,
    K: KeyFn<T>,
    G: Gap<T>,
    C: ClockMarker,
    A: Aggregate<T>,
    N: Push<(K::Key, Window, A::Out)>,
{
    /// Adds the records of a batch.
    fn take(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Progress {
        let Some(records) = input.records::<T>() else { return Progress::Consumed };
        let (mut at, end) = (records.position(), records.len());
        while at < end {
            let to = (at + PREFETCH_RECORDS).min(end);
            at = self.add(cx, &records, at, to);
            if at < to {
                // What the key of this record has pending comes before it.
                let hash = self.key.with(records.get(at), |key| <K::Key as Key>::hash(key));
                let key = self.key.with(records.get(at), K::Key::from_view);
                self.settle(hash, key);
            }
            input.advance_to(at);
            // What is late is put out at once.
            if self.is_full() {
                return Progress::NeedsOutput;
            }
        }
        Progress::Consumed
    }

    /// Adds records `from..to` to their sessions: first all hashes, with their rows asked for, then the rows. Says which record is next: before one of a key of which
    /// sessions are still to fire, these have to.
    fn add(&mut self, cx: &TaskContext, records: &Records<'_, T>, from: usize, to: usize) -> usize {
        let is_firing = self.fired < self.until;
        let Self {
            key, sessions, aggregate, rows, queue, hashes, times, until, late, late_records, info, next, ..
        } = self;
        let guard = Guard::new(info);
        for (i, hash) in (from..to).zip(hashes.iter_mut()) {
            *hash = match records.hash(i) {
                Some(hash) => hash,
                None => key.with(records.get(i), |key| <K::Key as Key>::hash(key)),
            };
        }
        if rows.wants_prefetch() {
            hashes[..to - from].iter().for_each(|hash| rows.prefetch(*hash));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), records.time(i));
            if is_firing && key.with(record, |key| rows.get(*hash, key).is_some_and(|(due, ..)| due <= until)) {
                guard.done();
                return i;
            }
            let time = if C::CLOCK == Clock::Processing { cx.wall } else { at };
            let alone = sessions.window(record, time);
            key.with(record, |key| {
                // A record by itself is late if nothing is open that it makes longer.
                let is_late = times.gone(alone) <= times.closed;
                if is_late
                    && rows
                        .get(*hash, key)
                        .is_none_or(|row| !row::sessions(row).any(|(session, _)| touch(*session, alone)))
                {
                    late_records.add(1);
                    if let Some(late) = late {
                        late.push(record, at);
                    }
                    return;
                }
                let begin = || (Timestamp::MAX, (alone, aggregate.create()), Vec::new());
                let (owned, row) = rows.entry_and_key(*hash, key, begin);
                let (session, accumulator) = row::place(aggregate, row, alone);
                aggregate.add(accumulator, record, at);
                let (session, due) = (*session, times.due(*session, times.closed));
                if session.max_timestamp() <= times.closed {
                    let out = aggregate.finish(accumulator);
                    next.push((owned.view(), session, out.view()), session.max_timestamp());
                }
                if due < row.0 {
                    row.0 = due;
                    queue.push(due, (*hash, K::Key::from_view(key)));
                }
            });
        }
        guard.done();
        to
    }

    /// Does what is due for a key: puts out the sessions that are over, and drops those that are not kept any longer.
    fn settle(&mut self, hash: u64, key: K::Key) {
        let Self { aggregate, rows, queue, times, until, fired, info, next, .. } = self;
        let Some(row) = rows.get_mut(hash, key.view()) else { return };
        let guard = Guard::new(info);
        for (session, accumulator) in row::sessions(row) {
            if session.max_timestamp() <= *until && session.max_timestamp() > *fired {
                let out = aggregate.finish(accumulator);
                next.push((key.view(), *session, out.view()), session.max_timestamp());
            }
        }
        guard.done();
        if row::retain(row, |session| times.gone(session) > *until) {
            let due = row::sessions(row).map(|(session, _)| times.due(*session, *until)).min();
            row.0 = due.unwrap_or(Timestamp::MAX);
            queue.push(row.0, (hash, key));
        } else {
            rows.remove(hash, key.view());
        }
    }

    /// Takes a step of what is due; once nothing is, passes the watermark on.
    fn fire(&mut self) -> Option<Progress> {
        let mut looked_at = 0;
        while let Some((at, (hash, key))) = self.queue.pop(self.until) {
            looked_at += 1;
            let is_due = self.rows.get(hash, key.view()).is_some_and(|(due, ..)| *due == at);
            if is_due {
                self.settle(hash, key); // otherwise the entry is out of date
            }
            if self.next.is_full() {
                return Some(Progress::NeedsOutput);
            }
            if looked_at == FIRE_KEYS_LIMIT {
                return Some(Progress::MoreWork);
            }
        }
        self.fired = self.until;
        if let Some(watermark) = self.forward.take() {
            self.pass_on(Signal::Watermark(watermark));
        }
        None
    }
}

impl<T, K, G, C, A, N> SessionHead<T, K, G, C, A, N>
where
    T: Record,
    K: KeyFn<T>,
    G: Gap<T>,
    C: ClockMarker,
    A: Aggregate<T>,
    N: Push<(K::Key, Window, A::Out)>,
{
    /// Takes part in a checkpoint.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.times.closed])?;
        let fired = self.state.encode(FIRED_STATE, Spread::Union, &[self.fired])?;
        let upload = self.snapshots.freeze(&mut self.rows)?;
        Ok(OperatorReport { values: vec![watermark, fired], uploads: vec![upload] })
    }

    fn pass_on(&mut self, signal: Signal) {
        if let Some(late) = &mut self.late {
            late.signal(signal);
        }
        self.next.signal(signal);
    }
}

impl<T, K, G, C, A, N> Stage for SessionHead<T, K, G, C, A, N>
where
    T: Record,
    K: KeyFn<T>,
    G: Gap<T>,
    C: ClockMarker,
    A: Aggregate<T>,
    N: Push<(K::Key, Window, A::Out)>,
{
    forward_stage!(except signal, beside late);

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Watermark(at) => {
                // By the wall clock only the end of the input ends sessions from here.
                if C::CLOCK == Clock::Event {
                    // Behind a restore it may begin further back than it was.
                    self.times.closed = self.times.closed.max(at);
                    self.until = self.until.max(at);
                } else if at == Timestamp::MAX {
                    self.until = at;
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
}
