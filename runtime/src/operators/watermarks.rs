//! Event time: gives every record its timestamp and makes watermarks, by split where the source has splits.

use std::marker::PhantomData;

use millstream_core::{record::Record, time::Timestamp};

use crate::{
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
            generator: self.strategy.generator(),
            strategy: self.strategy.clone(),
            split: None,
            others: Vec::new(),
            holds: false,
            passed_on: Timestamp::MIN,
            idle: Idleness { since: None, seen: false, passed_on: false },
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
    /// The generator of the split that records come from now.
    generator: S::Generator,
    /// That split, if the source has splits.
    split: Option<u64>,
    /// The splits that are open besides it; one per split that the reader has open at a time.
    others: Vec<(u64, S::Generator)>,
    /// Bounded splits wait to be assigned: no watermark passes.
    holds: bool,
    passed_on: Timestamp,
    idle: Idleness,
    /// The watermark of the chain: what comes from before says nothing of the time that begins here.
    gauge: Gauge,
    info: OperatorInfo,
    next: N,
    record: PhantomData<fn(T)>,
}

struct Idleness {
    /// The first tick at which no record had come since the tick before.
    since: Option<Timestamp>,
    /// A record has come since the last tick.
    seen: bool,
    passed_on: bool,
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
        self.idle.seen = true;
        if self.idle.passed_on {
            self.active();
        }
        self.next.push(record, at);
        let guard = Guard::new(&self.info);
        let at_once = self.generator.on_record(record, at);
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
    /// Passes on the watermark of the whole: the minimum over the open splits.
    fn advance(&mut self) {
        if self.holds {
            return;
        }
        let open = self.others.iter().map(|(_, generator)| generator.watermark());
        let at = open.fold(self.generator.watermark(), Timestamp::min);
        // The last watermark is the source's to give.
        if at > self.passed_on && at < Timestamp::MAX {
            self.passed_on = at;
            self.gauge.set(at.millis());
            self.next.signal(Signal::Watermark(at));
        }
    }

    #[cold]
    fn active(&mut self) {
        self.idle.passed_on = false;
        self.idle.since = None;
        self.next.signal(Signal::Active);
    }

    fn idle(&mut self) {
        if !std::mem::replace(&mut self.idle.passed_on, true) {
            self.next.signal(Signal::Idle);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        if self.passed_on == Timestamp::MAX {
            return; // the input has ended, and the task only clears up
        }
        self.advance();
        if std::mem::take(&mut self.idle.seen) {
            self.idle.since = None;
        } else if let Some(limit) = self.strategy.idle_after() {
            let since = *self.idle.since.get_or_insert(now);
            if now.millis().saturating_sub(since.millis()) >= i64::try_from(limit.as_millis()).unwrap_or(i64::MAX) {
                self.idle();
            }
        }
    }

    fn split(&mut self, signal: SplitSignal) {
        match signal {
            SplitSignal::Hold => self.holds = true,
            SplitSignal::Release => {
                self.holds = false;
                self.advance();
            }
            SplitSignal::Start(split) => {
                let before = std::mem::replace(&mut self.generator, self.strategy.generator());
                if let Some(id) = self.split.replace(split) {
                    self.others.push((id, before));
                }
            }
            SplitSignal::Switch(split) => {
                if let Some(at) = self.others.iter().position(|(id, _)| *id == split) {
                    let (_, generator) = self.others.swap_remove(at);
                    let before = std::mem::replace(&mut self.generator, generator);
                    if let Some(id) = self.split.replace(split) {
                        self.others.push((id, before));
                    }
                }
            }
            SplitSignal::Done(split) => {
                self.advance();
                if self.split == Some(split) {
                    // The watermark stays where it is until another split, or the end, moves it on.
                    self.split = None;
                    if let Some((id, generator)) = self.others.pop() {
                        self.generator = generator;
                        self.split = Some(id);
                    }
                } else {
                    self.others.retain(|(id, _)| *id != split);
                }
            }
        }
    }
}

impl<T, F, S, N> Stage for TimeStage<T, F, S, N>
where
    T: Record,
    F: TimeFn<T>,
    S: WatermarkStrategy<T>,
    N: Push<T>,
{
    forward_stage!(except signal);

    fn signal(&mut self, signal: Signal) {
        match signal {
            // Watermarks from before are of another time; but the last says that the input has ended.
            Signal::Watermark(Timestamp::MAX) => {
                if self.idle.passed_on {
                    self.active();
                }
                self.passed_on = Timestamp::MAX;
                self.gauge.set(Timestamp::MAX.millis());
                self.next.signal(signal);
            }
            Signal::Watermark(_) => {}
            Signal::Tick(now) => {
                self.tick(now);
                self.next.signal(signal);
            }
            Signal::Split(split) => self.split(split),
            Signal::Idle => {
                self.idle();
            }
            Signal::Active => {
                if self.idle.passed_on {
                    self.active();
                }
            }
            Signal::End | Signal::Barrier(_) | Signal::Completed(_) | Signal::Aborted(_) => self.next.signal(signal),
        }
    }
}

#[cfg(test)]
mod tests;
