//! Timers: for each key and time one, in event time and in processing time.

use millstream_core::{key::Key, record::Record, time::Timestamp};

use super::{
    Hashed, StateTable,
    tables::{self, TimerQueue},
};
use crate::{
    graph::{StateInfo, StateKind},
    metrics::{Counter, Gauge},
    operator::OpenContext,
};

/// A timer that has fired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// For when it was set.
    pub at: Timestamp,
    /// By which clock.
    pub kind: TimerKind,
}

/// By which clock a timer fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerKind {
    /// By the watermark.
    Event,
    /// By the clock on the wall.
    Processing,
}

impl Timer {
    /// True if it was set by `event_timer`.
    pub fn is_event(self) -> bool {
        self.kind == TimerKind::Event
    }

    /// True if it was set by `processing_timer`.
    pub fn is_processing(self) -> bool {
        self.kind == TimerKind::Processing
    }
}

/// The names of the states in which timers are kept; no field can be called so.
const EVENT_TIMERS: &str = "event-timers";
const PROCESSING_TIMERS: &str = "processing-timers";

/// The timers of a subtask's keys.
pub(crate) struct KeyTimers<K: Key> {
    event: TimerQueue<K>,
    processing: TimerQueue<K>,
    late: Counter,
    pending: Gauge,
}

impl<K: Key> KeyTimers<K> {
    /// What is kept of them.
    pub(super) fn describe() -> [StateInfo; 2] {
        [EVENT_TIMERS, PROCESSING_TIMERS].map(|name| StateInfo {
            name,
            kind: StateKind::Timers,
            key: Some(K::SCHEMA),
            entry: None,
            value: <Timestamp as Record>::SCHEMA,
        })
    }

    pub(super) fn open(cx: &OpenContext<'_>) -> Self {
        Self {
            event: tables::timers(EVENT_TIMERS, cx),
            processing: tables::timers(PROCESSING_TIMERS, cx),
            late: cx.counter("late_timers"),
            pending: cx.gauge("timers"),
        }
    }

    #[inline]
    pub(super) fn set_event(&mut self, key: Hashed<'_, K>, at: Timestamp, watermark: Timestamp) {
        if at <= watermark {
            self.late.add(1);
        }
        self.event.set(key.hash, key.key, at);
    }

    #[inline]
    pub(super) fn set_processing(&mut self, key: Hashed<'_, K>, at: Timestamp) {
        self.processing.set(key.hash, key.key, at);
    }

    #[inline]
    pub(super) fn delete_event(&mut self, key: Hashed<'_, K>, at: Timestamp) {
        self.event.delete(key.hash, key.key, at);
    }

    #[inline]
    pub(super) fn delete_processing(&mut self, key: Hashed<'_, K>, at: Timestamp) {
        self.processing.delete(key.hash, key.key, at);
    }

    /// Removes the first timer that is due, with its key.
    pub(super) fn pop(&mut self, kind: TimerKind, until: Timestamp) -> Option<(K, Timer)> {
        let queue = match kind {
            TimerKind::Event => &mut self.event,
            TimerKind::Processing => &mut self.processing,
        };
        queue.pop_until(until).map(|(key, at)| (key, Timer { at, kind }))
    }

    /// For when the first timer in processing time is set.
    pub(super) fn first_processing(&self) -> Option<Timestamp> {
        self.processing.first()
    }

    /// For when the last timer in processing time is set.
    pub(super) fn last_processing(&self) -> Option<Timestamp> {
        self.processing.last()
    }

    pub(super) fn for_each(&mut self, visit: &mut dyn FnMut(&mut dyn StateTable)) {
        visit(&mut self.event);
        visit(&mut self.processing);
    }

    /// Says how many there are.
    pub(super) fn measure(&self) {
        self.pending.set((self.event.len() + self.processing.len()) as i64);
    }
}
