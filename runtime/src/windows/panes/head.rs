//! The head of windows by panes: feeds records and due timers to the operator, in bounded steps.

use millstream_core::{buffer::Records, key::Key, record::Record, time::Timestamp};
use millstream_state::manifest::Spread;

use super::{Admits, Contents, RecordAssigner, Trigger, operator::Panes};
use crate::{
    checkpoint::subtask::{OperatorReport, StateAccess},
    failure::Failure,
    graph::OperatorInfo,
    metrics::Counter,
    operator::{KeyFn, Push, Signal, Stage, Wait, forward_stage},
    operators::outlet::Outlet,
    process::{Hashed, Moment, TimerDomain},
    task::{
        contain::Guard,
        head::{Background, BatchCursor, Head, Progress, TaskContext},
    },
};

/// How many timers fire before the task looks around.
const FIRE_TIMERS_LIMIT: usize = 1024;

/// The state that says how far event time has come.
pub(super) const WATERMARK_STATE: &str = "watermark";

/// Keeps windows by panes.
pub struct PaneHead<T: Record, K, W: RecordAssigner<T>, Tr: Trigger<T>, C: Contents<T>, N> {
    pub(super) key: K,
    pub(super) panes: Panes<T, W, Tr, C>,
    pub(super) access: StateAccess,
    pub(super) watermark: Timestamp,
    /// The watermark to pass on once the timers that are due have fired.
    pub(super) forward: Option<Timestamp>,
    pub(super) late: Option<Outlet<T>>,
    pub(super) late_records: Counter,
    pub(super) info: OperatorInfo,
    pub(super) next: N,
}

impl<T, K, W, Tr, C, N> Head for PaneHead<T, K, W, Tr, C, N>
where
    T: Record,
    K: KeyFn<T, Key = C::Key>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    N: Push<C::Out>,
{
    fn poll(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        if let Some(progress) = self.fire(cx)? {
            return Ok(progress);
        }
        let Some(records) = input.records::<T>() else { return Ok(Progress::Consumed) };
        let (from, end) = (input.position(), records.len());
        let at = self.take(cx, &records, from, end)?;
        input.advance_to(at);
        Ok(if at < end { Progress::NeedsOutput } else { Progress::Consumed })
    }

    fn state_bytes(&mut self) -> usize {
        self.panes.measure();
        let mut bytes = 0;
        self.panes.for_each(&mut |table| bytes += table.bytes());
        bytes
    }

    fn restore(&mut self) -> Wait<'_> {
        Box::pin(async {
            let mut restored = Vec::new();
            self.panes.for_each(&mut |table| restored.push(table.restore()));
            for table in restored {
                table.await?;
            }
            Ok(())
        })
    }

    /// Copies the rows of one table after the other.
    fn background(&mut self) -> Background {
        let mut background = Background::Done;
        self.panes.for_each(&mut |table| {
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

impl<T, K, W, Tr, C, N> PaneHead<T, K, W, Tr, C, N>
where
    T: Record,
    K: KeyFn<T, Key = C::Key>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    N: Push<C::Out>,
{
    /// Takes records `from..to`, until an output is full. Says which record is next.
    fn take(&mut self, cx: &TaskContext, records: &Records<'_, T>, from: usize, to: usize) -> Result<usize, Failure> {
        let moment = Moment { watermark: self.watermark, wall: cx.wall };
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
            if next.is_full() || late.as_ref().is_some_and(Stage::is_full) {
                return Ok(i + 1);
            }
        }
        Ok(to)
    }

    /// Fires the timers that are due, a bounded number; then passes the watermark on.
    fn fire(&mut self, cx: &TaskContext) -> Result<Option<Progress>, Failure> {
        let mut left = FIRE_TIMERS_LIMIT;
        // Once the input has ended, no timer is worth waiting for.
        let clock = match self.watermark {
            Timestamp::MAX => Timestamp::MAX,
            _ => Timestamp::from_millis(cx.wall.millis().saturating_sub(1)),
        };
        if let Some(progress) = self.fire_until(TimerDomain::ProcessingTime, clock, cx, &mut left)? {
            return Ok(Some(progress));
        }
        let Some(watermark) = self.forward else { return Ok(None) };
        if let Some(progress) = self.fire_until(TimerDomain::EventTime, self.watermark, cx, &mut left)? {
            return Ok(Some(progress));
        }
        self.forward = None;
        self.pass_on(Signal::Watermark(watermark));
        Ok(None)
    }

    /// Fires timers by one clock, `left` by both at most.
    fn fire_until(
        &mut self,
        domain: TimerDomain,
        until: Timestamp,
        cx: &TaskContext,
        left: &mut usize,
    ) -> Result<Option<Progress>, Failure> {
        let moment = Moment { watermark: self.watermark, wall: cx.wall };
        while let Some((key, at, window)) = self.panes.pop(domain, until) {
            let Self { panes, next, info, .. } = self;
            let guard = Guard::new(info);
            let hashed = Hashed { key: key.view(), hash: <K::Key as Key>::hash(key.view()) };
            let fired = panes.on_timer(hashed, window, domain, at, moment, next);
            guard.done();
            fired.map_err(|failure| failure.at_operator(&self.info.to_string(), Some(self.info.location)))?;
            *left -= 1;
            if self.next.is_full() {
                return Ok(Some(Progress::NeedsOutput));
            }
            if *left == 0 {
                return Ok(Some(Progress::MoreWork));
            }
        }
        Ok(None)
    }

    /// Takes part in a checkpoint. Timers that are due and have not fired yet are state like all others: they fire with the next watermark.
    fn snapshot(&mut self) -> Result<OperatorReport, Failure> {
        let watermark = self.access.encode(WATERMARK_STATE, Spread::Union, &[self.watermark])?;
        // All or none: a table that is frozen alone would wait in vain for its rows to be uploaded.
        let mut ready = Ok(());
        self.panes.for_each(&mut |table| ready = ready.clone().and_then(|()| table.check_freeze()));
        ready?;
        let mut uploads = Vec::new();
        self.panes.for_each(&mut |table| uploads.push(table.freeze()));
        Ok(OperatorReport { values: vec![watermark], uploads: uploads.into_iter().collect::<Result<_, _>>()? })
    }

    fn pass_on(&mut self, signal: Signal) {
        if let Some(late) = &mut self.late {
            late.signal(signal);
        }
        self.next.signal(signal);
    }
}

impl<T, K, W, Tr, C, N> Stage for PaneHead<T, K, W, Tr, C, N>
where
    T: Record,
    K: KeyFn<T, Key = C::Key>,
    W: RecordAssigner<T>,
    W::Kind: Admits<T, Tr>,
    Tr: Trigger<T>,
    C: Contents<T>,
    N: Push<C::Out>,
{
    forward_stage!(except signal, beside late);

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Watermark(at) => {
                // Behind a restore it may begin further back than it was.
                self.watermark = self.watermark.max(at);
                self.forward = Some(at);
            }
            Signal::Barrier(barrier) => {
                let report = self.snapshot();
                self.access.report(barrier, report);
                self.pass_on(signal);
            }
            signal => self.pass_on(signal),
        }
    }
}
