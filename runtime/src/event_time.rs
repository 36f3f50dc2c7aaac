//! Watermark strategies: how far event time has come, judged by the records of one split or one input.
//!
//! Semantics follow Flink's `WatermarkStrategy`: the watermark of bounded disorder is the greatest timestamp seen, less the bound, less one millisecond.

use std::{marker::PhantomData, time::Duration};

use millstream_core::{record::Record, time::Timestamp};

pub use crate::alignment::Alignment;
use crate::{operator::Shippable, settings::show_duration};

const MILLISECOND: Duration = Duration::from_millis(1);

/// The longest time that there is between two timestamps, in milliseconds.
const LONGEST_MS: u128 = i64::MAX as u128;

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
    /// How the source keeps together with others.
    fn alignment(&self) -> Option<&Alignment> {
        None
    }
    /// What is wrong with this strategy, if anything is; the job is then not started.
    fn mistake(&self) -> Option<String> {
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
    fn mistake(&self) -> Option<String> {
        let Self { by } = self;
        if !by.is_zero() && *by < MILLISECOND {
            let by = show_duration(*by);
            return Some(format!(
                "out of order by {by}, where times are in milliseconds: say `1.milliseconds()`, or `monotonous()`"
            ));
        }
        // The watermark would stay where it is before the first record, for ever.
        (by.as_millis() > LONGEST_MS)
            .then(|| "out of order by more than the time since the epoch can be: no window would ever close".into())
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

/// What every strategy can be told besides. For one of your own: `impl WatermarkStrategyExt for Mine {}`.
pub trait WatermarkStrategyExt: Sized {
    /// An input without records for so long counts as idle: nobody waits for its watermark. Behind a source that is so for each split on its own.
    ///
    /// It is a time on the clock, in whole milliseconds; a job where it is less than one is not started. While a source waits for others (see
    /// [`WatermarkStrategyExt::aligned`]) it does not become idle.
    fn with_idleness(self, after: Duration) -> WithIdleness<Self> {
        WithIdleness { strategy: self, after }
    }

    /// Keeps the source together with all others that name the same group, and its subtasks with one another: one whose watermark is ahead of the least in the
    /// group by more than `max_drift` is not read until the others have caught up. So what is joined or unioned behind them need not be kept for
    /// long in the state of windows and joins. Inputs that are idle or have ended are not waited for; a source without records holds all others up unless it
    /// is told [`WatermarkStrategyExt::with_idleness`].
    ///
    /// `max_drift` is in event time. A source may exceed it by what it reads in one step of its task, and for up to an update interval
    /// ([`Aligned::updated_every`], one second by default) by more, if another one comes back from idleness. A reader reads its splits one
    /// after the other, so what waits is the split that is ahead. One that waits takes part in checkpoints, and stops when the job does.
    ///
    /// Only the source in whose chain the event time is given can wait: in other places the job is not started, nor if the group has no name or the
    /// drift is less than a millisecond.
    ///
    /// ```
    /// use std::time::Duration;
    /// use millstream_runtime::event_time::{WatermarkStrategyExt, out_of_order};
    ///
    /// let strategy = out_of_order(Duration::from_secs(5)).aligned("orders", Duration::from_secs(20));
    /// # let _ = strategy;
    /// ```
    fn aligned(self, group: impl Into<String>, max_drift: Duration) -> Aligned<Self> {
        Aligned { strategy: self, alignment: Alignment::new(group, max_drift) }
    }
}

impl WatermarkStrategyExt for OutOfOrder {}
impl<T, F> WatermarkStrategyExt for Punctuated<T, F> {}
impl<S> WatermarkStrategyExt for WithIdleness<S> {}
impl<S> WatermarkStrategyExt for Aligned<S> {}

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
    fn alignment(&self) -> Option<&Alignment> {
        self.strategy.alignment()
    }
    fn mistake(&self) -> Option<String> {
        let mistake = || {
            let after = show_duration(self.after);
            format!(
                "idle after {after} without a record, which is always: give it as long as a pause may be, as `.with_idleness(30.seconds())`"
            )
        };
        self.strategy.mistake().or_else(|| (self.after < MILLISECOND).then(mistake))
    }
}

/// See [`WatermarkStrategyExt::aligned`].
#[derive(Debug, Clone)]
pub struct Aligned<S> {
    strategy: S,
    alignment: Alignment,
}

impl<S> Aligned<S> {
    /// Lets the source look at the others of its group at least this often, instead of once in a second. It looks besides whenever its task does, so
    /// shorter than the watermark interval it changes little.
    pub fn updated_every(self, interval: Duration) -> Self {
        Self { alignment: self.alignment.update_interval(interval), ..self }
    }
}

impl<T: Record, S: WatermarkStrategy<T>> WatermarkStrategy<T> for Aligned<S> {
    type Generator = S::Generator;
    fn generator(&self) -> S::Generator {
        self.strategy.generator()
    }
    fn idle_after(&self) -> Option<Duration> {
        self.strategy.idle_after()
    }
    fn alignment(&self) -> Option<&Alignment> {
        Some(&self.alignment)
    }
    fn mistake(&self) -> Option<String> {
        let (group, inner) = (self.alignment.group(), self.strategy.alignment());
        let twice = |inner: &Alignment| {
            format!("aligned in group `{group}` and in group `{}`: a source is in one group", inner.group())
        };
        self.strategy.mistake().or_else(|| inner.map(twice))
    }
}
