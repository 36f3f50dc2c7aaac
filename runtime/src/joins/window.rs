//! The head that joins in windows: it keeps the records of both sides by window and key, and pairs them when their window closes.

use std::{collections::VecDeque, marker::PhantomData};

use millstream_core::{
    buffer::Records,
    key::Key,
    packed::{Packed, PackedReader, Packer},
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::manifest::Spread;

use super::{Grouped, matching::Group};
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
        head::{Background, BatchCursor, Head, Progress, TaskContext, Two},
    },
    windows::{
        Assigner,
        assigner::{Clock, Layout},
        stored::{Closing, SliceTable, StoredSlices},
    },
};

/// The state that has the records of the open windows.
const WINDOWS_STATE: &str = "windows";
/// The state that says how far event time has come.
const WATERMARK_STATE: &str = "watermark";

/// How many keys are hashed and prefetched before their entries are touched.
const PREFETCH_RECORDS: usize = 64;
/// How many keys and pairs of a window that has closed are gone through before the task looks around.
const FIRE_STEPS_LIMIT: usize = 1024;

/// The plan of a chain that begins with a join in windows.
pub struct JoinPlan<L, R, A, B, W, G> {
    pub(crate) key: EitherKey<A, B>,
    pub(crate) windows: W,
    pub(crate) grouped: G,
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
        let open = cx.open_context(&info);
        let late = [open.counter("late_left_records"), open.counter("late_right_records")];
        cx.measure_state(&info);
        let state = cx.state(&info);
        // All subtasks had the same at the barrier, unless one had it from another exchange.
        let watermark = state.restored().all::<Timestamp>(WATERMARK_STATE)?.into_iter().min();
        Ok(WindowJoinHead {
            key: self.key.clone(),
            grouped: self.grouped.clone(),
            open: Open {
                windows: self.windows.clone(),
                stored: StoredSlices::new(cx.snapshots(WINDOWS_STATE, &state), state.is_checkpointed()),
                watermark: watermark.unwrap_or(Timestamp::MIN),
                late,
            },
            firing: VecDeque::new(),
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

/// Why a record that was received can be kept.
const FITS: &str = "a record that was in a buffer is smaller than what a list takes";

/// The records of a key and a window.
type Sides<L, R> = (Packed<L>, Packed<R>);
/// Those of a window.
type SidesByKey<K, L, R> = SliceTable<K, Sides<L, R>>;

/// Joins by key and window.
pub struct WindowJoinHead<L: Record, R: Record, A: KeyFn<L>, B, W, G: Grouped<A::Key, L, R>, N> {
    key: EitherKey<A, B>,
    grouped: G,
    open: Open<A::Key, L, G::Kept, W>,
    /// Windows that have closed and whose pairs are being put out.
    firing: VecDeque<Closing<A::Key, Sides<L, G::Kept>>>,
    /// The key of the first of them that is being put out.
    current: Option<Current<A::Key, L, G::Kept>>,
    state: StateAccess,
    /// The watermark to pass on once everything has fired.
    forward: Option<Timestamp>,
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
    watermark: Timestamp,
    /// Late records by side.
    late: [Counter; 2],
}

/// A key whose pairs are being put out, and which is next.
struct Current<K, L: Record, R: Record> {
    key: K,
    lefts: PackedReader<L>,
    rights: PackedReader<R>,
    at: (usize, usize),
    extent: (usize, usize),
}

/// The time that counts for windows.
#[inline(always)]
fn time_of<W: Assigner>(cx: &TaskContext, at: Timestamp) -> Timestamp {
    if W::CLOCK == Clock::Processing { cx.wall } else { at }
}

impl<K: Key, L: Record, R: Record, W: Assigner> Open<K, L, R, W> {
    /// Takes records `from..to` of a side: first all hashes, with their entries asked for.
    #[inline(always)]
    fn take<T: Record>(
        &mut self,
        cx: &TaskContext,
        (records, from, to): (&Records<'_, T>, usize, usize),
        key: &impl KeyFn<T, Key = K>,
        hashes: &mut [u64; PREFETCH_RECORDS],
        side: usize,
        mut append: impl FnMut(&mut Sides<L, R>, T::View<'_>),
    ) {
        for (i, hash) in (from..to).zip(hashes.iter_mut()) {
            *hash = match records.hash(i) {
                Some(hash) => hash,
                None => key.with(records.get(i), |key| K::hash(key)),
            };
        }
        // In the window that was used last, which mostly is that of them all.
        if let Some(table) = self.stored.slices.last().filter(|table| table.wants_prefetch()) {
            hashes[..to - from].iter().for_each(|hash| table.prefetch(*hash));
        }
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (records.get(i), time_of::<W>(cx, records.time(i)));
            let mut taken = false;
            let mut put = |table: &mut SidesByKey<K, L, R>| {
                taken = true;
                key.with(record, |key| append(table.entry(*hash, key, Default::default), record));
            };
            if <W::Layout as Layout>::OVERLAPS {
                self.windows.each_window(at, |window| {
                    if let Some(table) = window_of(&mut self.stored, window, self.watermark, W::CLOCK) {
                        put(table);
                    }
                });
            } else {
                match self.stored.slices.find(&self.windows, at) {
                    Ok(slice) => put(&mut slice.table),
                    Err(window) => {
                        if let Some(table) = window_of(&mut self.stored, window, self.watermark, W::CLOCK) {
                            put(table);
                        }
                    }
                }
            }
            if !taken && W::CLOCK == Clock::Event && at <= self.watermark {
                self.late[side].add(1);
            }
        }
    }
}

/// The table of a window, unless it has closed.
fn window_of<K: Key, L: Record, R: Record>(
    stored: &mut StoredSlices<K, Sides<L, R>>,
    window: Window,
    watermark: Timestamp,
    clock: Clock,
) -> Option<&mut SidesByKey<K, L, R>> {
    if clock == Clock::Event && window.max_timestamp() <= watermark {
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
                    open.take(cx, (&records, from, to), &key.left, hashes, 0, |sides, record| {
                        sides.0.push(packer, record).expect(FITS);
                    });
                });
                input.advance_to(records.len());
            }
            Some(_) => {
                let records = input.records::<R>().expect("a cursor with a port has records");
                each_share(&records, |from, to| {
                    open.take(cx, (&records, from, to), &key.right, hashes, 1, |sides, record| {
                        sides.1.push(packer, G::kept(record)).expect(FITS);
                    });
                });
                input.advance_to(records.len());
            }
        }
        guard.done();
        Ok(Progress::Consumed)
    }

