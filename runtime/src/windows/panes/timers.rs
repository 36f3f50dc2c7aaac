//! The timers of windows: for each key, window and time one, in event time and in processing time.

use millstream_core::{
    key::Key,
    time::{Timestamp, Window},
};
use millstream_state::{
    backend::Checkpointed as _,
    collections::{TimerEntry, Timers},
};

use crate::{
    metrics::Gauge,
    operator::OpenContext,
    process::{Hashed, Opening, StateTable, Stored, TimerDomain},
};

/// The name of the state in which timers are kept.
const TIMERS_STATE: &str = "timers";

/// The timers of a subtask's windows. One set serves the trigger and the window's cleanup, as in Flink.
pub(crate) struct PaneTimers<K: Key> {
    timers: Stored<Timers<K, (u8, Timestamp, Window)>>,
    pending: Gauge,
}

impl<K: Key> PaneTimers<K> {
    pub(super) fn open(cx: &Opening<'_>, metrics: &OpenContext<'_>) -> Self {
        Self { timers: Stored::open(TIMERS_STATE, cx), pending: metrics.gauge("timers") }
    }

    #[inline]
    pub(super) fn set(&mut self, key: Hashed<'_, K>, domain: TimerDomain, at: Timestamp, window: Window) {
        self.timers.register(key.hash, key.key, TimerEntry::new(domain, at, window));
    }

    #[inline]
    pub(super) fn delete(&mut self, key: Hashed<'_, K>, domain: TimerDomain, at: Timestamp, window: Window) {
        self.timers.delete(key.hash, key.key, TimerEntry::new(domain, at, window));
    }

    /// Removes the first timer that is due, with its key and window.
    pub(super) fn pop(&mut self, domain: TimerDomain, until: Timestamp) -> Option<(K, Timestamp, Window)> {
        self.timers.pop_due(domain, until).map(|((_, at, window), key)| (key, at, window))
    }

    /// For when the first timer in processing time is set.
    pub(super) fn first_processing(&self) -> Option<Timestamp> {
        self.timers.next(TimerDomain::ProcessingTime)
    }

    pub(super) fn table(&mut self) -> &mut dyn StateTable {
        &mut self.timers
    }

    /// Says how many there are.
    pub(super) fn measure(&self) {
        self.pending.set(self.timers.len() as i64);
    }
}
