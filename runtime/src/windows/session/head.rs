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
use millstream_state::{manifest::Spread, row::ByKey};

use super::{
    Gap, Session,
    open::{OpenSessions, Times},
    row::Row,
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
        forward::Forward,
        head::{Background, BatchCursor, Head, Progress, TaskContext, Two},
    },
    windows::{
        assigner::{Clock, ClockMarker},
        head::{PARTIALS_PORT, Partial},
    },
};

/// The state that has the open sessions of each key.
const SESSIONS_STATE: &str = "sessions";
/// The state that says how far event time has come.
const WATERMARK_STATE: &str = "watermark";

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
    type In = Two<T, Partial<K::Key, A::Acc>>;
    type Out = (K::Key, Window, A::Out);
    type Chain<N: Push<Self::Out>> = SessionHead<T, K, G, C, A, N>;

    fn chain<N: Push<Self::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        let late_records = cx.open_context(&info).counter("late_records");
        cx.measure_state(&info);
        let state = cx.state(&info);
        let watermark = state.own::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        let closed = watermark.unwrap_or(Timestamp::MIN);
        let snapshots = cx.snapshots(SESSIONS_STATE, &state);
        Ok(SessionHead {
            key: self.key.clone(),
            sessions: self.sessions.clone(),
            aggregate: self.aggregate.clone(),
            open: OpenSessions::new(snapshots.table(), Times { closed, lateness_ms: self.lateness_ms }),
            snapshots,
            forward: Forward::default(),
            state,
            hashes: [0; PREFETCH_RECORDS],
            late: self.late.map(|output| cx.output(output, self.timed)).transpose()?,
            late_records,
            info,
            next,
        })
    }
}

/// Aggregates by key and session.
pub struct SessionHead<T: Record, K: KeyFn<T>, G, C, A: Aggregate<T>, N> {
    key: K,
    sessions: Session<G, C>,
    aggregate: A,
    open: OpenSessions<K::Key, A::Acc>,
    snapshots: Snapshots<ByKey<K::Key>, Row<A::Acc>>,
    /// What to pass on once everything has fired.
    forward: Forward,
    state: StateAccess,
    hashes: [u64; PREFETCH_RECORDS],
    late: Option<Outlet<T>>,
    late_records: Counter,
    info: OperatorInfo,
    next: N,
}

/// What arrives: records, or what senders have aggregated of them.
trait Arrival<T: Record, K: KeyFn<T>, G, C, A: Aggregate<T>> {
    type Record: Record;

