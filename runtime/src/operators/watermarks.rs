//! Event time: gives every record its timestamp and makes watermarks, by split where the source has splits.

mod splits;

use std::marker::PhantomData;

use millstream_core::{record::Record, time::Timestamp};

use self::splits::Splits;
use crate::{
    alignment::{Report, group::Member},
    env::Instant,
    event_time::{WatermarkGenerator, WatermarkStrategy},
    failure::Failure,
    graph::OperatorInfo,
    metrics::Gauge,
    operator::{Push, Signal, SplitSignal, Stage, forward_stage},
    stream::{Plan, TimeFn},
    task::{contain::Guard, context::ChainContext},
};

/// A plan with event time behind it.
pub struct WithEventTime<P, F, S> {
    pub(crate) before: P,
    pub(crate) time_of: F,
    pub(crate) strategy: S,
    pub(crate) index: usize,
}

impl<P, F, S> Plan for WithEventTime<P, F, S>
where
    P: Plan,
    F: TimeFn<P::Out>,
    S: WatermarkStrategy<P::Out>,
{
    type In = P::In;
    type Out = P::Out;
    type Chain<N: Push<P::Out>> = P::Chain<TimeStage<P::Out, F, S, N>>;

    fn chain<N: Push<P::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        cx.wants_ticks = true;
        let info = cx.operator(self.index);
        let stage = TimeStage {
            time_of: self.time_of.clone(),
            splits: Splits::new(self.strategy.generator()),
            strategy: self.strategy.clone(),
            holds: false,
            passed_on: Timestamp::MIN,
            idle: false,
            member: self.strategy.alignment().and_then(|_| cx.member.clone()),
            gauge: cx.metrics.watermark.clone(),
            info,
            next,
            record: PhantomData,
        };
        self.before.chain(cx, stage)
    }
}

/// Takes the timestamp of each record and asks the generator of its split for watermarks.
pub struct TimeStage<T: Record, F, S: WatermarkStrategy<T>, N> {
    time_of: F,
    strategy: S,
    splits: Splits<S::Generator>,
    /// Bounded splits wait to be assigned: no watermark passes.
    holds: bool,
    passed_on: Timestamp,
    /// It was passed on that this input is idle: the source has nothing to read, or all its splits are silent.
    idle: bool,
    /// Where it says how far it has come, if others wait for that.
    member: Option<Member>,
    /// The watermark of the chain: what comes from before says nothing of the time that begins here.
    gauge: Gauge,
    info: OperatorInfo,
    next: N,
    record: PhantomData<fn(T)>,
}

impl<T, F, S, N> Push<T> for TimeStage<T, F, S, N>
where
    T: Record,
    F: TimeFn<T>,
    S: WatermarkStrategy<T>,
    N: Push<T>,
{
    #[inline(always)]
    fn push(&mut self, record: T::View<'_>, at: Timestamp) {
        let guard = Guard::new(&self.info);
        let at = self.time_of.time(record, at);
        guard.done();
        self.splits.current.heard = true;
        if self.idle {
            self.active();
        }
        self.next.push(record, at);
        let guard = Guard::new(&self.info);
        let at_once = self.splits.current.generator.on_record(record, at);
        guard.done();
        if at_once {
            self.advance();
        }
    }
}

impl<T, F, S, N> TimeStage<T, F, S, N>
where
    T: Record,
    F: Send,
    S: WatermarkStrategy<T>,
    N: Push<T>,
{
    /// Passes on the watermark of the whole: the minimum over the open splits that are not idle.
    fn advance(&mut self) {
        // Behind `Idle` nothing is said before `Active`.
        if self.holds || self.idle {
            return;
        }
        let Some(at) = self.splits.watermark() else { return };
        // The last watermark is the source's to give.
        if at > self.passed_on && at < Timestamp::MAX {
            self.passed_on = at;
            self.gauge.set(at.millis());
            self.next.signal(Signal::Watermark(at));
        }
    }

    #[cold]
    fn active(&mut self) {
        self.idle = false;
        self.next.signal(Signal::Active);
    }

    fn idle(&mut self) {
        if !std::mem::replace(&mut self.idle, true) {
            self.next.signal(Signal::Idle);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        if self.passed_on == Timestamp::MAX {
            return; // the input has ended, and the task only clears up
        }
        // A source that waits for others is silent, but not for want of records.
        let waits = self.member.as_ref().is_some_and(Member::waits);
        self.splits.tick(now, self.strategy.idle_after().filter(|_| !waits));
        self.advance();
        if self.splits.all_idle() {
            self.idle();
        }
    }

    fn split(&mut self, signal: SplitSignal) {
        match signal {
            SplitSignal::Hold => self.holds = true,
            SplitSignal::Release => {
                self.holds = false;
                self.advance();
            }
            SplitSignal::Start(split) => self.splits.start(split, self.strategy.generator()),
            SplitSignal::Switch(split) => self.splits.switch(split),
            SplitSignal::Done(split) => {
                self.advance();
                self.splits.done(split);
            }
        }
    }

    /// Tells the group how far the subtask has come: more often than watermarks are made, as a source reads far in between. Where watermarks are held
    /// back, it has come as far as the last that passed.
    fn report(&self) {
        let Some(member) = &self.member else { return };
        let now = if self.holds { None } else { self.splits.watermark() };
        member.report(match now.map_or(self.passed_on, |now| now.max(self.passed_on)) {
            _ if self.idle || self.passed_on == Timestamp::MAX => Report::LeftOut,
            at => Report::At(at.min(Timestamp::from_millis(i64::MAX - 1))),
        });
    }
}

impl<T, F, S, N> Stage for TimeStage<T, F, S, N>
where
    T: Record,
    F: TimeFn<T>,
    S: WatermarkStrategy<T>,
    N: Push<T>,
{
    forward_stage!(except signal, flush);

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        self.report(); // the task calls this after each step
        self.next.flush(now)
    }

    fn signal(&mut self, signal: Signal) {
        match signal {
            // Watermarks from before are of another time; but the last says that the input has ended.
            Signal::Watermark(Timestamp::MAX) => {
                if self.idle {
                    self.active();
                }
                self.passed_on = Timestamp::MAX;
                self.report();
                self.gauge.set(Timestamp::MAX.millis());
                self.next.signal(signal);
            }
            Signal::Watermark(_) => {}
            Signal::Tick(now) => {
                self.tick(now);
                self.next.signal(signal);
            }
            Signal::Split(split) => self.split(split),
            Signal::Idle => self.idle(),
            Signal::Active => {
                if self.idle {
                    self.active();
                }
            }
            Signal::End | Signal::Barrier(_) | Signal::Completed(_) | Signal::Aborted(_) => self.next.signal(signal),
        }
    }
}

#[cfg(test)]
mod tests;
