//! The head of windows by panes: feeds records and due timers to the operator, in bounded steps. A barrier may come in between any two timers.

use millstream_core::{
    buffer::Records,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};

use super::{Admits, Contents, RecordAssigner, Trigger, operator::Panes};
use crate::{
    checkpoint::subtask::StateAccess,
    env::Instant,
    failure::Failure,
    graph::OperatorInfo,
    metrics::Counter,
    operator::{KeyFn, Push, Signal, Stage, Wait, earliest},
    operators::{fused::Handler, outlet::Outlet},
    process::{Hashed, HeldBack, Moment, Only, StateTable, TakesTurns, TimerDomain, Turns},
    task::{
        contain::Guard,
        head::{Background, BatchCursor, Head, Progress, TaskContext},
    },
};

/// Keeps windows by panes.
pub struct PaneHead<T: Record, K, W: RecordAssigner<T>, Tr: Trigger<T>, C: Contents<T>, H, N> {
    pub(super) key: K,
    pub(super) panes: Panes<T, W, Tr, C, H>,
    pub(super) access: StateAccess,
    pub(super) turns: Turns<C::Key, T>,
    pub(super) late: Option<Outlet<T>>,
    pub(super) late_records: Counter,
    pub(super) info: OperatorInfo,
    pub(super) next: N,
}

impl<T, K, W, Tr, C, H, N> Head for PaneHead<T, K, W, Tr, C, H, N>
where
    T: Record,
    K: KeyFn<T, Key = C::Key>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    H: Handler<(C::Key, Window), C::Error>,
    N: Push<C::Out>,
{
    fn poll(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        let firing = self.fire(cx)?;
        let has_turn = firing.is_none();
        cx.interrupt(firing, || {
            let Some(records) = input.records::<T>() else { return Ok(Progress::Consumed) };
            let (from, end) = (input.position(), records.len());
            if has_turn {
                let at = self.take(cx, &records, from, end)?;
                input.advance_to(at);
                Ok(if at < end { Progress::NeedsOutput } else { Progress::Consumed })
            } else if self.turns.has_room() {
                let Self { key, turns, info, .. } = self;
                let guard = Guard::new(info);
                turns.hold_batch::<Only>(key, input);
                guard.done();
                Ok(Progress::Consumed)
            } else {
                Ok(Progress::MoreWork)
            }
        })
    }

    fn state_bytes(&mut self) -> usize {
        self.panes.measure();
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
        self.panes.first_processing().map(|at| Timestamp::from_millis(at.millis().saturating_add(1)))
    }
}

impl<T, K, W, Tr, C, H, N> PaneHead<T, K, W, Tr, C, H, N>
where
    T: Record,
    K: KeyFn<T, Key = C::Key>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    H: Handler<(C::Key, Window), C::Error>,
    N: Push<C::Out>,
{
    /// Takes records `from..to`, until an output is full. Says which record is next.
    fn take(&mut self, cx: &TaskContext, records: &Records<'_, T>, from: usize, to: usize) -> Result<usize, Failure> {
        let moment = Moment { watermark: self.turns.watermark(), wall: cx.wall };
        let Self { key, panes, late, late_records, info, next, .. } = self;
        for i in from..to {
            let (record, at) = (records.get(i), records.time(i));
            let guard = Guard::new(info);
            let taken = key.with(record, |key| {
                let hash = records.hash(i).unwrap_or_else(|| <K::Key as Key>::hash(key));
                panes.take(Hashed { key, hash }, record, at, moment, next)
            });
            guard.done();
            if !taken.map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))? {
                late_records.add(1);
                if let Some(late) = late {
                    late.push(record, at);
                }
            }
            if next.is_full() || panes.is_full() || late.as_ref().is_some_and(Stage::is_full) {
                return Ok(i + 1);
            }
        }
        Ok(to)
    }
}

impl<T, K, W, Tr, C, H, N> TakesTurns for PaneHead<T, K, W, Tr, C, H, N>
where
    T: Record,
    K: KeyFn<T, Key = C::Key>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    H: Handler<(C::Key, Window), C::Error>,
    N: Push<C::Out>,
{
    type Key = C::Key;
    type In = T;

    fn turns(&mut self) -> &mut Turns<C::Key, T> {
        &mut self.turns
    }

    fn each_of_its_own<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.panes.for_each(visit);
    }

    fn each_table<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.panes.for_each(visit);
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
        while let Some((key, at, window)) = self.panes.pop(domain, until) {
            let Self { panes, next, info, .. } = self;
            let guard = Guard::new(info);
            let hashed = Hashed { key: key.view(), hash: <K::Key as Key>::hash(key.view()) };
            let fired = panes.on_timer(hashed, window, domain, at, moment, next);
            guard.done();
            fired.map_err(|failure| failure.at_operator(&self.info.to_string(), Some(self.info.location)))?;
            *left -= 1;
            if self.next.is_full() || self.panes.is_full() {
                return Ok(Some(Progress::NeedsOutput));
            }
            if *left == 0 {
                return Ok(Some(Progress::MoreWork));
            }
        }
        Ok(None)
    }

    fn take_held(&mut self, cx: &TaskContext, held: &HeldBack<C::Key, T>) -> Result<(), Failure> {
        let moment = Moment { watermark: self.turns.watermark(), wall: cx.wall };
        let HeldBack { key, at, record } = held;
        let Self { panes, late, late_records, info, next, .. } = self;
        let guard = Guard::new(info);
        let hashed = Hashed { key: key.view(), hash: <K::Key as Key>::hash(key.view()) };
        let taken = panes.take(hashed, record.view(), *at, moment, next);
        guard.done();
        if !taken.map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))? {
            late_records.add(1);
            if let Some(late) = late {
                late.push(record.view(), *at);
            }
        }
        Ok(())
    }

    fn pass_on(&mut self, signal: Signal) {
        if let Some(late) = &mut self.late {
            late.signal(signal);
        }
        self.panes.handler().signal(signal);
        self.next.signal(signal);
    }
}

impl<T, K, W, Tr, C, H, N> Stage for PaneHead<T, K, W, Tr, C, H, N>
where
    T: Record,
    K: KeyFn<T, Key = C::Key>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    H: Handler<(C::Key, Window), C::Error>,
    N: Push<C::Out>,
{
    fn signal(&mut self, signal: Signal) {
        let Some(signal) = self.turns.signal(signal) else { return };
        match signal {
            Signal::Barrier(barrier) => {
                let access = self.access.clone();
                let report = self.snapshot(&access);
                access.report(barrier, report);
                self.pass_on(signal);
            }
            signal => self.pass_on(signal),
        }
    }

    fn is_full(&self) -> bool {
        self.next.is_full() || self.panes.is_full() || self.late.as_ref().is_some_and(Stage::is_full)
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        let late = self.late.as_mut().and_then(|late| late.flush(now));
        earliest(earliest(late, self.panes.handler().flush(now)), self.next.flush(now))
    }

    fn idle(&mut self) {
        self.next.idle();
    }

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(async {
            if let Some(late) = &mut self.late {
                late.ready().await?;
            }
            self.panes.handler().ready().await?;
            self.next.ready().await
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            if let Some(late) = &mut self.late {
                late.finish().await?;
            }
            self.panes.handler().finish().await?;
            self.next.finish().await
        })
    }
}
