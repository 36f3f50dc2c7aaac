//! [`Heartbeats`]: who was heard of when, and who is lost. [`Lease`]: the other side of the same bargain.
//!
//! A TaskManager may work for a leader until its lease ends: the timeout after the moment at which it *sent* the newest heartbeat that has been answered.
//! The leader gives it up the timeout after the moment at which it *received* the newest one. A heartbeat is received no earlier than it was sent, so
//! as long as clocks run at one rate no TaskManager still works for a leader that has given it up by its silence.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ids::TaskManagerId, timers::Timers};
use crate::env::Instant;

/// How often processes let each other know that they are there, and when they give each other up. Both ends have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeartbeatSettings {
    /// The time from one heartbeat to the next. Default 1 s.
    pub(crate) interval: Duration,
    /// Who is silent for so long is lost. Default 5 s.
    pub(crate) timeout: Duration,
}

impl Default for HeartbeatSettings {
    fn default() -> Self {
        Self { interval: Duration::from_secs(1), timeout: Duration::from_secs(5) }
    }
}

/// Of whom a leader has heard.
#[derive(Debug)]
pub(crate) struct Heartbeats {
    timeout: Duration,
    deadlines: Timers<TaskManagerId>,
}

impl Heartbeats {
    pub(crate) fn new(settings: HeartbeatSettings) -> Self {
        Self { timeout: settings.timeout, deadlines: Timers::new() }
    }

    /// A heartbeat has been received, or a registration.
    pub(crate) fn heard(&mut self, now: Instant, taskmanager: TaskManagerId) {
        self.deadlines.set(taskmanager, Some(now + self.timeout));
    }

    /// Nothing is expected of it any more.
    pub(crate) fn forget(&mut self, taskmanager: TaskManagerId) {
        self.deadlines.set(taskmanager, None);
    }

    /// Takes out one that has been silent for too long.
    pub(crate) fn pop_lost(&mut self, now: Instant) -> Option<TaskManagerId> {
        self.deadlines.pop(now)
    }

    /// When the next is lost, unless it is heard of before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.earliest()
    }
}

/// Until when a TaskManager may work for its leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    timeout: Duration,
    /// When the newest message was sent that the leader has answered.
    answered: Instant,
}

impl Lease {
    /// Begins with the answer to a message that was sent at this time.
    pub(crate) fn new(settings: HeartbeatSettings, sent: Instant) -> Self {
        Self { timeout: settings.timeout, answered: sent }
    }

    /// A message that was sent at this time has been answered.
    pub(crate) fn answered(&mut self, sent: Instant) {
        self.answered = self.answered.max(sent);
    }

    /// It is over from this moment on.
    pub(crate) fn ends(&self) -> Instant {
        self.answered + self.timeout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn who_is_silent_for_the_timeout_is_lost_once() {
        let mut heartbeats = Heartbeats::new(HeartbeatSettings::default());
        let (a, b, c) = (TaskManagerId(1), TaskManagerId(2), TaskManagerId(3));
        [a, b, c].into_iter().for_each(|id| heartbeats.heard(at(0), id));
        heartbeats.heard(at(3), a);
        heartbeats.forget(b);
        assert_eq!(heartbeats.pop_lost(at(4)), None);
        assert_eq!(heartbeats.deadline(), Some(at(5)));
        assert_eq!((heartbeats.pop_lost(at(5)), heartbeats.pop_lost(at(5))), (Some(c), None));
        assert_eq!((heartbeats.pop_lost(at(8)), heartbeats.deadline()), (Some(a), None));
    }

    #[test]
    fn a_lease_counts_from_when_the_answered_heartbeat_was_sent_and_never_goes_back() {
        let mut lease = Lease::new(HeartbeatSettings::default(), at(1));
        assert_eq!(lease.ends(), at(6));
        lease.answered(at(3));
        lease.answered(at(2)); // answers may come in any order
        assert_eq!(lease.ends(), at(8));
    }
}