    fn background(&mut self) -> Background {
        self.open.stored.walk(!self.firing.is_empty())
    }

    fn state_bytes(&mut self) -> usize {
        self.open.stored.size_bytes()
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(self.open.stored.restore(Window::max_timestamp))
    }

    fn timer(&self) -> Option<Timestamp> {
        if W::CLOCK == Clock::Processing {
            self.open.stored.slices.as_slice().first().map(|slice| slice.window.end)
        } else {
            None
        }
    }
}

/// Goes through the records of a batch, as many at a time as are prefetched.
fn each_share<T: Record>(records: &Records<'_, T>, mut take: impl FnMut(usize, usize)) {
    for from in (records.position()..records.len()).step_by(PREFETCH_RECORDS) {
        take(from, (from + PREFETCH_RECORDS).min(records.len()));
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
    fn close_until(&mut self, at: Timestamp) {
        let over = self.open.stored.slices.over(at);
        self.open.stored.close(over, &mut self.firing);
    }

    /// Puts out pairs of windows that have closed, a bounded number; then passes the watermark on.
    fn fire(&mut self) -> Option<Progress> {
        let mut steps = 0;
        while let Some(Closing { slice: Some(window), rows: keys }) = self.firing.front_mut() {
            loop {
                if self.current.is_none() {
                    self.current = keys.next().map(|(key, sides)| {
                        let extent = G::extent(sides.0.len(), sides.1.len());
                        Current { key, lefts: sides.0.reader(), rights: sides.1.reader(), at: (0, 0), extent }
                    });
                }
                let Some(Current { key, lefts, rights, at, extent }) = &mut self.current else { break };
                let mut group = Group { key, window: *window, lefts, rights };
                let guard = Guard::new(&self.info);
                while at.0 < extent.0 {
                    while at.1 < extent.1 {
                        self.grouped.step(&mut group, *at, &mut self.next);
                        at.1 += 1;
                        steps += 1;
                        if steps >= FIRE_STEPS_LIMIT || self.next.is_full() {
                            guard.done();
                            return Some(if self.next.is_full() { Progress::NeedsOutput } else { Progress::MoreWork });
                        }
                    }
                    *at = (at.0 + 1, 0);
                }
                guard.done();
                self.current = None;
                // Keys without pairs count, too.
                steps += 1;
                if steps >= FIRE_STEPS_LIMIT {
                    return Some(Progress::MoreWork);
                }
            }
            if let Some(closing) = self.firing.pop_front() {
                self.open.stored.finish(closing);
            }
        }
        if let Some(watermark) = self.forward.take() {
            self.next.signal(Signal::Watermark(watermark));
        }
        None
    }

    /// Takes part in a checkpoint.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.open.watermark])?;
        let upload = self.open.stored.freeze()?;
        Ok(OperatorReport { values: vec![watermark], uploads: vec![upload] })
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
                // Behind a restore it may begin further back than it was.
                self.open.watermark = self.open.watermark.max(at);
                // By the wall clock only the end of the input closes windows from here.
                if W::CLOCK == Clock::Event || at == Timestamp::MAX {
                    self.close_until(at);
                }
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
