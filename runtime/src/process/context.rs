//! [`KeyedContext`] and [`Context`]: what a process function may ask and do besides its state.

use std::marker::PhantomData;

use millstream_core::{key::Key, record::Record, time::Timestamp};

use super::{Hashed, OneOf, TimerDomain, timers::KeyTimers};
use crate::{env::Env, operator::Push};

/// What a function on a keyed stream gets beside the record, or the timer, and the state of its key.
///
/// In a `#[process]` block it is written `&mut KeyedContext<'_, Key, Out>`, and with [side outputs](super::SideOutput) `&mut KeyedContext<'_, Key, Out, Alerts>`; the
/// attribute adds the other lifetime and where records go.
pub struct KeyedContext<'a, 'k, K: Key, Out: Record, N, Sides = ()> {
    pub(super) key: Hashed<'k, K>,
    pub(super) at: Timestamp,
    pub(super) moment: Moment,
    pub(super) timers: &'a mut KeyTimers<K>,
    pub(super) next: &'a mut N,
    pub(super) sides: &'a mut Sides,
    pub(super) out: PhantomData<fn(Out)>,
}

/// How far time has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) watermark: Timestamp,
    pub(crate) wall: Timestamp,
}

impl<'k, K: Key, Out: Record, N: Push<Out>, Sides> KeyedContext<'_, 'k, K, Out, N, Sides> {
    /// The key of the record or the timer.
    #[inline(always)]
    pub fn key(&self) -> K::View<'k> {
        self.key.key
    }

    /// When the record happened, or for when the timer was set. In a stream without event time a record's is [`Timestamp::MIN`].
    #[inline(always)]
    pub fn timestamp(&self) -> Timestamp {
        self.at
    }

    /// How far event time has come: [`Timestamp::MIN`] at first, [`Timestamp::MAX`] once the input has ended. While timers fire it is the
    /// watermark that they fire by.
    #[inline(always)]
    pub fn watermark(&self) -> Timestamp {
        self.moment.watermark
    }

    /// Processing time: the clock on the wall, as of the beginning of this step of the task.
    #[inline(always)]
    pub fn wall(&self) -> Timestamp {
        self.moment.wall
    }

    /// Puts out a record with the time of this one, or of the timer.
    #[inline(always)]
    pub fn emit(&mut self, record: Out::View<'_>) {
        self.next.push(record, self.at);
    }

    /// Puts out a record with a time of its own. If that is not after the [watermark](Self::watermark), the record is late to what follows.
    #[inline(always)]
    pub fn emit_at(&mut self, record: Out::View<'_>, at: Timestamp) {
        self.next.push(record, at);
    }

    /// Puts out a record to a side output, with the time of this one. If nobody reads the side output, nothing happens.
    #[inline(always)]
    pub fn emit_to<A, At>(&mut self, _: A, record: <A::Record as Record>::View<'_>)
    where
        A: OneOf<Sides, At>,
    {
        A::of(self.sides).push(record, self.at);
    }

    /// Puts out a record to a side output, with a time of its own.
    #[inline(always)]
    pub fn emit_to_at<A, At>(&mut self, _: A, record: <A::Record as Record>::View<'_>, at: Timestamp)
    where
        A: OneOf<Sides, At>,
    {
        A::of(self.sides).push(record, at);
    }

    /// Sets a timer of this key in event time: `on_timer` is called when the watermark has reached `at`. Several for one time are one.
    ///
    /// A time that the watermark has reached already is too late, and the timer fires with the next watermark; the metric `late_timers` counts such. In a
    /// stream without event time timers fire at the end of the input.
    #[inline]
    pub fn event_timer(&mut self, at: Timestamp) {
        self.timers.set_event(self.key, at, self.moment.watermark);
    }

    /// Sets a timer of this key in processing time: `on_timer` is called when the clock on the wall has passed `at`, or else when the input has ended.
    /// Several for one time are one. After the end of the input, when the last timers fire, none is set any more.
    #[inline]
    pub fn processing_timer(&mut self, at: Timestamp) {
        if self.moment.watermark < Timestamp::MAX {
            self.timers.set_processing(self.key, at);
        }
    }

    /// Deletes the timer of this key that is set for this event time, if there is one.
    #[inline]
    pub fn delete_event_timer(&mut self, at: Timestamp) {
        self.timers.delete(self.key, TimerDomain::EventTime, at);
    }

    /// Deletes the timer of this key that is set for this processing time, if there is one.
    #[inline]
    pub fn delete_processing_timer(&mut self, at: Timestamp) {
        self.timers.delete(self.key, TimerDomain::ProcessingTime, at);
    }
}

/// What a function on a stream without key gets beside the record.
///
/// In a `#[process]` block it is written `&mut Context<'_, Out>`, and with [side outputs](super::SideOutput) `&mut Context<'_, Out, Alerts>`; the attribute adds where
/// records go.
pub struct Context<'a, Out: Record, N, Sides = ()> {
    pub(super) at: Timestamp,
    pub(super) watermark: Timestamp,
    pub(super) env: &'a dyn Env,
    pub(super) next: &'a mut N,
    pub(super) sides: &'a mut Sides,
    pub(super) out: PhantomData<fn(Out)>,
}

