//! [`Trigger`]: when a window fires, and when what it holds is forgotten.

use millstream_core::{
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};

use super::timers::PaneTimers;
use crate::{
    process::{Hashed, Moment, TimerDomain},
    stream::{EventTime, NoTime, TimeDomain},
};

/// What is to be done with a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriggerResult {
    /// Nothing.
    Continue,
    /// It fires, and keeps what it holds.
    Fire,
    /// What it holds is forgotten. The window itself lives on.
    Purge,
    /// It fires, then what it holds is forgotten.
    FireAndPurge,
}

impl TriggerResult {
    /// True for [`Fire`](Self::Fire) and [`FireAndPurge`](Self::FireAndPurge).
    #[inline(always)]
    pub fn fires(self) -> bool {
        matches!(self, Self::Fire | Self::FireAndPurge)
    }

    /// True for [`Purge`](Self::Purge) and [`FireAndPurge`](Self::FireAndPurge).
    #[inline(always)]
    pub fn purges(self) -> bool {
        matches!(self, Self::Purge | Self::FireAndPurge)
    }
}

/// Says when windows fire. It is asked at every element, after that was added to its window, and at the timers that it has set; it has state for each key and window.
///
/// ```
/// use millstream_core::{key::Key, record::Record, time::Timestamp};
/// use millstream_runtime::{stream::NoTime, windows::{Trigger, TriggerContext, TriggerResult}};
///
/// /// Fires at every element that is greater than all before it in its window.
/// #[derive(Clone)]
/// struct AtRecords;
///
/// impl Trigger<u64> for AtRecords {
///     type State = u64;
///     type Time = NoTime;
///
///     fn on_element<K: Key>(&self, n: u64, _: Timestamp, greatest: &mut u64, _: &mut TriggerContext<'_, '_, K>) -> TriggerResult {
///         if n <= *greatest {
///             return TriggerResult::Continue;
///         }
///         *greatest = n;
///         TriggerResult::Fire
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a trigger for windows of `{T}`",
    label = "not a trigger for these records",
    note = "`.trigger(..)` takes `triggers::count(3)`, `triggers::continuous(10.seconds())`, `triggers::purging(..)` .., or a type of yours that implements `Trigger<{T}>`",
    note = "the closure of `triggers::delta(..)` takes two views of the stream's record: `|a: TradeView<'_>, b: TradeView<'_>| ..`"
)]
pub trait Trigger<T: Record>: Clone + Send + 'static {
    /// What it remembers of each key and window; `()` if nothing. It begins as its default.
    type State: Record + Default;
    /// [`EventTime`] if it needs a stream with event time, [`NoTime`] if it does without.
    type Time: TimeDomain;

    /// A record was added to a window.
    fn on_element<K: Key>(
        &self,
        record: T::View<'_>,
        at: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult;

    /// The watermark has reached a timer of the window. It need not be one of this trigger's: at the window's cleanup time there is one, too.
    fn on_event_time<K: Key>(
        &self,
        at: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        let _ = (at, state, cx);
        TriggerResult::Continue
    }

    /// The clock on the wall has passed a timer of the window, or the input has ended.
    fn on_processing_time<K: Key>(
        &self,
        at: Timestamp,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_, '_, K>,
    ) -> TriggerResult {
        let _ = (at, state, cx);
        TriggerResult::Continue
    }

    /// The window ends for good: the place to delete timers that are still set. Its state is dropped afterwards.
    fn clear<K: Key>(&self, state: &mut Self::State, cx: &mut TriggerContext<'_, '_, K>) {
        let _ = (state, cx);
    }

    /// True if the state is as it began, so that a window which holds nothing need not be remembered. By default that of a state without size.
    fn is_blank(&self, state: &Self::State) -> bool {
        let _ = state;
        size_of::<Self::State>() == 0
    }

    /// What is wrong with it, if anything is; the job is then not started.
    fn mistake(&self) -> Option<String> {
        None
    }
}

/// A trigger for windows that merge, such as sessions.
pub trait MergingTrigger<T: Record>: Trigger<T> {
    /// Adds the state of a window that goes into another one to the state of that.
    fn merge(&self, state: &mut Self::State, other: &Self::State);
    /// All states are merged, and the context is that of the resulting window: the place to set timers for it. Those of the windows that went into it are
    /// gone, as far as `clear` has deleted them.
    fn on_merge<K: Key>(&self, state: &mut Self::State, cx: &mut TriggerContext<'_, '_, K>);
}

/// The window that a trigger is asked about, and its timers.
pub struct TriggerContext<'a, 'k, K: Key> {
    pub(super) key: Hashed<'k, K>,
    pub(super) window: Window,
    pub(super) moment: Moment,
    pub(super) timers: &'a mut PaneTimers<K>,
}

impl<K: Key> TriggerContext<'_, '_, K> {
    /// The window.
    #[inline(always)]
    pub fn window(&self) -> Window {
        self.window
    }

    /// How far event time has come: [`Timestamp::MIN`] at first, [`Timestamp::MAX`] once the input has ended.
    #[inline(always)]
    pub fn watermark(&self) -> Timestamp {
        self.moment.watermark
    }

    /// Processing time: the clock on the wall, as of the beginning of this step of the task.
    #[inline(always)]
    pub fn wall(&self) -> Timestamp {
        self.moment.wall
    }

    /// Sets a timer of this key and window in event time. Several for one time are one. If the watermark has reached it already, it fires with the next one.
    #[inline]
    pub fn event_timer(&mut self, at: Timestamp) {
        self.timers.set(self.key, TimerDomain::EventTime, at, self.window);
    }

    /// Sets a timer of this key and window in processing time. Several for one time are one. After the end of the input, when the last timers fire, none is
    /// set any more.
    #[inline]
    pub fn processing_timer(&mut self, at: Timestamp) {
        if self.moment.watermark < Timestamp::MAX {
            self.timers.set(self.key, TimerDomain::ProcessingTime, at, self.window);
        }
    }

    /// Deletes the timer of this key and window that is set for this event time, if there is one.
    #[inline]
    pub fn delete_event_timer(&mut self, at: Timestamp) {
        self.timers.delete(self.key, TimerDomain::EventTime, at, self.window);
    }

    /// Deletes the timer of this key and window that is set for this processing time, if there is one.
    #[inline]
    pub fn delete_processing_timer(&mut self, at: Timestamp) {
        self.timers.delete(self.key, TimerDomain::ProcessingTime, at, self.window);
    }
}

/// The check of `.trigger(..)`: triggers by event time need a stream with event time.
#[diagnostic::on_unimplemented(
    message = "a trigger by event time on a stream without event time",
    label = "this trigger needs event time",
    note = "give the stream event time first: `.event_time(out_of_order(5.seconds()))`, or `.event_time_by(|record| .., ..)`",
    note = "or use one by the clock on the wall: `triggers::processing_time()`, `triggers::continuous_processing_time(10.seconds())`"
)]
pub trait GivenBy<Time> {
    /// `()`; see [`When`](millstream_core::proof::When).
    #[doc(hidden)]
    type Proof;
}

impl<Time: TimeDomain> GivenBy<Time> for NoTime {
    type Proof = ();
}
impl GivenBy<EventTime> for EventTime {
    type Proof = ();
}
