//! [`RecordAssigner`]: windows that depend on more than a record's time, and [`Kind`]: how what is in windows is kept.

use millstream_core::{
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};

use super::{MergingTrigger, Trigger, TriggerContext};
use crate::windows::{
    Assigner, Clock,
    count::SlidingCount,
    evictors::{self, Evictor},
    triggers::{self, WindowEnd},
};

/// Puts records into any number of windows, by what is in them. Every [`Assigner`] is one; one of your own may look at the record:
///
/// ```
/// use millstream_core::{record::Record, time::{Timestamp, Window}};
/// use millstream_runtime::{
///     stream::EventTime,
///     windows::{Separate, Clock, RecordAssigner, WindowsOn, triggers},
/// };
///
/// /// Each record is in a window as long as the record says, in milliseconds.
/// #[derive(Clone)]
/// struct AsLongAsItSays;
///
/// impl RecordAssigner<u64> for AsLongAsItSays {
///     const CLOCK: Clock = Clock::Event;
///     type Kind = Separate;
///     type Trigger = triggers::EventTime;
///
///     fn assign(&self, length: u64, at: Timestamp, mut visit: impl FnMut(Window)) {
///         let start = at.millis() - at.millis().rem_euclid(length as i64);
///         visit(Window::new(Timestamp::from_millis(start), Timestamp::from_millis(start + length as i64)));
///     }
///
///     fn trigger(&self) -> triggers::EventTime {
///         triggers::event_time()
///     }
///
///     fn describe(&self) -> String {
///         "as long as it says".into()
///     }
/// }
///
/// impl WindowsOn<EventTime> for AsLongAsItSays {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not put records into windows",
    label = "not windows",
    note = "`.window(..)` takes `tumbling(1.minutes())`, `sliding(1.hours(), 1.minutes())`, `session(30.seconds())`, `count(100)`, `global()` .., or a type of yours that implements `Assigner` or `RecordAssigner`"
)]
pub trait RecordAssigner<T: Record>: Clone + Send + 'static {
    /// By which clock.
    const CLOCK: Clock;
    /// [`Separate`], or [`Merging`] if windows of a key that overlap or touch become one.
    type Kind: Kind<T, Self>;
    /// When windows fire, unless `.trigger(..)` says otherwise.
    type Trigger: Trigger<T>;

    /// Shows the windows of a record. `at` is when it happened, or by processing time the time on the wall.
    fn assign(&self, record: T::View<'_>, at: Timestamp, visit: impl FnMut(Window));
    /// The trigger that windows have by default.
    fn trigger(&self) -> Self::Trigger;
    /// For plans: `tumbling 1min`.
    fn describe(&self) -> String;
    /// What is wrong with these windows, if anything is; the job is then not started.
    fn mistake(&self) -> Option<String> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<T: Record, W: Assigner> RecordAssigner<T> for W {
    const CLOCK: Clock = <W as Assigner>::CLOCK;
    type Kind = BySlice;
    type Trigger = WindowEnd;

    #[inline(always)]
    fn assign(&self, _: T::View<'_>, at: Timestamp, visit: impl FnMut(Window)) {
        self.each_window(at, visit);
    }

    fn trigger(&self) -> WindowEnd {
        triggers::window_end(<W as Assigner>::CLOCK)
    }

    fn describe(&self) -> String {
        Assigner::describe(self)
    }

    fn mistake(&self) -> Option<String> {
        Assigner::mistake(self)
    }
}

/// What becomes of windows of a key that overlap, and which elements are kept by default.
pub trait Kind<T: Record, W>: 'static {
    /// True if windows of a key that overlap or touch become one.
    const MERGES: bool;
    #[doc(hidden)]
    type Evictor: Evictor<T>;
    #[doc(hidden)]
    fn evictor(windows: &W) -> Self::Evictor;
}

/// Windows that have nothing to do with each other.
#[derive(Debug)]
pub struct Separate;

