//! Ingestion time: a record happens when it gets here.

use std::time::Duration;

use millstream_core::{record::Record, time::Timestamp};

use crate::{
    failure::Failure,
    metrics::Gauge,
    operator::{Push, Signal, Stage, forward_stage},
    stream::Plan,
    task::{clock::StepClock, context::ChainContext},
};

/// A plan with ingestion time behind it.
pub struct WithIngestionTime<P> {
    pub(crate) before: P,
}

impl<P: Plan> Plan for WithIngestionTime<P> {
    type In = P::In;
    type Out = P::Out;
    type Chain<N: Push<P::Out>> = P::Chain<IngestionStage<N>>;

    fn chain<N: Push<P::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        cx.wants_ticks = true;
        let stage = IngestionStage {
            clock: cx.clock.clone(),
            latest: Timestamp::MIN,
            passed_on: Timestamp::MIN,
            gauge: cx.metrics.watermark.clone(),
            next,
        };
        self.before.chain(cx, stage)
    }
}

/// Gives each record the time of the step in which it comes, and makes watermarks by the clock.
///
/// What the source says of its splits does not count here: a record gets its time when it comes, be it from a split that waited for long. Nor does idleness:
/// the clock goes on, and the watermark with it, whether there are records or not.
pub struct IngestionStage<N> {
    clock: StepClock,
    /// The latest time that was read off the clock. The clock may be set back; the time of records stands still until it is here again.
    latest: Timestamp,
    /// The watermark that was passed on last; [`Timestamp::MAX`] once the input has ended.
    passed_on: Timestamp,
    gauge: Gauge,
    next: N,
}

impl<T: Record, N: Push<T>> Push<T> for IngestionStage<N> {
    #[inline(always)]
    fn push(&mut self, record: T::View<'_>, _: Timestamp) {
        self.latest = self.latest.max(self.clock.wall());
        self.next.push(record, self.latest);
    }
}

impl<N: Stage> Stage for IngestionStage<N> {
    forward_stage!(except signal);

    fn signal(&mut self, signal: Signal) {
        match signal {
            Signal::Watermark(Timestamp::MAX) => self.advance(Timestamp::MAX),
            // Of another time than the one that begins here.
            Signal::Watermark(_) | Signal::Idle | Signal::Active | Signal::Split(_) => {}
            Signal::Tick(now) => {
                self.latest = self.latest.max(now);
                // More records may come in this millisecond.
                self.advance(self.latest - Duration::from_millis(1));
                self.next.signal(signal);
            }
            Signal::Barrier(_) | Signal::Completed(_) | Signal::Aborted(_) | Signal::End => self.next.signal(signal),
        }
    }
}

impl<N: Stage> IngestionStage<N> {
    fn advance(&mut self, at: Timestamp) {
        if at > self.passed_on {
            self.passed_on = at;
            self.gauge.set(at.millis());
            self.next.signal(Signal::Watermark(at));
        }
    }
}

#[cfg(test)]
mod tests;
