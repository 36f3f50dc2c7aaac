//! The head that calls a process function: with each record and the state of its key, and with the timers that are due.
//!
//! Timers fire in bounded steps, and a barrier may come in between any two (`turns.rs`). What has no key, for functions with broadcast state, is taken as it comes, also between
//! two timers: nothing says in which order it stands to what another stream brings.

use std::{marker::PhantomData, sync::Arc};

use millstream_core::{buffer::Records, key::Key, record::Record, time::Timestamp};

use super::{
    Context, Hashed, KeyedContext, KeyedProcessFunction, Opening, Sides, State, StateAccess, StateTable, StateTables,
    TimerDomain,
    context::Moment,
    inputs::{Inputs, Port},
    timers::KeyTimers,
    turns::{HeldBack, TakesTurns, Turns},
};
use crate::{
    env::{Env, Instant},
    failure::Failure,
    graph::{OperatorInfo, StateInfo},
    operator::{KeyFn, Push, Signal, Stage, Wait, earliest},
    operators::fused::{Fail, Handler, OnError},
    stream::Plan,
    task::{
        contain::Guard,
        context::ChainContext,
        head::{Background, BatchCursor, Head, Progress, TaskContext},
    },
};

/// How many keys are hashed and prefetched before their state is touched.
const PREFETCH_RECORDS: usize = 64;

const NO_ON_TIMER: &str = "a timer has fired, and there is no `on_timer`";
const NO_ON_TIMER_HINT: &str = "add `fn on_timer(&mut self, timer: Timer, ..)` to the block, or set no timers";

/// The plan of a chain that begins with a process function.
pub struct ProcessPlan<I, K, F: KeyedProcessFunction, H = Fail> {
    pub(crate) key: K,
    pub(crate) function: F,
    pub(crate) sides: F::Sides,
    pub(crate) on_error: H,
    pub(crate) index: usize,
    pub(crate) inputs: PhantomData<fn(I)>,
}

impl<I, K, F, H> Plan for ProcessPlan<I, K, F, H>
where
    I: Inputs,
    K: KeyFn<I::Record>,
    F: KeyedProcessFunction<In = I::Record, Key = K::Key>,
    H: OnError<I::Record, F::Error>,
{
    type In = I;
    type Out = F::Out;
    type Chain<N: Push<F::Out>> = ProcessHead<I, K, F, H::Handler, N>;

    fn chain<N: Push<F::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        cx.measure_state(&info);
        let mut function = self.function.clone();
        let access = cx.state(&info);
        let open = cx.open_context(&info);
        let guard = Guard::new(&info);
        let opened = function.restore_unkeyed(&access).and_then(|()| function.open(&open));
        guard.done();
        opened.map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))?;
        let env = Arc::clone(open.env());
        let mut sides = self.sides.clone();
        sides.open(cx)?;
        let opening = Opening { chain: cx, access: &access };
        let turns = Turns::open(&opening)?;
        let tables = F::State::open(&opening);
        let timers = KeyTimers::open(&opening, &cx.open_context(&info));
        let handler = self.on_error.open(cx, &info)?;
        Ok(ProcessHead {
            key: self.key.clone(),
            function,
            tables,
            timers,
            access,
            turns,
            hashes: [0; PREFETCH_RECORDS],
            handler,
            sides,
            env,
            info,
            next,
            inputs: PhantomData,
        })
    }
}

/// What a function keeps: its state, timers if it has a use for them, and what is not by key.
pub(crate) fn describe<F: KeyedProcessFunction>() -> Vec<StateInfo> {
    let mut states = F::State::describe::<F::Key>();
    if F::HAS_ON_TIMER {
        states.push(KeyTimers::<F::Key>::describe());
    }
    states.extend(F::unkeyed_states());
    states
}

