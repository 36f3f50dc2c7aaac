//! The head that joins in sessions: the records of both sides together make the sessions of a key, and are paired when one ends.

use std::marker::PhantomData;

use millstream_core::{
    buffer::Records,
    key::Key,
    packed::Packer,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{manifest::Spread, row::ByKey};

use super::{
    Grouped,
    arrival::{Arrival, PREFETCH_RECORDS, hash_keys, late_counters},
    chunk::{Left, Right},
    pairing::{FIRE_STEPS_LIMIT, FITS, Pairing, Sides, Step},
};
use crate::{
    checkpoint::{
        keyed::{Snapshots, restore_block},
        subtask::{OperatorReport, StateAccess},
    },
    failure::Failure,
    graph::OperatorInfo,
    metrics::Counter,
    operator::{KeyFn, Push, Signal, Stage, Wait, forward_stage},
    process::{Either, EitherKey},
    stream::Plan,
    task::{
        contain::Guard,
        context::ChainContext,
        head::{Background, BatchCursor, Head, Progress, TaskContext, Two},
    },
    windows::{
        Clock, Gap, Session,
        assigner::ClockMarker,
        session::{
            open::{OpenSessions, Times},
            row::Row,
        },
    },
};

/// The state that has the records of the open sessions of each key.
const SESSIONS_STATE: &str = "sessions";
/// The state that says how far event time has come.
const WATERMARK_STATE: &str = "watermark";

/// The plan of a chain that begins with a join in sessions.
pub struct SessionJoinPlan<L, R, A, B, P, C, G> {
    pub(crate) key: EitherKey<A, B>,
    pub(crate) sessions: Session<P, C>,
    pub(crate) grouped: G,
    /// How long a session is kept when it is over, in milliseconds of event time.
    pub(crate) lateness_ms: i64,
    pub(crate) index: usize,
    pub(crate) records: PhantomData<fn(L, R)>,
}

impl<L, R, A, B, P, C, G> Plan for SessionJoinPlan<L, R, A, B, P, C, G>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    P: Gap<Either<L, R>>,
    C: ClockMarker,
    G: Grouped<A::Key, L, R>,
{
    type In = Two<L, R>;
    type Out = G::Out;
    type Chain<N: Push<G::Out>> = SessionJoinHead<L, R, A, B, P, C, G, N>;

    fn chain<N: Push<G::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        let late = late_counters(&cx.open_context(&info));
        cx.measure_state(&info);
        let state = cx.state(&info);
        // All subtasks had the same at the barrier, unless one had it from another exchange.
        let watermark = state.restored().all::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        let closed = watermark.unwrap_or(Timestamp::MIN);
        let times = Times { closed, lateness_ms: if C::CLOCK == Clock::Event { self.lateness_ms } else { 0 } };
        let snapshots = cx.snapshots(SESSIONS_STATE, &state);
        Ok(SessionJoinHead {
            key: self.key.clone(),
            grouped: self.grouped.clone(),
            sessions: self.sessions.clone(),
            open: OpenSessions::new(snapshots.table(), times, closed),
            late,
            snapshots,
            over: Vec::new(),
            current: None,
            state,
            forward: None,
            packer: Packer::default(),
            hashes: [0; PREFETCH_RECORDS],
            info,
            next,
            right: PhantomData,
        })
    }
}

/// The rows of all keys.
type SidesOf<K, L, R> = Snapshots<ByKey<K>, Row<Sides<L, R>>>;

/// Joins by key and session.
pub struct SessionJoinHead<L: Record, R: Record, A: KeyFn<L>, B, P, C, G: Grouped<A::Key, L, R>, N> {
    key: EitherKey<A, B>,
    grouped: G,
    sessions: Session<P, C>,
    open: OpenSessions<A::Key, Sides<L, G::Kept>>,
    /// Late records by side.
    late: [Counter; 2],
    snapshots: SidesOf<A::Key, L, G::Kept>,
    /// Sessions of a key that are over and whose pairs are next.
    over: Vec<Pairing<A::Key, L, G::Kept>>,
    /// The one whose pairs are being put out.
    current: Option<Pairing<A::Key, L, G::Kept>>,
    state: StateAccess,
    /// The watermark to pass on once everything has fired.
    forward: Option<Timestamp>,
    packer: Packer,
    hashes: [u64; PREFETCH_RECORDS],
    info: OperatorInfo,
    next: N,
    right: PhantomData<fn(R)>,
}

