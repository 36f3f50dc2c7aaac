//! The head that joins in windows: it keeps the records of both sides by window and key, and pairs them when their window closes.
//!
//! A key leaves the table of its window when its pairs have been put out, so what is left of a window that has closed is what has yet to be. That is also what
//! a snapshot has of it: a barrier passes between any two pairs, and all that has to be said besides is how far the key has come that is being put out.

use std::marker::PhantomData;

use millstream_core::{
    buffer::Records,
    key::Key,
    packed::{PackedReader, Packer},
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{groups::GroupRange, manifest::Spread, table::Cursor};

use super::{
    Grouped,
    matching::Group,
    pairing::{FIRE_STEPS_LIMIT, FITS, Sides, Step, put_out},
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
        head::{Background, BatchCursor, Head, Progress, TaskContext, Two},
    },
    windows::{
        Assigner,
        assigner::{Clock, Layout},
        stored::{SliceTable, StoredSlices},
    },
};

/// The state that has the records of the open windows.
const WINDOWS_STATE: &str = "windows";
/// The state that says how far event time has come.
const WATERMARK_STATE: &str = "watermark";
/// The state that says of which keys some pairs have been put out.
const BEGUN_STATE: &str = "begun";

/// How many keys are hashed and prefetched before their entries are touched.
pub(super) const PREFETCH_RECORDS: usize = 64;

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
        let watermark = watermark.unwrap_or(Timestamp::MIN);
        let snapshots = cx.snapshots(WINDOWS_STATE, &state);
        let begun = Begun::of(state.restored().all(BEGUN_STATE)?, snapshots.groups());
        Ok(WindowJoinHead {
            key: self.key.clone(),
            grouped: self.grouped.clone(),
            open: Open {
                windows: self.windows.clone(),
                stored: StoredSlices::new(snapshots, state.is_checkpointed()),
                watermark,
                until: if W::CLOCK == Clock::Event { watermark } else { Timestamp::MIN },
                late,
            },
            cursor: Cursor::default(),
            current: None,
            at: Step::default(),
            begun,
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

/// The records of a window.
type SidesByKey<K, L, R> = SliceTable<K, Sides<L, R>>;

/// Joins by key and window.
pub struct WindowJoinHead<L: Record, R: Record, A: KeyFn<L>, B, W, G: Grouped<A::Key, L, R>, N> {
    key: EitherKey<A, B>,
    grouped: G,
    open: Open<A::Key, L, G::Kept, W>,
    /// Where the key that is being put out stands in the first window, if that has closed.
    cursor: Cursor,
    /// Its records, while they are not in the table.
    current: Option<Current<L, G::Kept>>,
    /// The step of this key that is next.
    at: Step,
    begun: Begun<A::Key>,
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
    /// Windows whose last moment is at or before this have closed. They take no records.
    until: Timestamp,
    /// Late records by side.
    late: [Counter; 2],
}

/// The records of a key that is being put out.
struct Current<L: Record, R: Record> {
    lefts: PackedReader<L>,
    rights: PackedReader<R>,
    extent: Step,
}

/// A key of which not all pairs had been put out at a barrier: the end of its window, and the step that was next.
type BegunKey<K> = (Timestamp, K, u64, u64);

/// The keys that had begun when the checkpoint was made that the job goes on from, and have not gone on yet: one of each subtask at most.
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
            let (record, at) = (records.get(i), time_of::<W>(cx, records.time(i), self.until));
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
                    // It may have closed, and not have been put out to its end.
                    Ok(slice) if W::CLOCK == Clock::Event && slice.window.max_timestamp() <= self.watermark => {}
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
        let firing = self.fire();
        cx.interrupt(firing, || Ok(self.take(cx, input)))
    }

    fn background(&mut self) -> Background {
        self.open.stored.walk(false)
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
pub(super) fn each_share<T: Record>(records: &Records<'_, T>, mut take: impl FnMut(usize, usize)) {
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
    /// Takes a batch in.
    fn take(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Progress {
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
        Progress::Consumed
    }

    /// Lets all windows fire whose last moment is at or before this, in the steps that follow.
    fn close_until(&mut self, at: Timestamp) {
        self.open.until = self.open.until.max(at);
    }

    /// Puts out pairs of windows that have closed, a bounded number; then passes the watermark on.
    fn fire(&mut self) -> Option<Progress> {
        let Self { grouped, open: Open { stored, until, .. }, cursor, current, at, begun, info, next, .. } = self;
        let mut steps = 0;
        while let Some(window) = stored.slices.first().filter(|window| window.max_timestamp() <= *until) {
            let table = &mut stored.slices.at_mut(0).table;
            while table.row_at(cursor).is_some() {
                if current.is_none() {
                    *current = table.value_at(cursor).map(std::mem::take).map(|(lefts, rights)| {
                        let extent = G::extent(lefts.len(), rights.len());
                        Current { lefts: lefts.reader(), rights: rights.reader(), extent }
                    });
                }
                let (Some((key, _)), Some(Current { lefts, rights, extent })) = (table.row_at(cursor), &mut *current)
                else {
                    break;
                };
                if *at == Step::default() {
                    *at = begun.take(window, key);
                }
                let mut group = Group { key, window, lefts, rights };
                let guard = Guard::new(info);
                let progress = put_out::<_, _, R, G>(grouped, &mut group, at, *extent, next, &mut steps);
                guard.done();
                if progress.is_some() {
                    return progress;
                }
                table.take_at(cursor);
                (*current, *at) = (None, Step::default());
                if steps >= FIRE_STEPS_LIMIT {
                    return Some(Progress::MoreWork);
                }
            }
            *cursor = Cursor::default();
            stored.close_first();
        }
        if let Some(watermark) = self.forward.take() {
            self.next.signal(Signal::Watermark(watermark));
        }
        None
    }

    /// Puts the records of the key that is being put out back into the table; and gives the key, if some of its pairs have been.
    fn put_back(&mut self) -> Option<BegunKey<A::Key>> {
        let first = self.open.stored.slices.first()?;
        let table = &mut self.open.stored.slices.at_mut(0).table;
        if let Some(Current { lefts, rights, .. }) = self.current.take()
            && let Some(sides) = table.value_at(&self.cursor)
        {
            *sides = (lefts.into_list(), rights.into_list());
        }
        let (key, _) = table.row_at(&mut { self.cursor }).filter(|_| self.at != Step::default())?;
        Some((first.end, A::Key::from_view(key.view()), self.at.0 as u64, self.at.1 as u64))
    }

    /// Takes part in a checkpoint.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        let watermark = self.state.encode(WATERMARK_STATE, Spread::Union, &[self.open.watermark])?;
        let going = self.put_back();
        let waiting = self.begun.0.iter().map(|key| Record::from_view(key.view()));
        let begun: Vec<BegunKey<A::Key>> = waiting.chain(going).collect();
        let begun = self.state.encode(BEGUN_STATE, Spread::Union, &begun)?;
        let upload = self.open.stored.freeze()?;
        Ok(OperatorReport { values: vec![watermark, begun], uploads: vec![upload] })
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