/// Calls a process function.
pub struct ProcessHead<I, K, F: KeyedProcessFunction, H, N> {
    key: K,
    function: F,
    tables: <F::State as State>::Tables<F::Key>,
    timers: KeyTimers<F::Key>,
    access: StateAccess,
    turns: Turns<F::Key, F::In>,
    hashes: [u64; PREFETCH_RECORDS],
    handler: H,
    sides: F::Sides,
    env: Arc<dyn Env>,
    info: OperatorInfo,
    next: N,
    inputs: PhantomData<fn(I)>,
}

impl<I, K, F, H, N> Head for ProcessHead<I, K, F, H, N>
where
    I: Inputs,
    K: KeyFn<I::Record>,
    F: KeyedProcessFunction<In = I::Record, Key = K::Key>,
    H: Handler<I::Record, F::Error>,
    N: Push<F::Out>,
{
    fn poll(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        let firing = self.fire(cx)?;
        let has_turn = firing.is_none();
        cx.interrupt(firing, || match input.port() {
            None => Ok(Progress::Consumed),
            Some(1) if F::TAKES_UNKEYED => self.take_unkeyed::<I::Second>(input),
            Some(0) if has_turn => self.take::<I::First>(cx, input),
            Some(_) if has_turn => self.take::<I::Second>(cx, input),
            _ if !self.turns.has_room() => Ok(Progress::MoreWork),
            Some(0) => Ok(self.hold::<I::First>(input)),
            Some(_) => Ok(self.hold::<I::Second>(input)),
        })
    }

    fn is_held_up(&mut self) -> bool {
        let mut is_full = false;
        self.each_table(&mut |table| is_full |= table.is_full());
        is_full
    }

    fn state_bytes(&mut self) -> usize {
        self.timers.measure();
        let mut bytes = 0;
        self.each_table(&mut |table| bytes += table.measure());
        bytes
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(async {
            let mut restored = Vec::new();
            self.each_table(&mut |table| restored.push(table.restore()));
            for table in restored {
                table.await?;
            }
            self.turns.restored();
            Ok(())
        })
    }

    /// Copies the rows of one table after the other.
    fn background(&mut self) -> Background {
        let mut background = Background::Done;
        self.each_table(&mut |table| {
            if background == Background::Done {
                background = table.walk();
            }
        });
        background
    }

    fn timer(&self) -> Option<Timestamp> {
        // A millisecond belongs to what happens in it: a timer is due when it is over.
        self.timers.first_processing().map(|at| Timestamp::from_millis(at.millis().saturating_add(1)))
    }
}

