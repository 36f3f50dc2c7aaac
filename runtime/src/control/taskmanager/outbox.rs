//! [`Outbox`]: what a TaskManager has to tell its leader, until it knows that the leader has heard it.

use std::{collections::BTreeMap, collections::HashMap, time::Duration};

use super::super::{
    ids::{JobId, SubtaskId},
    message::{Notification, Report, TaskRef},
    timers::Timers,
};
use crate::env::Instant;

/// The pause before something is said again for the first time; it doubles each time. Longer than it takes a heartbeat to be answered.
pub(crate) const RESEND_PAUSE: Duration = Duration::from_secs(2);
/// The longest such pause.
pub(crate) const RESEND_PAUSE_LIMIT: Duration = Duration::from_secs(10);

/// What is said of a task. Of each kind only the newest matters, so that an outbox has a few entries for each task at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    State,
    Drained,
    Checkpoint,
    Split,
}

impl Kind {
    pub(super) fn of(report: &Report) -> Self {
        match report {
            Report::Running | Report::Ended { .. } | Report::Failed(_) | Report::Cancelled => Self::State,
            Report::Drained => Self::Drained,
            Report::Ack { .. } | Report::Declined { .. } => Self::Checkpoint,
        }
    }
}

type Key = (JobId, SubtaskId, Kind);

#[derive(Debug)]
struct Entry {
    key: Key,
    message: Notification,
    pause: Duration,
}

#[derive(Debug)]
pub(super) struct Outbox {
    next: u64,
    entries: BTreeMap<u64, Entry>,
    newest: HashMap<Key, u64>,
    due: Timers<u64>,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { next: 1, entries: BTreeMap::new(), newest: HashMap::new(), due: Timers::new() }
    }

    /// Puts in what `message` makes of its number, and gives it back to be sent at once.
    pub(super) fn push(&mut self, now: Instant, key: Key, message: impl FnOnce(u64) -> Notification) -> Notification {
        let seq = self.next;
        self.next += 1;
        if let Some(before) = self.newest.insert(key, seq) {
            self.remove_entry(before);
        }
        let message = message(seq);
        self.entries.insert(seq, Entry { key, message: message.clone(), pause: RESEND_PAUSE });
        self.due.set(seq, Some(now + RESEND_PAUSE));
        message
    }

    /// The leader has heard this.
    pub(super) fn noted(&mut self, seq: u64) {
        if let Some(entry) = self.remove_entry(seq) {
            self.newest.remove(&entry.key);
        }
    }

    /// Nothing of this kind has to be said of a task any more.
    pub(super) fn remove(&mut self, key: Key) {
        if let Some(seq) = self.newest.remove(&key) {
            self.remove_entry(seq);
        }
    }

    /// A request for a split has been answered. A newer one is still to be heard.
    pub(super) fn answered(&mut self, job: JobId, task: TaskRef, request: u64) {
        let key = (job, task.subtask, Kind::Split);
        let is_it = |entry: &Entry| matches!(&entry.message, Notification::SplitRequest { task: of, request: asked, .. } if (*of, *asked) == (task, request));
        let entry = self.newest.get(&key).and_then(|seq| self.entries.get(seq));
        if entry.is_some_and(is_it) {
            self.remove(key);
        }
    }

    /// The next that is to be said again.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Notification> {
        let seq = self.due.pop(now)?;
        let entry = self.entries.get_mut(&seq)?;
        entry.pause = (entry.pause * 2).min(RESEND_PAUSE_LIMIT);
        self.due.set(seq, Some(now + entry.pause));
        Some(entry.message.clone())
    }

    /// When something is to be said again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.earliest()
    }

    /// Forgets everything: there is nobody to tell it.
    pub(super) fn clear(&mut self) {
        // Numbers go on, so that an answer to what was said before is not taken for one to what comes.
        *self = Self { next: self.next, ..Self::new() };
    }

    fn remove_entry(&mut self, seq: u64) -> Option<Entry> {
        self.due.set(seq, None);
        self.entries.remove(&seq)
    }
}
