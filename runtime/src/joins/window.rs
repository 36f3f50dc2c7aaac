//! The head that joins in windows: it keeps the records of both sides by window and key, and pairs them when their window closes.
//!
//! A key leaves the table of its window when its pairs have been put out, so what is left of a window that has closed is what has yet to be. That is also what
//! a snapshot has of it: a barrier passes between any two pairs, and all that has to be said besides is how far a key has come that has been begun ([`Begun`]).
//!
//! From windows that wait for late records it goes into a table of its own, and comes back with a late record, to be put out again. A record whose key is still to be put out in
//! one of its windows that have closed comes in behind that.

use std::marker::PhantomData;

use millstream_core::{
    buffer::Records,
    key::Key,
    packed::Packer,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::manifest::Spread;

use super::{
    Grouped,
    arrival::{Arrival, PREFETCH_RECORDS, hash_keys, late_counters},
    begun::Begun,
    chunk::{Left, Right},
    open::{OpenWindows, SidesByKey},
    pairing::{FIRE_STEPS_LIMIT, FITS, Pairing, Step},
};
use crate::{
    checkpoint::subtask::{OperatorReport, StateAccess},
    failure::Failure,
    graph::OperatorInfo,
    metrics::Counter,
    operator::{KeyFn, Push, Signal, Stage, Wait, forward_stage},
    process::EitherKey,
    stream::Plan,
    task::{
        contain::Guard,
        context::ChainContext,
        forward::Forward,
        head::{Background, BatchCursor, Head, Progress, TaskContext, Two},
    },
    windows::{
        Assigner,
        assigner::{Clock, Layout},
        kept::Closed,
    },
};

/// The state that says how far event time has come.
const WATERMARK_STATE: &str = "watermark";

/// The plan of a chain that begins with a join in windows.
pub struct JoinPlan<L, R, A, B, W, G> {
    pub(crate) key: EitherKey<A, B>,
    pub(crate) windows: W,
    pub(crate) grouped: G,
    /// How long a window is kept when it has closed, in milliseconds of event time.
    pub(crate) lateness_ms: i64,
    pub(crate) index: usize,
    pub(crate) records: PhantomData<fn(L, R)>,
}

impl<L, R, A, B, W, G> Plan for JoinPlan<L, R, A, B, W, G>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    W: Assigner,
    G: Grouped<A::Key, L, R>,
{
    type In = Two<L, R>;
    type Out = G::Out;
    type Chain<N: Push<G::Out>> = WindowJoinHead<L, R, A, B, W, G, N>;

    fn chain<N: Push<G::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        let late = late_counters(&cx.open_context(&info));
        cx.measure_state(&info);
        let state = cx.state(&info);
        // All subtasks had the same at the barrier, unless it overtook records, or one had it from another exchange.
        let watermark = state.own::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        let closed = match W::CLOCK {
            Clock::Event => Closed { at: watermark.unwrap_or(Timestamp::MIN), lateness_ms: self.lateness_ms },
            Clock::Processing => Closed { at: Timestamp::MIN, lateness_ms: 0 },
        };
        let open = OpenWindows::new(self.windows.clone(), closed, cx, &state);
        let begun = Begun::restored(&state, open.groups())?;
        Ok(WindowJoinHead {
            key: self.key.clone(),
            grouped: self.grouped.clone(),
            open,
            late,
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

/// Joins by key and window.
pub struct WindowJoinHead<L: Record, R: Record, A: KeyFn<L>, B, W, G: Grouped<A::Key, L, R>, N> {
    key: EitherKey<A, B>,
    grouped: G,
    open: OpenWindows<A::Key, L, G::Kept, W>,
    /// Late records by side.
    late: [Counter; 2],
    /// The key that is being put out, whose records are not in the tables.
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

/// The time that counts for windows. A wall clock that is set back does not lead into those that have closed.
#[inline(always)]
fn time_of<W: Assigner>(cx: &TaskContext, at: Timestamp, until: Timestamp) -> Timestamp {
    if W::CLOCK == Clock::Processing {
        cx.wall.max(Timestamp::from_millis(until.millis().saturating_add(1)))
    } else {
        at
    }
}

impl<L, R, A, B, W, G, N> Head for WindowJoinHead<L, R, A, B, W, G, N>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    W: Assigner,
    G: Grouped<A::Key, L, R>,
    N: Push<G::Out>,
{
    fn poll(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        if W::CLOCK == Clock::Processing {
            self.open.close_until(Timestamp::from_millis(cx.wall.millis().saturating_sub(1)));
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
        self.open.walk()
    }

    fn state_bytes(&mut self) -> usize {
        self.open.size_bytes()
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(self.open.restore())
    }

    fn timer(&self) -> Option<Timestamp> {
        if W::CLOCK == Clock::Processing { self.open.first_end() } else { None }
    }
}

impl<L, R, A, B, W, G, N> WindowJoinHead<L, R, A, B, W, G, N>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    W: Assigner,
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
                let key = I::key(&self.key).with(records.get(at), A::Key::from_view);
                progress = self.put_out_key(&key, records.time(at), &mut steps);
            } else if !self.begun.is_empty() && (!cx.barrier_waits || self.begun.is_full()) {
                progress = self.put_out(&mut steps);
            }
            if let Some(progress) = progress {
                return progress;
            }
        }
        if self.begun.is_empty() { Progress::Consumed } else { Progress::Interrupted }
    }

    /// Takes records `from..to`: first all hashes, with their entries asked for. Says which record is next: before one of a key that is still to be put out in one of
    /// its windows that have closed, and where too many late records have come, these have to be.
    #[inline(always)]
    fn take_some<I>(&mut self, cx: &TaskContext, records: &Records<'_, I::Record>, from: usize, to: usize) -> usize
    where
        I: Arrival<L, R, A, B, G>,
        I::KeyFn: KeyFn<I::Record, Key = A::Key>,
    {
        let Self { key, open, late, current, begun, packer, hashes, info, .. } = self;
        let (key, kept_from, waits) = (I::key(key), open.closed.kept(), open.waits());
        let guard = Guard::new(info);
        hash_keys(records, (from, to), key, hashes);
        // In the window that was used last, which mostly is that of them all.
        if let Some(table) = open.pending.stored.slices.last().filter(|table| table.wants_prefetch()) {
            hashes[..to - from].iter().for_each(|hash| table.prefetch(*hash));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), time_of::<W>(cx, records.time(i), open.until));
            // Behind that, it is in no window that has closed.
            if waits
                && at <= open.closed.at
                && (begun.is_full()
                    || key.with(record, |key| open.in_the_way((*hash, key), at, current.as_ref()).is_some()))
            {
                guard.done();
                return i;
            }
            let OpenWindows { windows, pending, kept, closed, kept_until, .. } = &mut *open;
            let mut taken = false;
            let mut put = |window: Window, table: &mut SidesByKey<A::Key, L, G::Kept>| {
                taken = true;
                key.with(record, |key| {
                    let mut sides = None;
                    if W::CLOCK == Clock::Event && window.max_timestamp() <= *kept_until {
                        sides = kept.take(window, *hash, key);
                        if window.max_timestamp() <= closed.at {
                            begun.push(window, A::Key::from_view(key), Step::default());
                        }
                    }
                    let sides = table.entry(*hash, key, || sides.unwrap_or_default());
                    I::list(sides).push(packer, I::kept(record)).expect(FITS);
                });
            };
            if <W::Layout as Layout>::OVERLAPS {
                windows.each_window(at, |window| {
                    if window.end > kept_from {
                        put(window, pending.of(window));
                    }
                });
            } else {
                match pending.stored.slices.find(windows, at) {
                    // It may be over, and not have been put out to its end.
                    Ok(slice) if slice.window.end <= kept_from => {}
                    Ok(slice) => put(slice.window, &mut slice.table),
                    Err(window) if window.end <= kept_from => {}
                    Err(window) => put(window, pending.of(window)),
                }
            }
            if !taken && W::CLOCK == Clock::Event && at < kept_from {
                I::late(late).add(1);
            }
        }
        guard.done();
        to
    }

    /// Puts out pairs of windows that have closed, a bounded number, and drops what is over; then passes the watermark on.
    fn fire(&mut self) -> Option<Progress> {
        if let Some(progress) = self.put_out(&mut 0) {
            return Some(progress);
        }
        if !self.open.drop_over() {
            return Some(Progress::MoreWork);
        }
        self.forward.release().for_each(|signal| self.next.signal(signal));
        None
    }

    /// Puts out pairs of windows that have closed, a bounded number. `None` if that was all.
    fn put_out(&mut self, steps: &mut usize) -> Option<Progress> {
        while self.current.is_some() || self.begin() {
            if let Some(progress) = self.put_out_current(steps) {
                return Some(progress);
            }
        }
        None
    }

    /// Puts out pairs of a key before all else, in its windows of this time that have closed, a bounded number. `None` once none is in the way of a record any more.
    fn put_out_key(&mut self, key: &A::Key, at: Timestamp, steps: &mut usize) -> Option<Progress> {
        let hash = A::Key::hash(key.view());
        while let Some(window) = self.open.in_the_way((hash, key.view()), at, self.current.as_ref()) {
            if !self.current.as_ref().is_some_and(|current| current.window() == window && current.is_of(key.view())) {
                self.put_aside();
                let begun = self.begun.take(key.view(), |of| of == window);
                let at = begun.map(|(_, at)| at).unwrap_or_default();
                self.begin_with(window, A::Key::from_view(key.view()), at);
            }
            if let Some(progress) = self.put_out_current(steps) {
                return Some(progress);
            }
        }
        None
    }

    /// Puts out pairs of the key that is being put out, a bounded number. `None` if that was all.
    #[inline(always)]
    fn put_out_current(&mut self, steps: &mut usize) -> Option<Progress> {
        let pairing = self.current.as_mut()?;
        if *steps >= FIRE_STEPS_LIMIT {
            return Some(Progress::MoreWork);
        }
        let guard = Guard::new(&self.info);
        let progress = pairing.put_out::<R, G>(&self.grouped, &mut self.next, steps);
        guard.done();
        if progress.is_none()
            && let Some(pairing) = self.current.take()
        {
            self.open.put_out(pairing);
        }
        progress
    }

    /// Begins with the next key: one that has been begun before, or of a window that has closed. False if there is none.
    #[inline(always)]
    fn begin(&mut self) -> bool {
        while let Some((window, key, at)) = self.begun.pop() {
            self.begin_with(window, key, at);
            if self.current.is_some() {
                return true;
            }
        }
        let Some((window, key, sides)) = self.open.next() else { return false };
        self.current = Some(Pairing::new::<R, G>(key, window, sides, Step::default()));
        true
    }

    /// Begins with a key before its turn, at this step.
    fn begin_with(&mut self, window: Window, key: A::Key, at: Step) {
        let sides = self.open.take(window, &key);
        self.current = sides.map(|sides| Pairing::new::<R, G>(key, window, sides, at));
    }

    /// Puts the records of the key that is being put out back into their table, to go on with it later.
    fn put_aside(&mut self) {
        let Some((key, window, sides, at)) = self.current.take().map(Pairing::into_parts) else { return };
        self.open.put_back(window, &key, sides);
        self.begun.push(window, key, at);
    }

    /// Takes part in a checkpoint.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        self.put_aside();
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.open.closed.at])?;
        let begun = self.begun.encode(&self.state)?;
        Ok(OperatorReport { values: vec![watermark, begun], uploads: self.open.freeze()? })
    }
}

impl<L, R, A, B, W, G, N> Stage for WindowJoinHead<L, R, A, B, W, G, N>
where
    L: Record,
    R: Record,
    A: KeyFn<L>,
    B: KeyFn<R, Key = A::Key>,
    W: Assigner,
    G: Grouped<A::Key, L, R>,
    N: Push<G::Out>,
{
    forward_stage!(except signal);

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Watermark(at) => {
                // By the wall clock nothing is late, and only the end of the input closes windows from here.
                if W::CLOCK == Clock::Event {
                    self.open.pass(at);
                } else if at == Timestamp::MAX {
                    self.open.close_until(at);
                }
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