impl<I, K, F, H, N> ProcessHead<I, K, F, H, N>
where
    I: Inputs,
    K: KeyFn<I::Record>,
    F: KeyedProcessFunction<In = I::Record, Key = K::Key>,
    H: Handler<I::Record, F::Error>,
    N: Push<F::Out>,
{
    /// Calls the function with the records of a batch of a port, until the output is full.
    fn take<P: Port<I::Record>>(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        let records = input.records::<P::Arrives>().expect("a cursor with a port has records");
        let (mut at, end) = (records.position(), records.len());
        while at < end {
            at = self.call::<P>(cx, &records, at, (at + PREFETCH_RECORDS).min(end))?;
            if self.is_full() {
                break;
            }
        }
        input.advance_to(at);
        Ok(if at < end { Progress::NeedsOutput } else { Progress::Consumed })
    }

    /// Calls the function with the records of a batch of a port that has no key, until the output is full.
    fn take_unkeyed<P: Port<I::Record>>(&mut self, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        let records = input.records::<P::Arrives>().expect("a cursor with a port has records");
        let mut position = records.position();
        let watermark = self.turns.watermark();
        let Self { function, handler, sides, env, info, next, .. } = self;
        let guard = Guard::new(info);
        while position < records.len() {
            let (record, at) = (P::taken(records.get(position)), records.time(position));
            let mut cx = Context { at, watermark, env: &**env, next, sides, out: PhantomData };
            if let Err(error) = function.on_unkeyed(record, &mut cx)
                && let Err(failure) = handler.handle(record, at, error)
            {
                guard.done();
                return Err(failure.at_operator(&info.to_string(), Some(info.location)));
            }
            position += 1;
            if next.is_full() || handler.is_full() || sides.is_full() {
                break;
            }
        }
        guard.done();
        input.advance_to(position);
        Ok(if position < records.len() { Progress::NeedsOutput } else { Progress::Consumed })
    }

    /// Calls the function with records `from..to`, until the output is full: first all hashes, with their state asked for. Says which record is next.
    fn call<P: Port<I::Record>>(
        &mut self,
        cx: &TaskContext,
        records: &Records<'_, P::Arrives>,
        from: usize,
        to: usize,
    ) -> Result<usize, Failure> {
        let moment = Moment { watermark: self.turns.watermark(), wall: cx.wall };
        let Self { key, function, tables, timers, hashes, handler, sides, info, next, .. } = self;
        let guard = Guard::new(info);
        for (i, hash) in (from..to).zip(hashes.iter_mut()) {
            *hash = match records.hash(i) {
                Some(hash) => hash,
                None => key.with(P::taken(records.get(i)), |key| <K::Key as Key>::hash(key)),
            };
        }
        hashes[..to - from].iter().for_each(|hash| tables.prefetch(*hash));
        for (i, hash) in (from..to).zip(hashes.iter()) {
            let (record, at) = (P::taken(records.get(i)), records.time(i));
            let result = key.with(record, |key| {
                let key = Hashed { key, hash: *hash };
                let mut state = F::State::handle(tables, key);
                let mut cx = KeyedContext { key, at, moment, timers, next, sides, out: PhantomData };
                function.on_record(record, &mut state, &mut cx)
            });
            if let Err(error) = result
                && let Err(failure) = handler.handle(record, at, error)
            {
                guard.done();
                return Err(failure.at_operator(&info.to_string(), Some(info.location)));
            }
            if next.is_full() || handler.is_full() || sides.is_full() {
                guard.done();
                return Ok(i + 1);
            }
        }
        guard.done();
        Ok(to)
    }

    /// Holds the records of a batch of a port back.
    fn hold<P: Port<I::Record>>(&mut self, input: &mut BatchCursor<'_>) -> Progress {
        let Self { key, turns, info, .. } = self;
        let guard = Guard::new(info);
        turns.hold_batch::<P>(key, input);
        guard.done();
        Progress::Consumed
    }

    fn blame(&self, failure: Failure) -> Failure {
        failure.at_operator(&self.info.to_string(), Some(self.info.location))
    }

    fn call_hook(&mut self, hook: impl FnOnce(&mut F)) {
        let guard = Guard::new(&self.info);
        hook(&mut self.function);
        guard.done();
    }
}

