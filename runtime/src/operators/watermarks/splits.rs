//! The open splits of a subtask: the generator of each, which of them are idle, and how far they have come together.

use std::time::Duration;

use millstream_core::{record::Record, time::Timestamp};

use crate::event_time::WatermarkGenerator;

/// One that is being read.
pub(super) struct OpenSplit<G> {
    /// Its number; `None` where a source has no splits, and while none is open.
    id: Option<u64>,
    pub(super) generator: G,
    /// A record has come since the last tick.
    pub(super) heard: bool,
    /// The first tick at which no record had come since the tick before.
    silent_since: Option<Timestamp>,
    /// It was silent for too long, as of the last tick.
    idle: bool,
}

impl<G> OpenSplit<G> {
    fn new(id: Option<u64>, generator: G) -> Self {
        Self { id, generator, heard: false, silent_since: None, idle: false }
    }

    /// A record makes it active at once, not only at the next tick.
    fn is_idle(&self) -> bool {
        self.idle && !self.heard
    }

    fn tick(&mut self, now: Timestamp, limit: Option<Duration>) {
        if std::mem::take(&mut self.heard) {
            self.idle = false;
            self.silent_since = None;
        } else if let Some(limit) = limit {
            let since = *self.silent_since.get_or_insert(now);
            let limit = i64::try_from(limit.as_millis()).unwrap_or(i64::MAX);
            self.idle |= now.millis().saturating_sub(since.millis()) >= limit;
        } else {
            self.silent_since = None;
        }
    }
}

/// All that are open.
pub(super) struct Splits<G> {
    /// The one that records come from now.
    pub(super) current: OpenSplit<G>,
    /// Those that are open besides it; one per split that the reader has open at a time.
    others: Vec<OpenSplit<G>>,
}

impl<G> Splits<G> {
    pub(super) fn new(generator: G) -> Self {
        Self { current: OpenSplit::new(None, generator), others: Vec::new() }
    }

    /// Records of a new split follow.
    pub(super) fn start(&mut self, id: u64, generator: G) {
        self.make_current(OpenSplit::new(Some(id), generator));
    }

    /// Records of a split follow that was begun before.
    pub(super) fn switch(&mut self, id: u64) {
        if let Some(at) = self.others.iter().position(|split| split.id == Some(id)) {
            let split = self.others.swap_remove(at);
            self.make_current(split);
        }
    }

    /// No more records of a split. What was said of it last stays until another one, or the end, moves the watermark on.
    pub(super) fn done(&mut self, id: u64) {
        if self.current.id != Some(id) {
            self.others.retain(|split| split.id != Some(id));
        } else if let Some(other) = self.others.pop() {
            self.current = other;
        } else {
            self.current.id = None;
        }
    }

    fn make_current(&mut self, split: OpenSplit<G>) {
        let before = std::mem::replace(&mut self.current, split);
        if before.id.is_some() {
            self.others.push(before);
        }
    }

    fn all(&self) -> impl Iterator<Item = &OpenSplit<G>> {
        std::iter::once(&self.current).chain(&self.others)
    }

    /// The minimum over those that are not idle; `None` if all are.
    pub(super) fn watermark<T: Record>(&self) -> Option<Timestamp>
    where
        G: WatermarkGenerator<T>,
    {
        self.all().filter(|split| !split.is_idle()).map(|split| split.generator.watermark()).min()
    }

    /// Finds out which have become idle: those that have been silent for `limit`. Without one nothing becomes idle, and silence is counted from anew.
    pub(super) fn tick(&mut self, now: Timestamp, limit: Option<Duration>) {
        self.current.tick(now, limit);
        self.others.iter_mut().for_each(|split| split.tick(now, limit));
    }

    /// True if nothing is to be waited for.
    pub(super) fn all_idle(&self) -> bool {
        self.all().all(OpenSplit::is_idle)
    }
}
