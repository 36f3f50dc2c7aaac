//! Timers: for each key and time one, in event time and in processing time.

use millstream_core::{key::Key, record::Record, time::Timestamp};
use millstream_state::{
    backend::Checkpointed as _,
    collections::{TimerEntry, Timers},
};

pub use millstream_state::collections::TimerDomain;

use super::{Hashed, Opening, StateTable, StateTables as _, tables::Stored};
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
    pub domain: TimerDomain,
}

impl Timer {
    /// True if it was set by `event_timer`.
    pub fn is_event(self) -> bool {
        self.domain == TimerDomain::EventTime
    }

    /// True if it was set by `processing_timer`.
    pub fn is_processing(self) -> bool {
        self.domain == TimerDomain::ProcessingTime
    }
}

/// The name of the state in which timers are kept; no field can be called so.
pub(super) const TIMERS_STATE: &str = "pending-timers";

/// The timers of a subtask's keys.
pub(crate) struct KeyTimers<K: Key> {
    timers: Stored<Timers<K>>,
    late: Counter,
    pending: Gauge,
}

impl<K: Key> KeyTimers<K> {
    /// What is kept of them.
    pub(super) fn describe() -> StateInfo {
        StateInfo {
            name: TIMERS_STATE,
            kind: StateKind::Timers,
            key: Some(K::SCHEMA),
            entry: None,
            value: <Timestamp as Record>::SCHEMA,
        }
    }

    pub(super) fn open(cx: &Opening<'_>, metrics: &OpenContext<'_>) -> Self {
        Self {
            timers: Stored::open(TIMERS_STATE, cx),
            late: metrics.counter("late_timers"),
            pending: metrics.gauge("timers"),
        }
    }

    #[inline]
    pub(super) fn set_event(&mut self, key: Hashed<'_, K>, at: Timestamp, watermark: Timestamp) {
        let new = self.timers.register(key.hash, key.key, TimerEntry::new(TimerDomain::EventTime, at, ()));
        if new && at <= watermark {
            self.late.add(1);
        }
    }

    #[inline]
    pub(super) fn set_processing(&mut self, key: Hashed<'_, K>, at: Timestamp) {
        self.timers.register(key.hash, key.key, TimerEntry::new(TimerDomain::ProcessingTime, at, ()));
    }

    #[inline]
    pub(super) fn delete(&mut self, key: Hashed<'_, K>, domain: TimerDomain, at: Timestamp) {
        self.timers.delete(key.hash, key.key, TimerEntry::new(domain, at, ()));
    }

    /// Removes the first timer that is due, with its key.
    pub(super) fn pop(&mut self, domain: TimerDomain, until: Timestamp) -> Option<(K, Timer)> {
        self.timers.pop_due(domain, until).map(|((_, at), key)| (key, Timer { at, domain }))
    }

    /// For when the first timer in processing time is set.
    pub(super) fn first_processing(&self) -> Option<Timestamp> {
        self.timers.next(TimerDomain::ProcessingTime)
    }

    pub(super) fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.timers.for_each(visit);
    }

    /// Says how many there are.
    pub(super) fn measure(&self) {
        self.pending.set(self.timers.len() as i64);
    }
}
