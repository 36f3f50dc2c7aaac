//! The head that joins in sessions: the records of both sides together make the sessions of a key, and are paired when one ends.

use std::marker::PhantomData;

use millstream_core::{buffer::Records, key::Key, packed::Packer, record::Record, time::Timestamp};
use millstream_state::{manifest::Spread, row::ByKey};

use super::{
    Grouped,
    pairing::{FIRE_STEPS_LIMIT, FITS, Pairing, Sides},
    window::{PREFETCH_RECORDS, each_share},
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
    process::{Either, EitherKey, EitherView, LeftPort, Port, RightPort},
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
        let open = cx.open_context(&info);
        let late = [open.counter("late_left_records"), open.counter("late_right_records")];
        cx.measure_state(&info);
        let state = cx.state(&info);
        // All subtasks had the same at the barrier, unless one had it from another exchange.
        let watermark = state.restored().all::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        let closed = watermark.unwrap_or(Timestamp::MIN);
        let snapshots = cx.snapshots(SESSIONS_STATE, &state);
        Ok(SessionJoinHead {
            key: self.key.clone(),
            grouped: self.grouped.clone(),
            open: Open {
                sessions: self.sessions.clone(),
                by_key: OpenSessions::new(snapshots.table(), Times { closed, lateness_ms: 0 }, closed),
                late,
                right: PhantomData,
            },
            snapshots,
            over: Vec::new(),
            current: None,
            state,
            forward: None,
            packer: Packer::default(),
            hashes: [0; PREFETCH_RECORDS],
            info,
            next,
        })
    }
}

/// The rows of all keys.
type SidesOf<K, L, R> = Snapshots<ByKey<K>, Row<Sides<L, R>>>;

/// Joins by key and session.
pub struct SessionJoinHead<L: Record, R: Record, A: KeyFn<L>, B, P, C, G: Grouped<A::Key, L, R>, N> {
    key: EitherKey<A, B>,
    grouped: G,
    open: Open<A::Key, L, R, G::Kept, P, C>,
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
}

/// The sessions that are open. Of records of the right side `V` is kept.
struct Open<K: Key, L: Record, R, V: Record, P, C> {
    sessions: Session<P, C>,
    by_key: OpenSessions<K, Sides<L, V>>,
    /// Late records by side.
    late: [Counter; 2],
    right: PhantomData<fn(R)>,
}

