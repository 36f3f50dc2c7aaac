//! The head that joins in windows: it keeps the records of both sides by window and key, and pairs them when their window closes.
//!
//! A key leaves the table of its window when its pairs have been put out, so what is left of a window that has closed is what has yet to be. That is also what
//! a snapshot has of it: a barrier passes between any two pairs, and all that has to be said besides is how far the key has come that is being put out.
//!
//! Windows that wait for late records keep their keys until they are over. Then a barrier waits for what is being put out: of a window that is there when it passes, all has been.

use std::{collections::VecDeque, marker::PhantomData};

use millstream_core::{
    buffer::Records,
    key::Key,
    packed::Packer,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{groups::GroupRange, manifest::Spread, table::Cursor};

use super::{
    Grouped,
    arrival::{Arrival, PREFETCH_RECORDS, hash_keys, late_counters},
    chunk::{Left, Right},
    pairing::{FIRE_STEPS_LIMIT, FITS, Pairing, Sides, Step},
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
        kept::{Closed, behind},
        stored::{Closing, SliceTable, StoredSlices},
    },
};

/// The state that has the records of the open windows.
const WINDOWS_STATE: &str = "windows";
/// The state that says how far event time has come.
const WATERMARK_STATE: &str = "watermark";
/// The state that says which windows have been put out, of those that are kept even so.
const FIRED_STATE: &str = "fired";
/// The state that says of which keys some pairs have been put out.
const BEGUN_STATE: &str = "begun";

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
        // All subtasks had the same at the barrier, unless one had it from another exchange.
        let watermark = state.restored().all::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        let closed = match W::CLOCK {
            Clock::Event => Closed { at: watermark.unwrap_or(Timestamp::MIN), lateness_ms: self.lateness_ms },
            Clock::Processing => Closed { at: Timestamp::MIN, lateness_ms: 0 },
        };
        let fired = state.restored().all::<Timestamp>(FIRED_STATE)?.into_iter().min();
        let snapshots = cx.snapshots(WINDOWS_STATE, &state);
        let begun = Begun::of(state.restored().all(BEGUN_STATE)?, snapshots.groups());
        Ok(WindowJoinHead {
            key: self.key.clone(),
            grouped: self.grouped.clone(),
            open: Open {
                windows: self.windows.clone(),
                stored: StoredSlices::new(snapshots, state.is_checkpointed()),
                closed,
                until: closed.at,
                fired: fired.unwrap_or(Timestamp::MIN),
                late,
            },
            again: Vec::new(),
            closing: VecDeque::new(),
            cursor: Cursor::default(),
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

/// The records of a window.
type SidesByKey<K, L, R> = SliceTable<K, Sides<L, R>>;

/// Joins by key and window.
pub struct WindowJoinHead<L: Record, R: Record, A: KeyFn<L>, B, W, G: Grouped<A::Key, L, R>, N> {
    key: EitherKey<A, B>,
    grouped: G,
    open: Open<A::Key, L, G::Kept, W>,
    /// Windows that have been put out and have got a late record, with its key: the windows of one record at most.
    again: Vec<(Window, A::Key)>,
    /// Windows that are over, whose rows are being dropped.
    closing: VecDeque<Closing<A::Key, Sides<L, G::Kept>>>,
    /// How far the window has been gone through that is being put out.
    cursor: Cursor,
    /// The key that is being put out, whose records are not in the table.
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

/// The windows that are open.
struct Open<K: Key, L: Record, R: Record, W> {
    windows: W,
    /// Each window has a table of its own, also where they overlap: a pair is one of a window, and nothing is merged.
    stored: StoredSlices<K, Sides<L, R>>,
    /// How far event time has come.
    closed: Closed,
    /// Windows whose last moment is at or before this have closed.
    until: Timestamp,
    /// Of those at or before this everything has been put out.
    fired: Timestamp,
    /// Late records by side.
    late: [Counter; 2],
}

/// A key of which not all pairs had been put out at a barrier: the end of its window, and the step that was next.
type BegunKey<K> = (Timestamp, K, u64, u64);

/// The keys that had begun when a checkpoint was made, and have not gone on yet: one of each subtask of the checkpoint at most that the job goes on from, and one here.
struct Begun<K>(Vec<BegunKey<K>>);

impl<K: Key> Begun<K> {
    /// Those of these key groups.
    fn of(mut keys: Vec<BegunKey<K>>, groups: GroupRange) -> Self {
        keys.retain(|(_, key, ..)| groups.holds(K::hash(key.view())));
        Self(keys)
    }

    /// The step that is next of a key.
    #[inline(always)]
    fn take(&mut self, window: Window, key: &K) -> Step {
        if self.0.is_empty() { Step::default() } else { self.find(window, key) }
    }

    #[cold]
    fn find(&mut self, window: Window, key: &K) -> Step {
        let is = |(end, begun, ..): &BegunKey<K>| *end == window.end && K::same(begun.view(), key.view());
        let Some(found) = self.0.iter().position(is) else { return Step::default() };
        let (.., outer, inner) = self.0.swap_remove(found);
        (outer as usize, inner as usize)
    }
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

impl<K: Key, L: Record, R: Record, W> Open<K, L, R, W> {
    /// True if a window that has closed waits for late records.
    fn is_kept(&self, window: Window) -> bool {
        window.end > behind(self.until, self.closed.lateness_ms)
    }
}

/// The table of a window that ends behind `kept`.
fn window_of<K: Key, L: Record, R: Record>(
    stored: &mut StoredSlices<K, Sides<L, R>>,
    window: Window,
    kept: Timestamp,
) -> Option<&mut SidesByKey<K, L, R>> {
    if window.end <= kept {
        return None;
    }
    Some(match stored.slices.get(window) {
        Some(_) => &mut stored.slices.get(window)?.table,
        None => stored.open(window, window.max_timestamp()),
    })
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
            self.close_until(Timestamp::from_millis(cx.wall.millis().saturating_sub(1)));
        }
        let firing = self.fire();
        if firing.is_some() && self.open.closed.lateness_ms > 0 {
            return Ok(firing.unwrap_or(Progress::MoreWork));
        }
        cx.interrupt(firing, || {
            Ok(match input.port() {
                None => Progress::Consumed,
                Some(0) => self.take::<Left>(cx, input),
                Some(_) => self.take::<Right>(cx, input),
            })
        })
    }

    fn background(&mut self) -> Background {
        self.open.stored.walk(!self.closing.is_empty())
    }

    fn state_bytes(&mut self) -> usize {
        self.open.stored.size_bytes()
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(self.open.stored.restore(Window::max_timestamp))
    }

    fn timer(&self) -> Option<Timestamp> {
        if W::CLOCK == Clock::Processing { self.open.stored.slices.first().map(|window| window.end) } else { None }
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
        let (mut at, end) = (records.position(), records.len());
        while at < end {
            at = self.take_some::<I>(cx, &records, at, (at + PREFETCH_RECORDS).min(end));
            input.advance_to(at);
            if !self.again.is_empty()
                && let Some(progress) = self.put_out()
            {
                return progress;
            }
        }
        Progress::Consumed
    }

    /// Takes records `from..to`: first all hashes, with their entries asked for. Says which record is next: behind one that comes for windows which have been put out,
    /// they are again.
    #[inline(always)]
    fn take_some<I>(&mut self, cx: &TaskContext, records: &Records<'_, I::Record>, from: usize, to: usize) -> usize
    where
        I: Arrival<L, R, A, B, G>,
        I::KeyFn: KeyFn<I::Record, Key = A::Key>,
    {
        let Self { key, open, packer, hashes, info, again, .. } = self;
        let Open { windows, stored, closed, until, late, .. } = open;
        let (key, kept) = (I::key(key), closed.kept());
        let guard = Guard::new(info);
        hash_keys(records, (from, to), key, hashes);
        // In the window that was used last, which mostly is that of them all.
        if let Some(table) = stored.slices.last().filter(|table| table.wants_prefetch()) {
            hashes[..to - from].iter().for_each(|hash| table.prefetch(*hash));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), time_of::<W>(cx, records.time(i), *until));
            let mut taken = false;
            let mut put = |window: Window, table: &mut SidesByKey<A::Key, L, G::Kept>| {
                taken = true;
                key.with(record, |key| {
                    let sides = table.entry(*hash, key, Default::default);
                    I::list(sides).push(packer, I::kept(record)).expect(FITS);
                    if W::CLOCK == Clock::Event && window.max_timestamp() <= closed.at {
                        again.push((window, A::Key::from_view(key)));
                    }
                });
            };
            if <W::Layout as Layout>::OVERLAPS {
                windows.each_window(at, |window| {
                    if let Some(table) = window_of(stored, window, kept) {
                        put(window, table);
                    }
                });
            } else {
                match stored.slices.find(windows, at) {
                    // It may be over, and not have been put out to its end.
                    Ok(slice) if slice.window.end <= kept => {}
                    Ok(slice) => put(slice.window, &mut slice.table),
                    Err(window) => {
                        if let Some(table) = window_of(stored, window, kept) {
                            put(window, table);
                        }
                    }
                }
            }
            if !taken && W::CLOCK == Clock::Event && at < kept {
                I::late(late).add(1);
            }
            if !again.is_empty() {
                guard.done();
                return i + 1;
            }
        }
        guard.done();
        to
    }

    /// Lets all windows fire whose last moment is at or before this, in the steps that follow.
    fn close_until(&mut self, at: Timestamp) {
        self.open.until = self.open.until.max(at);
    }

    /// Puts out pairs of windows that have closed, a bounded number, and drops what is over; then passes the watermark on.
    fn fire(&mut self) -> Option<Progress> {
        if let Some(progress) = self.put_out() {
            return Some(progress);
        }
        let Self { open: Open { stored, closed, until, .. }, closing, .. } = self;
        let over = stored.slices.over(Timestamp::from_millis(until.millis().saturating_sub(closed.lateness_ms)));
        stored.close(over, closing);
        if !stored.drop_closed(closing, FIRE_STEPS_LIMIT) {
            return Some(Progress::MoreWork);
        }
        self.forward.release().for_each(|signal| self.next.signal(signal));
        None
    }

    /// Puts out pairs of windows that have closed, a bounded number. `None` if that was all.
    fn put_out(&mut self) -> Option<Progress> {
        let mut steps = 0;
        while self.current.is_some() || self.begin() {
            let Some(pairing) = &mut self.current else { break };
            let guard = Guard::new(&self.info);
            let progress = pairing.put_out::<R, G>(&self.grouped, &mut self.next, &mut steps);
            guard.done();
            if progress.is_some() {
                return progress;
            }
            let done = self.current.take().filter(|pairing| self.open.is_kept(pairing.window()));
            if let Some(pairing) = done {
                self.give_back(pairing);
            }
            if steps >= FIRE_STEPS_LIMIT {
                return Some(Progress::MoreWork);
            }
        }
        None
    }

    /// Begins with the next key that a late record has come for, or of a window that has closed. False if there is none.
    fn begin(&mut self) -> bool {
        if let Some((window, key)) = self.again.pop() {
            let slice = self.open.stored.slices.get(window);
            let sides = slice.and_then(|slice| slice.table.get_mut(A::Key::hash(key.view()), key.view()));
            let sides = sides.map(std::mem::take).unwrap_or_default();
            self.current = Some(Pairing::new::<R, G>(key, window, sides, Step::default()));
            return true;
        }
        loop {
            let slices = &mut self.open.stored.slices;
            let place = slices.over(self.open.fired);
            let next = slices.as_slice().get(place).map(|slice| slice.window);
            let Some(window) = next.filter(|window| window.max_timestamp() <= self.open.until) else {
                // Also of windows that only late records are still to open.
                self.open.fired = self.open.until;
                return false;
            };
            let is_kept = self.open.is_kept(window);
            let table = &mut self.open.stored.slices.at_mut(place).table;
            let key = table.row_at(&mut self.cursor).filter(|_| is_kept).map(|(key, _)| A::Key::from_view(key.view()));
            let row = match key {
                Some(key) => {
                    let sides = table.value_at(&self.cursor).map(std::mem::take);
                    table.scan(&mut self.cursor, |_, _| true);
                    sides.map(|sides| (key, sides))
                }
                None => table.take_at(&self.cursor),
            };
            if let Some((key, sides)) = row {
                let at = self.begun.take(window, &key);
                self.current = Some(Pairing::new::<R, G>(key, window, sides, at));
                return true;
            }
            self.cursor = Cursor::default();
            self.open.fired = window.max_timestamp();
        }
    }

    /// Puts the records of a key back into the table of its window. Gives the key with the step that is next.
    fn give_back(&mut self, pairing: Pairing<A::Key, L, G::Kept>) -> (Window, A::Key, Step) {
        let (key, window, sides, at) = pairing.into_parts();
        if let Some(slice) = self.open.stored.slices.get(window) {
            *slice.table.entry(A::Key::hash(key.view()), key.view(), Default::default) = sides;
        }
        (window, key, at)
    }

    /// Takes part in a checkpoint.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        let Closed { at, lateness_ms } = self.open.closed;
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[at])?;
        let fired = if lateness_ms > 0 { self.open.fired } else { Timestamp::MIN };
        let fired = self.state.encode(FIRED_STATE, Spread::Union, &[fired])?;
        if let Some(pairing) = self.current.take() {
            let (window, key, (outer, inner)) = self.give_back(pairing);
            self.cursor = Cursor::default();
            if (outer, inner) != Step::default() {
                self.begun.0.push((window.end, key, outer as u64, inner as u64));
            }
        }
        let begun = self.state.encode(BEGUN_STATE, Spread::Union, &self.begun.0)?;
        let upload = self.open.stored.freeze()?;
        Ok(OperatorReport { values: vec![watermark, fired, begun], uploads: vec![upload] })
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
                    // Behind a restore it may begin further back than it was.
                    self.open.closed.at = self.open.closed.at.max(at);
                    self.close_until(at);
                } else if at == Timestamp::MAX {
                    self.close_until(at);
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
