//! The head that joins in sessions: the records of both sides together make the sessions of a key, and are paired when one ends.
//!
//! A barrier passes between any two pairs. The sessions of a key that are over are put out one by one, and its row says which have been; how far one has come that has
//! been begun, [`Begun`] says. A record of such a key comes in when all of that has been put out.

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
    begun::Begun,
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
        forward::Forward,
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
        // All subtasks had the same at the barrier, unless it overtook records, or one had it from another exchange.
        let watermark = state.own::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        let closed = watermark.unwrap_or(Timestamp::MIN);
        let times = Times { closed, lateness_ms: if C::CLOCK == Clock::Event { self.lateness_ms } else { 0 } };
        let snapshots = cx.snapshots(SESSIONS_STATE, &state);
        let begun = Begun::restored(&state, snapshots.groups())?;
        Ok(SessionJoinHead {
            key: self.key.clone(),
            grouped: self.grouped.clone(),
            sessions: self.sessions.clone(),
            open: OpenSessions::new(snapshots.table(), times),
            late,
            snapshots,
            current: None,
            begun,
            state,
            forward: Forward::default(),
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
    /// The session whose pairs are being put out, whose records are not in its row.
    current: Option<Pairing<A::Key, L, G::Kept>>,
    begun: Begun<A::Key>,
    state: StateAccess,
    /// What to pass on once everything has fired.
    forward: Forward,
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
        let firing = self.fire();
        cx.interrupt(firing, || {
            Ok(match input.port() {
                None => Progress::Consumed,
                Some(0) => self.take::<Left>(cx, input),
                Some(_) => self.take::<Right>(cx, input),
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
        let (mut at, end, mut steps) = (records.position(), records.len(), 0);
        while at < end {
            let to = (at + PREFETCH_RECORDS).min(end);
            at = self.take_some::<I>(cx, &records, at, to);
            input.advance_to(at);
            let mut progress = None;
            if at < to && !self.begun.is_full() {
                let own = |key: <A::Key as Record>::View<'_>| (A::Key::hash(key), A::Key::from_view(key));
                let (hash, key) = I::key(&self.key).with(records.get(at), own);
                progress = self.put_out_key(hash, &key, &mut steps);
            } else if !cx.barrier_waits || self.begun.is_full() {
                progress = self.put_out(&mut steps);
            }
            if let Some(progress) = progress {
                return progress;
            }
        }
        if self.begun.is_empty() { Progress::Consumed } else { Progress::Interrupted }
    }

    /// Takes records `from..to`: first all hashes, with their rows asked for. Says which record is next: before one of a key of which pairs are still to be put out,
    /// and where too many late records have come, these have to be.
    #[inline(always)]
    fn take_some<I>(&mut self, cx: &TaskContext, records: &Records<'_, I::Record>, from: usize, to: usize) -> usize
    where
        I: Arrival<L, R, A, B, G>,
        I::KeyFn: KeyFn<I::Record, Key = A::Key>,
    {
        let Self { key, sessions, open, current, begun, late, packer, hashes, info, .. } = self;
        let key = I::key(key);
        let is_firing = open.is_firing() || current.is_some();
        let guard = Guard::new(info);
        hash_keys(records, (from, to), key, hashes);
        if open.rows.wants_prefetch() {
            hashes[..to - from].iter().for_each(|hash| open.rows.prefetch(*hash));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), records.time(i));
            let at = if C::CLOCK == Clock::Processing { cx.wall } else { at };
            let alone = sessions.window(I::either(record), at);
            let taken = key.with(record, |key| {
                if is_firing || !begun.is_empty() {
                    let is_current = current.as_ref().is_some_and(|pairing| pairing.is_of(key));
                    if is_current || open.is_pending(*hash, key) || begun.has(key) || begun.is_full() {
                        return false;
                    }
                }
                if open.is_late(*hash, key, alone) {
                    I::late(late).add(1);
                    return true;
                }
                let merge = |into: &mut Sides<L, G::Kept>, other: Sides<L, G::Kept>| {
                    into.0.append(&other.0);
                    into.1.append(&other.1);
                };
                let append = |sides: &mut Sides<L, G::Kept>| {
                    I::list(sides).push(packer, I::kept(record)).expect(FITS);
                };
                let again = |key: &A::Key, session, _: &mut _| {
                    begun.push(session, A::Key::from_view(key.view()), Step::default());
                };
                open.enter((*hash, key), alone, Sides::default, merge, append, again);
                true
            });
            if !taken {
                guard.done();
                return i;
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
            self.begin(hash, key);
        }
        if looked_at == FIRE_STEPS_LIMIT {
            return Some(Progress::MoreWork);
        }
        self.open.fired = self.open.until;
        self.forward.release().for_each(|signal| self.next.signal(signal));
        None
    }

    /// Begins with the first session of a key that is over. If there is none, the key is done with what is due.
    fn begin(&mut self, hash: u64, key: A::Key) {
        match self.open.next_over(hash, key.view()) {
            Some((session, sides)) => {
                let sides = std::mem::take(sides);
                self.current = Some(Pairing::new::<R, G>(key, session, sides, Step::default()));
            }
            None => self.open.settle(hash, key, |_, _, _| {}),
        }
    }

    /// Goes on with a session that has been begun.
    fn go_on(&mut self, session: Window, key: A::Key, at: Step) {
        let sides = self.open.get_mut(A::Key::hash(key.view()), key.view(), session).map(std::mem::take);
        self.current = sides.map(|sides| Pairing::new::<R, G>(key, session, sides, at));
    }

    /// Puts out pairs of what has been begun, a bounded number. `None` if that was all.
    fn put_out(&mut self, steps: &mut usize) -> Option<Progress> {
        loop {
            while self.current.is_some() {
                if let Some(progress) = self.put_out_current(steps) {
                    return Some(progress);
                }
            }
            let (session, key, at) = self.begun.pop()?;
            self.go_on(session, key, at);
        }
    }

    /// Puts out pairs of a key before all else, a bounded number. `None` once nothing of it is in the way of a record any more.
    fn put_out_key(&mut self, hash: u64, key: &A::Key, steps: &mut usize) -> Option<Progress> {
        let is_current = |current: &Pairing<_, _, _>| current.is_of(key.view());
        if !self.current.as_ref().is_some_and(is_current) {
            self.put_aside();
            let key = A::Key::from_view(key.view());
            match self.begun.take(key.view(), |_| true) {
                Some((session, at)) => self.go_on(session, key, at),
                None => self.begin(hash, key),
            }
        }
        while self.current.as_ref().is_some_and(is_current) {
            if let Some(progress) = self.put_out_current(steps) {
                return Some(progress);
            }
        }
        None
    }

    /// Puts out pairs of the session that is being put out, a bounded number. `None` if that was all; then it is the turn of the next session of the key, if another
    /// is over.
    fn put_out_current(&mut self, steps: &mut usize) -> Option<Progress> {
        let pairing = self.current.as_mut()?;
        if *steps >= FIRE_STEPS_LIMIT {
            return Some(Progress::MoreWork);
        }
        let guard = Guard::new(&self.info);
        let progress = pairing.put_out::<R, G>(&self.grouped, &mut self.next, steps);
        guard.done();
        if progress.is_some() {
            return progress;
        }
        let (key, session, sides, _) = self.current.take()?.into_parts();
        let hash = A::Key::hash(key.view());
        if self.open.put_out(hash, key.view(), session, sides) {
            self.begin(hash, key);
        }
        None
    }

    /// Puts the records of what is being put out back into their row, to go on with it later.
    fn put_aside(&mut self) {
        let Some((key, session, sides, at)) = self.current.take().map(Pairing::into_parts) else { return };
        if let Some(open) = self.open.get_mut(A::Key::hash(key.view()), key.view(), session) {
            *open = sides;
        }
        self.begun.push(session, key, at);
    }

    /// Takes part in a checkpoint.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        self.put_aside();
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.open.times.closed])?;
        let begun = self.begun.encode(&self.state)?;
        let upload = self.snapshots.freeze(&mut self.open.rows)?;
        Ok(OperatorReport { values: vec![watermark, begun], uploads: vec![upload] })
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
                self.open.pass(C::CLOCK, at);
                self.forward.watermark(at);
            }
            Signal::Barrier(barrier) => {
                let report = self.snapshot();
                self.state.report(barrier, report);
                self.next.signal(signal);
            }
            signal => {
                if let Some(signal) = self.forward.hold(signal) {
                    self.next.signal(signal);
                }
            }
        }
    }
}