impl<Out: Record, N: Push<Out>, Sides> Context<'_, Out, N, Sides> {
    /// When the record happened: [`Timestamp::MIN`] in a stream without event time, [`Timestamp::MAX`] at the end of the input.
    #[inline(always)]
    pub fn timestamp(&self) -> Timestamp {
        self.at
    }

    /// How far event time has come: [`Timestamp::MIN`] at first, [`Timestamp::MAX`] once the input has ended.
    #[inline(always)]
    pub fn watermark(&self) -> Timestamp {
        self.watermark
    }

    /// Processing time: the clock on the wall. Every call reads it.
    pub fn wall(&self) -> Timestamp {
        self.env.wall()
    }

    /// Puts out a record with the time of this one.
    #[inline(always)]
    pub fn emit(&mut self, record: Out::View<'_>) {
        self.next.push(record, self.at);
    }

    /// Puts out a record with a time of its own. If that is not after the [watermark](Self::watermark), the record is late to what follows.
    #[inline(always)]
    pub fn emit_at(&mut self, record: Out::View<'_>, at: Timestamp) {
        self.next.push(record, at);
    }

    /// Puts out a record to a side output, with the time of this one. If nobody reads the side output, nothing happens.
    #[inline(always)]
    pub fn emit_to<A, At>(&mut self, _: A, record: <A::Record as Record>::View<'_>)
    where
        A: OneOf<Sides, At>,
    {
        A::of(self.sides).push(record, self.at);
    }

    /// Puts out a record to a side output, with a time of its own.
    #[inline(always)]
    pub fn emit_to_at<A, At>(&mut self, _: A, record: <A::Record as Record>::View<'_>, at: Timestamp)
    where
        A: OneOf<Sides, At>,
    {
        A::of(self.sides).push(record, at);
    }
}

/// The check of what a context without key cannot do. Never implemented.
#[diagnostic::on_unimplemented(
    message = "timers and the key belong to a keyed stream, and this function has a `Context` without key",
    label = "needs a `KeyedContext`",
    note = "let the functions take `cx: &mut KeyedContext<'_, Key, Out>`, and put `.key_by(|record| ..)` or `.key_with(my_key)` in front of `.process(..)`"
)]
pub trait NeedsKey {}

/// What one would call on a [`KeyedContext`], to say why it cannot be called here.
macro_rules! needs_key {
    ($($method:ident($($argument:ty),*))*) => {
        #[doc(hidden)]
        impl<Out: Record, N, Sides> Context<'_, Out, N, Sides> {
            $(pub fn $method(&mut self $(, _: $argument)*)
            where
                Self: NeedsKey,
            {
            })*
        }
    };
}
needs_key! {
    key()
    event_timer(Timestamp)
    processing_timer(Timestamp)
    delete_event_timer(Timestamp)
    delete_processing_timer(Timestamp)
}
