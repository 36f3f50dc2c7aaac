//! Watermark strategies: how far event time has come, judged by the records of one split or one input.
//!
//! Semantics follow Flink's `WatermarkStrategy`: the watermark of bounded disorder is the greatest timestamp seen, less the bound, less one millisecond.

use std::{marker::PhantomData, time::Duration};

use millstream_core::{record::Record, time::Timestamp};

use crate::operator::Shippable;

/// Makes a generator for every split (or, behind an exchange, for every subtask).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a watermark strategy for records of type `{T}`",
    label = "not a watermark strategy",
    note = "use `out_of_order(5.seconds())`, `monotonous()` or `punctuated(|record, at| ..)`, or implement `WatermarkStrategy`"
)]
pub trait WatermarkStrategy<T: Record>: Clone + Send + 'static {
    /// Watches one split.
    type Generator: WatermarkGenerator<T>;
    /// A generator that has seen nothing.
    fn generator(&self) -> Self::Generator;
    /// After how long without a record the input counts as idle, so that it does not hold others back.
    fn idle_after(&self) -> Option<Duration> {
        None
    }
}

/// Watches the records of a split.
pub trait WatermarkGenerator<T: Record>: Send + 'static {
    /// Sees a record. True if the watermark should be passed on at once (punctuated) rather than at the next watermark interval.
    fn on_record(&mut self, record: T::View<'_>, at: Timestamp) -> bool;
    /// How far event time has come: no record with a timestamp at or before this is expected. [`Timestamp::MIN`] if that is not known.
    fn watermark(&self) -> Timestamp;
}

/// Records come out of order by at most this much; those that come even later are late.
pub fn out_of_order(by: Duration) -> OutOfOrder {
    OutOfOrder { by }
}

/// Timestamps never go back within a split.
pub fn monotonous() -> OutOfOrder {
    OutOfOrder { by: Duration::ZERO }
}

/// See [`out_of_order`].
#[derive(Debug, Clone, Copy)]
pub struct OutOfOrder {
    by: Duration,
}

/// The greatest timestamp so far.
#[derive(Debug)]
pub struct Greatest {
    greatest: Timestamp,
    by: Duration,
}

impl<T: Record> WatermarkStrategy<T> for OutOfOrder {
    type Generator = Greatest;
    fn generator(&self) -> Greatest {
        Greatest { greatest: Timestamp::MIN, by: self.by }
    }
}

impl<T: Record> WatermarkGenerator<T> for Greatest {
    #[inline(always)]
    fn on_record(&mut self, _: T::View<'_>, at: Timestamp) -> bool {
        self.greatest = self.greatest.max(at);
        false
    }

    fn watermark(&self) -> Timestamp {
        if self.greatest == Timestamp::MIN {
            return Timestamp::MIN;
        }
        self.greatest - self.by - Duration::from_millis(1)
    }
}

/// Certain records say how far event time has come: the closure returns a watermark for those.
pub fn punctuated<T, F>(of: F) -> Punctuated<T, F>
where
    T: Record,
    F: for<'a> Fn(T::View<'a>, Timestamp) -> Option<Timestamp> + Shippable,
{
    Punctuated { of, record: PhantomData }
}

/// See [`punctuated`].
pub struct Punctuated<T, F> {
    of: F,
    record: PhantomData<fn(T)>,
}

impl<T, F: Clone> Clone for Punctuated<T, F> {
    fn clone(&self) -> Self {
        Self { of: self.of.clone(), record: PhantomData }
    }
}

/// The last punctuation.
pub struct Punctuation<F> {
    of: F,
    watermark: Timestamp,
}

impl<T, F> WatermarkStrategy<T> for Punctuated<T, F>
where
    T: Record,
    F: for<'a> Fn(T::View<'a>, Timestamp) -> Option<Timestamp> + Shippable,
{
    type Generator = Punctuation<F>;
    fn generator(&self) -> Punctuation<F> {
        Punctuation { of: self.of.clone(), watermark: Timestamp::MIN }
    }
}

impl<T, F> WatermarkGenerator<T> for Punctuation<F>
where
    T: Record,
    F: for<'a> Fn(T::View<'a>, Timestamp) -> Option<Timestamp> + Shippable,
{
    fn on_record(&mut self, record: T::View<'_>, at: Timestamp) -> bool {
        match (self.of)(record, at) {
            Some(watermark) if watermark > self.watermark => {
                self.watermark = watermark;
                true
            }
            _ => false,
        }
    }

    fn watermark(&self) -> Timestamp {
        self.watermark
    }
}

/// What every strategy can be told besides.
pub trait WatermarkStrategyExt: Sized {
    /// An input without records for so long counts as idle.
    fn with_idleness(self, after: Duration) -> WithIdleness<Self> {
        WithIdleness { strategy: self, after }
    }
}

impl WatermarkStrategyExt for OutOfOrder {}
impl<T, F> WatermarkStrategyExt for Punctuated<T, F> {}

/// See [`WatermarkStrategyExt::with_idleness`].
#[derive(Debug, Clone)]
pub struct WithIdleness<S> {
    strategy: S,
    after: Duration,
}

impl<T: Record, S: WatermarkStrategy<T>> WatermarkStrategy<T> for WithIdleness<S> {
    type Generator = S::Generator;
    fn generator(&self) -> S::Generator {
        self.strategy.generator()
    }
    fn idle_after(&self) -> Option<Duration> {
        Some(self.after)
    }
}