impl<K, L, R, V, P, C> Open<K, L, R, V, P, C>
where
    K: Key,
    L: Record,
    R: Record,
    V: Record,
    P: Gap<Either<L, R>>,
    C: ClockMarker,
{
    /// Takes records `from..to` of a side: first all hashes, with their rows asked for.
    #[inline(always)]
    fn take<I: Port<Either<L, R>>>(
        &mut self,
        cx: &TaskContext,
        (records, from, to): (&Records<'_, I::Arrives>, usize, usize),
        key: &impl KeyFn<I::Arrives, Key = K>,
        hashes: &mut [u64; PREFETCH_RECORDS],
        mut append: impl FnMut(&mut Sides<L, V>, <I::Arrives as Record>::View<'_>),
    ) {
        let Self { sessions, by_key, late, .. } = self;
        for (i, hash) in (from..to).zip(hashes.iter_mut()) {
            *hash = match records.hash(i) {
                Some(hash) => hash,
                None => key.with(records.get(i), |key| K::hash(key)),
            };
        }
        if by_key.rows.wants_prefetch() {
            hashes[..to - from].iter().for_each(|hash| by_key.rows.prefetch(*hash));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), records.time(i));
            let at = if C::CLOCK == Clock::Processing { cx.wall } else { at };
            let side = I::taken(record);
            let is_left = matches!(side, EitherView::Left(_));
            let alone = sessions.window(side, at);
            key.with(record, |key| {
                if by_key.is_late(*hash, key, alone) {
                    late[usize::from(!is_left)].add(1);
                    return;
                }
                let merge = |into: &mut Sides<L, V>, other: Sides<L, V>| {
                    into.0.append(&other.0);
                    into.1.append(&other.1);
                };
                // What is over has been put out before, so a session that is open is not over, nor is one that it grows into.
                by_key.enter((*hash, key), alone, Sides::default, merge, |sides| append(sides, record), |_, _, _| {});
            });
        }
    }
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
            self.open.by_key.until = self.open.by_key.until.max(before);
        }
        if let Some(progress) = self.fire() {
            return Ok(progress);
        }
        let Self { key, open, packer, hashes, info, .. } = self;
        let guard = Guard::new(info);
        match input.port() {
            None => {}
            Some(0) => {
                let records = input.records::<L>().expect("a cursor with a port has records");
                each_share(&records, |from, to| {
                    let append =
                        |sides: &mut Sides<L, G::Kept>, record: L::View<'_>| sides.0.push(packer, record).expect(FITS);
                    open.take::<LeftPort<L, R>>(cx, (&records, from, to), &key.left, hashes, append);
                });
                input.advance_to(records.len());
            }
            Some(_) => {
                let records = input.records::<R>().expect("a cursor with a port has records");
                each_share(&records, |from, to| {
                    let append = |sides: &mut Sides<L, G::Kept>, record: R::View<'_>| {
                        sides.1.push(packer, G::kept(record)).expect(FITS);
                    };
                    open.take::<RightPort<L, R>>(cx, (&records, from, to), &key.right, hashes, append);
                });
                input.advance_to(records.len());
            }
        }
        guard.done();
        Ok(Progress::Consumed)
    }

    fn background(&mut self) -> Background {
        self.snapshots.walk(&mut self.open.by_key.rows)
    }

    fn state_bytes(&mut self) -> usize {
        self.open.by_key.size_bytes()
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(async {
            let Self { snapshots, open: Open { by_key, .. }, .. } = self;
            snapshots.restore(|block| restore_block(&mut by_key.rows, block)).await?;
            by_key.restored();
            Ok(())
        })
    }

    fn timer(&self) -> Option<Timestamp> {
        let next = self.open.by_key.queue.next().filter(|_| C::CLOCK == Clock::Processing);
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
    /// Puts out pairs of sessions that are over, a bounded number; then passes the watermark on.
    fn fire(&mut self) -> Option<Progress> {
        let (mut steps, mut looked_at) = (0, 0);
        loop {
            while let Some(pairing) = &mut self.current {
                let guard = Guard::new(&self.info);
                let progress = pairing.put_out::<R, G>(&self.grouped, &mut self.next, &mut steps);
                guard.done();
                if progress.is_some() {
                    return progress;
                }
                self.current = self.over.pop();
            }
            if steps >= FIRE_STEPS_LIMIT {
                return Some(Progress::MoreWork);
            }
            let Some((hash, key)) = self.open.by_key.next_due(&mut looked_at, FIRE_STEPS_LIMIT) else { break };
            let over = &mut self.over;
            self.open.by_key.take(hash, &key, |session, sides| {
                over.push(Pairing::new::<R, G>(A::Key::from_view(key.view()), session, sides));
            });
            self.current = over.pop();
        }
        if looked_at == FIRE_STEPS_LIMIT {
            return Some(Progress::MoreWork);
        }
        self.open.by_key.fired = self.open.by_key.until;
        if let Some(watermark) = self.forward.take() {
            self.next.signal(Signal::Watermark(watermark));
        }
        None
    }

    /// Takes part in a checkpoint. Nothing is being put out then: the head has no signal before that has been done.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.open.by_key.times.closed])?;
        let upload = self.snapshots.freeze(&mut self.open.by_key.rows)?;
        Ok(OperatorReport { values: vec![watermark], uploads: vec![upload] })
    }
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
                self.open.by_key.pass(C::CLOCK, at);
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
