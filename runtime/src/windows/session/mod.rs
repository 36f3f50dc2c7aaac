//! Session windows: what comes without a longer gap belongs together. Semantics are Flink's `EventTimeSessionWindows` and `ProcessingTimeSessionWindows`.

pub(crate) mod head;
pub(crate) mod held;
pub(crate) mod open;
mod queue;
pub(crate) mod row;

use std::{marker::PhantomData, time::Duration};

use millstream_core::{
    record::Record,
    time::{Timestamp, Window},
};

use super::{
    Clock, RecordAssigner,
    assigner::{
        ByEventTime, ByProcessingTime, ClockMarker, WindowsOn, clock_suffix,
        grid::{millis, shown},
    },
    panes::BySession,
    triggers::{self, WindowEnd},
};
use crate::{
    operator::Shippable,
    stream::{EventTime, TimeDomain},
};

/// Windows that grow together as long as no gap of this length lies between their records. See [`session`] and [`session_with`].
#[derive(Debug)]
pub struct Session<G, C = ByEventTime> {
    gap: G,
    clock: PhantomData<fn() -> C>,
}

impl<G: Clone, C> Clone for Session<G, C> {
    fn clone(&self) -> Self {
        Self { gap: self.gap.clone(), clock: PhantomData }
    }
}

/// One gap for all records. See [`session`].
#[derive(Debug, Clone, Copy)]
pub struct Fixed {
    gap_ms: i64,
}

/// A gap that is taken from the record. See [`session_with`].
pub struct ByRecord<T, F> {
    gap: F,
    record: PhantomData<fn(T)>,
}

impl<T, F: Clone> Clone for ByRecord<T, F> {
    fn clone(&self) -> Self {
        Self { gap: self.gap.clone(), record: PhantomData }
    }
}

/// Sessions by event time: a key's records belong to one window as long as each comes at most `gap` after the one before. It begins with the first and ends
/// `gap` after the last. The gap is in whole milliseconds; a job with less than one is not started.
///
/// Records may come in any order: one that lies between two sessions brings them together. So aggregates have to merge.
pub fn session(gap: Duration) -> Session<Fixed> {
    Session { gap: Fixed { gap_ms: millis(gap) }, clock: PhantomData }
}

/// Sessions by event time of which each record says how long a gap may follow: `session_with(|click: ClickView<'_>| click.timeout())`. A gap of less than a
/// millisecond counts as one.
pub fn session_with<T: Record, F>(gap: F) -> Session<ByRecord<T, F>>
where
    F: for<'a> Fn(T::View<'a>) -> Duration + Shippable,
{
    Session { gap: ByRecord { gap, record: PhantomData }, clock: PhantomData }
}

impl<G> Session<G> {
    /// The same sessions by the clock on the wall. At the end of a bounded input those that are pending fire at once (in Flink they are lost).
    pub fn processing_time(self) -> Session<G, ByProcessingTime> {
        Session { gap: self.gap, clock: PhantomData }
    }
}

/// How long a gap ends a session.
#[diagnostic::on_unimplemented(
    message = "these sessions take their gap from another type of record than `{T}`",
    label = "not a gap of records of type `{T}`",
    note = "`session_with(|record| ..)` takes a closure from the view of the stream's record to a `Duration`; one gap for all records is `session(30.seconds())`"
)]
pub trait Gap<T: Record>: Clone + Send + 'static {
    #[doc(hidden)]
    type Proof;
    /// In milliseconds, at least 1.
    #[doc(hidden)]
    fn millis(&self, record: T::View<'_>) -> i64;
    #[doc(hidden)]
    fn describe(&self) -> String;
    #[doc(hidden)]
    fn mistake(&self) -> Option<String> {
        None
    }
}

impl<T: Record> Gap<T> for Fixed {
    type Proof = ();

    #[inline(always)]
    fn millis(&self, _: T::View<'_>) -> i64 {
        self.gap_ms
    }

    fn describe(&self) -> String {
        shown(self.gap_ms)
    }

    fn mistake(&self) -> Option<String> {
        (self.gap_ms == 0).then(|| "sessions without a gap: `session(..)` takes a millisecond or more".to_owned())
    }
}

impl<T: Record, F> Gap<T> for ByRecord<T, F>
where
    F: for<'a> Fn(T::View<'a>) -> Duration + Shippable,
{
    type Proof = ();

    #[inline(always)]
    fn millis(&self, record: T::View<'_>) -> i64 {
        millis((self.gap)(record)).max(1)
    }

    fn describe(&self) -> String {
        "by record".to_owned()
    }
}

impl<G, C: ClockMarker> Session<G, C> {
    /// The session of a record that is alone.
    #[inline(always)]
    pub(crate) fn window<T: Record>(&self, record: T::View<'_>, at: Timestamp) -> Window
    where
        G: Gap<T>,
    {
        Window::new(at, Timestamp::from_millis(at.millis().saturating_add(self.gap.millis(record))))
    }

    /// For plans: `session 10s`.
    pub(crate) fn describe<T: Record>(&self) -> String
    where
        G: Gap<T>,
    {
        format!("session {}{}", self.gap.describe(), clock_suffix::<C>())
    }

    pub(crate) fn mistake<T: Record>(&self) -> Option<String>
    where
        G: Gap<T>,
    {
        self.gap.mistake()
    }
}

impl<T: Record, G: Gap<T>, C: ClockMarker> RecordAssigner<T> for Session<G, C> {
    const CLOCK: Clock = C::CLOCK;
    type Kind = BySession;
    type Trigger = WindowEnd;

    #[inline(always)]
    fn assign(&self, record: T::View<'_>, at: Timestamp, mut visit: impl FnMut(Window)) {
        visit(self.window(record, at));
    }

    fn trigger(&self) -> WindowEnd {
        triggers::window_end(C::CLOCK)
    }

    fn describe(&self) -> String {
        Self::describe::<T>(self)
    }

    fn mistake(&self) -> Option<String> {
        Self::mistake::<T>(self)
    }
}

impl<G> WindowsOn<EventTime> for Session<G, ByEventTime> {}
impl<G, Time: TimeDomain> WindowsOn<Time> for Session<G, ByProcessingTime> {}

/// True if two sessions are one: between them lies no more than nothing.
#[inline(always)]
pub(crate) fn touch(a: Window, b: Window) -> bool {
    a.start <= b.end && b.start <= a.end
}

/// Two sessions as one.
#[inline(always)]
pub(crate) fn join(a: Window, b: Window) -> Window {
    Window::new(a.start.min(b.start), a.end.max(b.end))
}
