//! What makes a source wait that is too far ahead of its group.

use std::sync::Arc;

use millstream_core::time::Timestamp;

use super::{group::Member, is_ahead};
use crate::env::{BoxFuture, Env, Instant};

/// The brake of the source of one subtask.
pub(crate) struct Brake {
    member: Member,
    env: Arc<dyn Env>,
    /// How far it may come, as of its last look at the group.
    limit: Timestamp,
    look_again: Instant,
    /// Up to when its present pause is counted; `None` if it reads.
    paused: Option<Instant>,
}

impl Brake {
    pub(crate) fn new(member: Member, env: Arc<dyn Env>) -> Self {
        let look_again = env.now();
        Self { member, env, limit: Timestamp::MAX, look_again, paused: None }
    }

    /// Whether the source has to wait before it reads on. It looks at the group when it seems to be too far ahead (others have moved since), and otherwise
    /// once in an update interval (somebody who is behind may be back).
    pub(crate) fn must_wait(&mut self) -> bool {
        let now = self.env.now();
        let own = self.member.reported();
        if now >= self.look_again || is_ahead(own, self.limit) {
            self.limit = self.member.limit();
            self.look_again = now + self.member.alignment().update_interval;
        }
        let waits = is_ahead(own, self.limit);
        self.pause(waits, now);
        waits
    }

    /// Lets the source read on whatever the others do.
    pub(crate) fn release(&mut self) {
        if self.paused.is_some() {
            self.pause(false, self.env.now());
        }
    }

    /// True if the source was told to wait.
    pub(crate) fn waits(&self) -> bool {
        self.paused.is_some()
    }

    /// Until it should ask again.
    pub(crate) fn interval(&self) -> BoxFuture<'static, ()> {
        self.env.sleep_until(self.look_again)
    }

    fn pause(&mut self, waits: bool, now: Instant) {
        if let Some(since) = self.paused {
            self.member.paused().add(u64::try_from(now.since(since).as_nanos()).unwrap_or(u64::MAX));
        }
        if self.paused.is_some() != waits {
            self.member.set_waits(waits);
        }
        self.paused = waits.then_some(now);
    }
}