/// Windows that become one where they overlap or touch.
#[derive(Debug)]
pub struct Merging;

/// Aligned windows: what is kept of them is kept by slice, where that will do.
#[derive(Debug)]
pub struct BySlice;

/// Sessions, which have a head of their own for plain aggregates.
#[derive(Debug)]
pub struct BySession;

/// Windows of the last so many elements.
#[derive(Debug)]
pub struct ByCount;

macro_rules! keeps_all {
    ($kind:ty, $merges:expr) => {
        impl<T: Record, W> Kind<T, W> for $kind {
            const MERGES: bool = $merges;
            type Evictor = evictors::KeepAll;

            fn evictor(_: &W) -> evictors::KeepAll {
                evictors::KeepAll
            }
        }
    };
}
keeps_all!(Separate, false);
keeps_all!(Merging, true);
keeps_all!(BySlice, false);
keeps_all!(BySession, true);

impl<T: Record> Kind<T, SlidingCount> for ByCount {
    const MERGES: bool = false;
    type Evictor = evictors::Count;

    fn evictor(windows: &SlidingCount) -> evictors::Count {
        evictors::count(windows.size())
    }
}

/// The check that a trigger suits these windows: those that merge need one that can.
#[diagnostic::on_unimplemented(
    message = "this trigger cannot merge, and these windows do: `{Tr}` does not implement `MergingTrigger`",
    label = "cannot merge",
    note = "windows such as sessions become one where they overlap, and then their triggers' states have to",
    note = "use `triggers::event_time()`, `triggers::count(3)`, `triggers::continuous(10.seconds())` .., or implement `MergingTrigger` for yours beside `Trigger`"
)]
pub trait Admits<T: Record, Tr: Trigger<T>> {
    /// `()`; see [`When`](millstream_core::proof::When).
    #[doc(hidden)]
    type Proof;
    #[doc(hidden)]
    fn merge(trigger: &Tr, state: &mut Tr::State, other: &Tr::State);
    #[doc(hidden)]
    fn on_merge<K: Key>(trigger: &Tr, state: &mut Tr::State, cx: &mut TriggerContext<'_, '_, K>);
}

macro_rules! admits_all {
    ($kind:ty) => {
        impl<T: Record, Tr: Trigger<T>> Admits<T, Tr> for $kind {
            type Proof = ();

            fn merge(_: &Tr, _: &mut Tr::State, _: &Tr::State) {}
            fn on_merge<K: Key>(_: &Tr, _: &mut Tr::State, _: &mut TriggerContext<'_, '_, K>) {}
        }

        impl<S> KeptBy<$kind> for S {}
    };
}
admits_all!(Separate);
admits_all!(BySlice);
admits_all!(ByCount);

macro_rules! admits_merging {
    ($kind:ty) => {
        #[diagnostic::do_not_recommend]
        impl<T: Record, Tr: MergingTrigger<T>> Admits<T, Tr> for $kind {
            type Proof = ();

            #[inline(always)]
            fn merge(trigger: &Tr, state: &mut Tr::State, other: &Tr::State) {
                trigger.merge(state, other);
            }

            #[inline(always)]
            fn on_merge<K: Key>(trigger: &Tr, state: &mut Tr::State, cx: &mut TriggerContext<'_, '_, K>) {
                trigger.on_merge(state, cx);
            }
        }
    };
}
admits_merging!(Merging);
admits_merging!(BySession);

/// The check that a window function's state suits these windows: nobody knows how to merge it.
#[diagnostic::on_unimplemented(
    message = "this window function keeps state for each window, and these windows merge",
    label = "keeps `{Self}` for each window",
    note = "windows such as sessions become one where they overlap, and the states of a function cannot: let its `State` be `()`"
)]
pub trait KeptBy<Kind> {}

impl KeptBy<Merging> for () {}
impl KeptBy<BySession> for () {}