impl<L, R, A, B, P, C, G, N> Head for SessionJoinHead<L, R, A, B, P, C, G, N>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    P: Gap<Either<L, R>>,
    C: ClockMarker,
    G: Grouped<A::Key, L, R>,
    N: Push<G::Out>,
{
    fn poll(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        if C::CLOCK == Clock::Processing {
            let before = Timestamp::from_millis(cx.wall.millis().saturating_sub(1));
            self.open.until = self.open.until.max(before);
        }
        if let Some(progress) = self.fire() {
            return Ok(progress);
        }
        Ok(match input.port() {
            None => Progress::Consumed,
            Some(0) => self.take::<Left>(cx, input),
            Some(_) => self.take::<Right>(cx, input),
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

impl<L, R, A, B, P, C, G, N> SessionJoinHead<L, R, A, B, P, C, G, N>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    P: Gap<Either<L, R>>,
    C: ClockMarker,
    G: Grouped<A::Key, L, R>,
    N: Push<G::Out>,
{
    /// Takes a batch in.
    fn take<I>(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Progress
    where
        I: Arrival<L, R, A, B, G>,
        I::KeyFn: KeyFn<I::Record, Key = A::Key>,
    {
        let records = input.records::<I::Record>().expect("a cursor with a port has records");
        let (mut at, end) = (records.position(), records.len());
        while at < end {
            at = self.take_some::<I>(cx, &records, at, (at + PREFETCH_RECORDS).min(end));
            input.advance_to(at);
            if let Some(progress) = self.put_out(&mut 0) {
                return progress;
            }
        }
        Progress::Consumed
    }

    /// Takes records `from..to`: first all hashes, with their rows asked for. Says which record is next: behind one that comes for a session which has been put out,
    /// that is again.
    #[inline(always)]
    fn take_some<I>(&mut self, cx: &TaskContext, records: &Records<'_, I::Record>, from: usize, to: usize) -> usize
    where
        I: Arrival<L, R, A, B, G>,
        I::KeyFn: KeyFn<I::Record, Key = A::Key>,
    {
        let Self { key, sessions, open, current, late, packer, hashes, info, .. } = self;
        let key = I::key(key);
        let guard = Guard::new(info);
        hash_keys(records, (from, to), key, hashes);
        if open.rows.wants_prefetch() {
            hashes[..to - from].iter().for_each(|hash| open.rows.prefetch(*hash));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), records.time(i));
            let at = if C::CLOCK == Clock::Processing { cx.wall } else { at };
            let alone = sessions.window(I::either(record), at);
            key.with(record, |key| {
                if open.is_late(*hash, key, alone) {
                    I::late(late).add(1);
                    return;
                }
                let merge = |into: &mut Sides<L, G::Kept>, other: Sides<L, G::Kept>| {
                    into.0.append(&other.0);
                    into.1.append(&other.1);
                };
                let append = |sides: &mut Sides<L, G::Kept>| {
                    I::list(sides).push(packer, I::kept(record)).expect(FITS);
                };
                let again = |key: &A::Key, session, sides: &mut _| {
                    *current = Some(pairing::<R, _, _, _, G>(key, session, sides))
                };
                open.enter((*hash, key), alone, Sides::default, merge, append, again);
            });
            if current.is_some() {
                guard.done();
                return i + 1;
            }
        }
        guard.done();
        to
    }

    /// Puts out pairs of sessions that are over, a bounded number; then passes the watermark on.
    fn fire(&mut self) -> Option<Progress> {
        let (mut steps, mut looked_at) = (0, 0);
        loop {
            if let Some(progress) = self.put_out(&mut steps) {
                return Some(progress);
            }
            let Some((hash, key)) = self.open.next_due(&mut looked_at, FIRE_STEPS_LIMIT) else { break };
            let over = &mut self.over;
            self.open.settle(hash, key, |key, session, sides| over.push(pairing::<R, _, _, _, G>(key, session, sides)));
        }
        if looked_at == FIRE_STEPS_LIMIT {
            return Some(Progress::MoreWork);
        }
        self.open.fired = self.open.until;
        if let Some(watermark) = self.forward.take() {
            self.next.signal(Signal::Watermark(watermark));
        }
        None
    }

    /// Puts out pairs of what has been taken out for that, a bounded number. `None` if that was all.
    fn put_out(&mut self, steps: &mut usize) -> Option<Progress> {
        loop {
            if self.current.is_none() {
                self.current = self.over.pop();
            }
            let Some(pairing) = &mut self.current else { return None };
            if *steps >= FIRE_STEPS_LIMIT {
                return Some(Progress::MoreWork);
            }
            let guard = Guard::new(&self.info);
            let progress = pairing.put_out::<R, G>(&self.grouped, &mut self.next, steps);
            guard.done();
            if progress.is_some() {
                return progress;
            }
            let done = self.current.take().filter(|_| self.open.times.lateness_ms > 0);
            if let Some((key, session, sides, _)) = done.map(Pairing::into_parts)
                && let Some(kept) = self.open.get_mut(A::Key::hash(key.view()), key.view(), session)
            {
                *kept = sides;
            }
        }
    }

    /// Takes part in a checkpoint. Nothing is being put out then: the head has no signal before that has been done.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.open.times.closed])?;
        let upload = self.snapshots.freeze(&mut self.open.rows)?;
        Ok(OperatorReport { values: vec![watermark], uploads: vec![upload] })
    }
}

/// Takes the records of a session out.
fn pairing<T: Record, K: Key, L: Record, V: Record, G: Grouped<K, L, T, Kept = V>>(
    key: &K,
    session: Window,
    sides: &mut Sides<L, V>,
) -> Pairing<K, L, V> {
    Pairing::new::<T, G>(K::from_view(key.view()), session, std::mem::take(sides), Step::default())
}

impl<L, R, A, B, P, C, G, N> Stage for SessionJoinHead<L, R, A, B, P, C, G, N>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    P: Gap<Either<L, R>>,
    C: ClockMarker,
    G: Grouped<A::Key, L, R>,
    N: Push<G::Out>,
{
    forward_stage!(except signal);

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Watermark(at) => {
                self.open.pass(C::CLOCK, at);
                self.forward = Some(at);
            }
            Signal::Barrier(barrier) => {
                let report = self.snapshot();
                self.state.report(barrier, report);
                self.next.signal(signal);
            }
            signal => self.next.signal(signal),
        }
    }
}