impl<I, K, F, H, N> TakesTurns for ProcessHead<I, K, F, H, N>
where
    I: Inputs,
    K: KeyFn<I::Record>,
    F: KeyedProcessFunction<In = I::Record, Key = K::Key>,
    H: Handler<I::Record, F::Error>,
    N: Push<F::Out>,
{
    type Key = F::Key;
    type In = F::In;

    fn turns(&mut self) -> &mut Turns<F::Key, F::In> {
        &mut self.turns
    }

    fn each_of_its_own<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.tables.for_each(visit);
        self.timers.for_each(visit);
    }

    fn each_table<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.tables.for_each(visit);
        self.timers.for_each(visit);
        visit(self.turns.table());
    }

    fn fire_until(
        &mut self,
        domain: TimerDomain,
        until: Timestamp,
        cx: &TaskContext,
        left: &mut usize,
    ) -> Result<Option<Progress>, Failure> {
        let moment = Moment { watermark: self.turns.watermark(), wall: cx.wall };
        while let Some((key, timer)) = self.timers.pop(domain, until) {
            if !F::HAS_ON_TIMER {
                return Err(self.blame(Failure::new(NO_ON_TIMER).with_hint(NO_ON_TIMER_HINT)));
            }
            let Self { function, tables, timers, sides, next, info, .. } = self;
            let guard = Guard::new(info);
            let result = {
                let key = Hashed { key: key.view(), hash: F::Key::hash(key.view()) };
                let mut state = F::State::handle(tables, key);
                let mut cx = KeyedContext { key, at: timer.at, moment, timers, next, sides, out: PhantomData };
                function.on_timer(timer, &mut state, &mut cx)
            };
            guard.done();
            result.map_err(|failure| self.blame(failure))?;
            *left -= 1;
            if self.is_full() {
                return Ok(Some(Progress::NeedsOutput));
            }
            if *left == 0 {
                return Ok(Some(Progress::MoreWork));
            }
        }
        Ok(None)
    }

    fn take_held(&mut self, cx: &TaskContext, held: &HeldBack<F::Key, F::In>) -> Result<(), Failure> {
        let moment = Moment { watermark: self.turns.watermark(), wall: cx.wall };
        let HeldBack { key, at, record } = held;
        let Self { function, tables, timers, sides, next, handler, info, .. } = self;
        let guard = Guard::new(info);
        let result = {
            let key = Hashed { key: key.view(), hash: F::Key::hash(key.view()) };
            let mut state = F::State::handle(tables, key);
            let mut cx = KeyedContext { key, at: *at, moment, timers, next, sides, out: PhantomData };
            function.on_record(record.view(), &mut state, &mut cx)
        };
        guard.done();
        result.or_else(|error| handler.handle(record.view(), *at, error)).map_err(|failure| self.blame(failure))
    }

    fn pass_on(&mut self, signal: Signal) {
        self.handler.signal(signal);
        self.sides.signal(signal);
        self.next.signal(signal);
    }
}

impl<I, K, F, H, N> Stage for ProcessHead<I, K, F, H, N>
where
    I: Inputs,
    K: KeyFn<I::Record>,
    F: KeyedProcessFunction<In = I::Record, Key = K::Key>,
    H: Handler<I::Record, F::Error>,
    N: Push<F::Out>,
{
    fn signal(&mut self, signal: Signal) {
        let Some(signal) = self.turns.signal(signal) else { return };
        match signal {
            Signal::Barrier(barrier) => {
                self.call_hook(|function| function.on_snapshot(barrier.checkpoint));
                let access = self.access.clone();
                // First, as tables that are frozen have to be uploaded, whatever else fails.
                let unkeyed = self.function.snapshot_unkeyed(&access);
                let report = unkeyed.and_then(|values| {
                    let mut report = self.snapshot(&access)?;
                    report.values.extend(values);
                    Ok(report)
                });
                access.report(barrier, report);
                self.pass_on(signal);
            }
            Signal::Completed(checkpoint) => {
                self.call_hook(|function| function.on_complete(checkpoint));
                self.pass_on(signal);
            }
            Signal::Aborted(checkpoint) => {
                self.call_hook(|function| function.on_abort(checkpoint));
                self.pass_on(signal);
            }
            signal => self.pass_on(signal),
        }
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.next.is_full() | self.handler.is_full() | self.sides.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        let beside = earliest(self.handler.flush(now), self.sides.flush(now));
        earliest(beside, self.next.flush(now))
    }

    fn idle(&mut self) {
        self.next.idle();
    }

    fn ready(&mut self) -> Wait<'_> {
        if !H::WRITES && size_of::<F::Sides>() == 0 {
            return self.next.ready();
        }
        Box::pin(async {
            self.handler.ready().await?;
            self.sides.ready().await?;
            self.next.ready().await
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            let guard = Guard::new(&self.info);
            let closed = self.function.close();
            guard.done();
            closed.map_err(|failure| self.blame(failure))?;
            self.handler.finish().await?;
            self.sides.finish().await?;
            self.next.finish().await
        })
    }
}