    fn key<R>(
        key: &K,
        of: <Self::Record as Record>::View<'_>,
        then: impl FnOnce(<K::Key as Record>::View<'_>) -> R,
    ) -> R;
    /// The session that it would have if it were alone.
    fn session(sessions: &Session<G, C>, of: <Self::Record as Record>::View<'_>, at: Timestamp) -> Window;
    fn add(aggregate: &A, to: &mut A::Acc, this: <Self::Record as Record>::View<'_>, at: Timestamp);
    fn late(this: <Self::Record as Record>::View<'_>, at: Timestamp, late: &mut Outlet<T>);
}

/// Records, which are added.
struct Added;

impl<T: Record, K: KeyFn<T>, G: Gap<T>, C: ClockMarker, A: Aggregate<T>> Arrival<T, K, G, C, A> for Added {
    type Record = T;

    #[inline(always)]
    fn key<R>(key: &K, of: T::View<'_>, then: impl FnOnce(<K::Key as Record>::View<'_>) -> R) -> R {
        key.with(of, then)
    }

    #[inline(always)]
    fn session(sessions: &Session<G, C>, of: T::View<'_>, at: Timestamp) -> Window {
        sessions.window(of, at)
    }

    #[inline(always)]
    fn add(aggregate: &A, to: &mut A::Acc, this: T::View<'_>, at: Timestamp) {
        aggregate.add(to, this, at);
    }

    fn late(this: T::View<'_>, at: Timestamp, late: &mut Outlet<T>) {
        late.push(this, at);
    }
}

/// Partial results, which are merged.
struct Merged;

impl<T: Record, K: KeyFn<T>, G, C, A: Aggregate<T>> Arrival<T, K, G, C, A> for Merged {
    type Record = Partial<K::Key, A::Acc>;

    #[inline(always)]
    fn key<R>(
        _: &K,
        (key, ..): <Self::Record as Record>::View<'_>,
        then: impl FnOnce(<K::Key as Record>::View<'_>) -> R,
    ) -> R {
        then(key)
    }

    #[inline(always)]
    fn session(_: &Session<G, C>, (_, session, _): <Self::Record as Record>::View<'_>, _: Timestamp) -> Window {
        session
    }

    #[inline(always)]
    fn add(aggregate: &A, to: &mut A::Acc, (.., partial): <Self::Record as Record>::View<'_>, _: Timestamp) {
        aggregate.merge(to, partial);
    }

    fn late(_: <Self::Record as Record>::View<'_>, _: Timestamp, _: &mut Outlet<T>) {
        unreachable!(
            "a sender holds back only what its own watermark does not end, and sends it before it passes the watermark on"
        )
    }
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
            self.open.until = self.open.until.max(Timestamp::from_millis(cx.wall.millis().saturating_sub(1)));
        }
        let firing = self.fire();
        cx.interrupt(firing, || {
            Ok(match input.port() {
                None => Progress::Consumed,
                Some(PARTIALS_PORT) => self.take::<Merged>(cx, input),
                Some(_) => self.take::<Added>(cx, input),
            })
        })
    }

    fn background(&mut self) -> Background {
        self.snapshots.walk(&mut self.open.rows)
    }

    fn state_bytes(&mut self) -> usize {
        self.open.size_bytes()
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(async {
            let Self { snapshots, open, .. } = self;
            snapshots.restore(|block| restore_block(&mut open.rows, block)).await?;
            open.restored();
            Ok(())
        })
    }

    fn timer(&self) -> Option<Timestamp> {
        let next = self.open.queue.next().filter(|_| C::CLOCK == Clock::Processing);
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
    /// Takes what is in a batch.
    fn take<I: Arrival<T, K, G, C, A>>(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Progress {
        let arrivals = input.records::<I::Record>().expect("a cursor with a port has records");
        let (mut at, end) = (arrivals.position(), arrivals.len());
        while at < end {
            let to = (at + PREFETCH_RECORDS).min(end);
            at = self.take_some::<I>(cx, &arrivals, at, to);
            if at < to {
                // What the key of this one has pending comes before it.
                let (hash, key) =
                    I::key(&self.key, arrivals.get(at), |key| (<K::Key as Key>::hash(key), K::Key::from_view(key)));
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

    /// Puts `from..to` into their sessions: first all hashes, with their rows asked for, then the rows. Says which is next: before one of a key of which sessions are
    /// still to fire, these have to.
    fn take_some<I: Arrival<T, K, G, C, A>>(
        &mut self,
        cx: &TaskContext,
        arrivals: &Records<'_, I::Record>,
        from: usize,
        to: usize,
    ) -> usize {
        let is_firing = self.open.is_firing();
        let Self { key, sessions, aggregate, open, hashes, late, late_records, info, next, .. } = self;
        let guard = Guard::new(info);
        for (i, hash) in (from..to).zip(hashes.iter_mut()) {
            *hash = match arrivals.hash(i) {
                Some(hash) => hash,
                None => I::key(key, arrivals.get(i), |key| <K::Key as Key>::hash(key)),
            };
        }
        if open.rows.wants_prefetch() {
            hashes[..to - from].iter().for_each(|hash| open.rows.prefetch(*hash));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (arrival, at) = (arrivals.get(i), arrivals.time(i));
            if is_firing && I::key(key, arrival, |key| open.is_pending(*hash, key)) {
                guard.done();
                return i;
            }
            let time = if C::CLOCK == Clock::Processing { cx.wall } else { at };
            let alone = I::session(sessions, arrival, time);
            let is_late = I::key(key, arrival, |key| {
                if open.is_late(*hash, key, alone) {
                    return true;
                }
                let put_out = |key: &K::Key, session: Window, accumulator: &mut A::Acc| {
                    let out = aggregate.finish(accumulator);
                    next.push((key.view(), session, out.view()), session.max_timestamp());
                };
                let add = |accumulator: &mut A::Acc| I::add(aggregate, accumulator, arrival, at);
                let create = || aggregate.create();
                let merge = |into: &mut A::Acc, other: A::Acc| aggregate.merge(into, other.view());
                open.enter((*hash, key), alone, create, merge, add, put_out);
                false
            });
            if is_late {
                late_records.add(1);
                if let Some(late) = late {
                    I::late(arrival, at, late);
                }
            }
        }
        guard.done();
        to
    }

    fn settle(&mut self, hash: u64, key: K::Key) {
        let Self { aggregate, open, info, next, .. } = self;
        let guard = Guard::new(info);
        open.settle(hash, key, |key, session, accumulator| {
            let out = aggregate.finish(accumulator);
            next.push((key.view(), session, out.view()), session.max_timestamp());
        });
        guard.done();
    }

    /// Takes a step of what is due; once nothing is, passes the watermark on.
    fn fire(&mut self) -> Option<Progress> {
        let mut looked_at = 0;
        while let Some((hash, key)) = self.open.next_due(&mut looked_at, FIRE_KEYS_LIMIT) {
            self.settle(hash, key);
            if self.next.is_full() {
                return Some(Progress::NeedsOutput);
            }
        }
        if looked_at == FIRE_KEYS_LIMIT {
            return Some(Progress::MoreWork);
        }
        self.open.fired = self.open.until;
        self.forward.release().for_each(|signal| self.pass_on(signal));
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
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.open.times.closed])?;
        let upload = self.snapshots.freeze(&mut self.open.rows)?;
        Ok(OperatorReport { values: vec![watermark], uploads: vec![upload] })
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
                self.open.pass(C::CLOCK, at);
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
