//! Alignment: which channels of a gate a barrier has arrived on. A pure state machine; the gate blocks and unblocks channels as it says.

use std::time::Duration;

use crate::{checkpoint::Barrier, env::Instant};

/// What becomes of a barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aligned {
    /// It belongs to a checkpoint that was given up, or none is under way.
    Nothing,
    /// It has not arrived on every channel yet: this one is ahead and has to wait. An older barrier may have given way to it.
    Ahead { replaces: bool },
    /// It has arrived on every open channel, the last so long after the first.
    Now { barrier: Barrier, after: Duration },
}

/// The state of a gate's alignment.
pub(crate) struct Alignment {
    /// Channels that have not ended.
    open: Vec<bool>,
    /// The barrier that has arrived on some of them.
    current: Option<Current>,
    /// Barriers up to this number are done with.
    settled: u64,
}

struct Current {
    barrier: Barrier,
    arrived: Vec<bool>,
    since: Instant,
}

impl Alignment {
    pub(crate) fn new(channels: usize) -> Self {
        Self { open: vec![true; channels], current: None, settled: 0 }
    }

    /// Takes the barrier of a channel. A newer one than that under way replaces it: the coordinator makes one checkpoint at a time, so the older was
    /// given up.
    pub(crate) fn barrier(&mut self, channel: usize, barrier: Barrier, now: Instant) -> Aligned {
        let under_way = self.current.as_ref().map_or(0, |current| current.barrier.checkpoint);
        if barrier.checkpoint <= self.settled || barrier.checkpoint < under_way {
            return Aligned::Nothing;
        }
        let replaces = under_way > 0 && under_way < barrier.checkpoint;
        if under_way < barrier.checkpoint {
            self.current = Some(Current { barrier, arrived: vec![false; self.open.len()], since: now });
        }
        if let Some(current) = &mut self.current {
            current.arrived[channel] = true;
        }
        match self.complete(now) {
            Aligned::Nothing => Aligned::Ahead { replaces },
            aligned => aligned,
        }
    }

    /// The barrier that has arrived on some channels, but not on all.
    pub(crate) fn under_way(&self) -> Option<Barrier> {
        self.current.as_ref().map(|current| current.barrier)
    }

    /// The channels on which the barrier of a checkpoint is waited for.
    pub(crate) fn waited(&self, checkpoint: u64) -> Vec<bool> {
        let current = self.current.as_ref().filter(|current| current.barrier.checkpoint == checkpoint);
        let has_arrived = |channel: usize| current.is_some_and(|current| current.arrived[channel]);
        self.open.iter().enumerate().map(|(channel, open)| *open && !has_arrived(channel)).collect()
    }

    /// True if a barrier of this checkpoint is of no concern any more.
    pub(crate) fn is_settled(&self, checkpoint: u64) -> bool {
        let under_way = self.current.as_ref().map_or(0, |current| current.barrier.checkpoint);
        checkpoint <= self.settled || checkpoint < under_way
    }

    /// The barrier of a checkpoint has overtaken what is in front of it: it is waited for no more.
    pub(crate) fn overtaken(&mut self, checkpoint: u64) {
        self.settled = self.settled.max(checkpoint);
        self.current.take_if(|current| current.barrier.checkpoint <= checkpoint);
    }

    /// A channel has ended: it has no part in alignment any more.
    pub(crate) fn end(&mut self, channel: usize, now: Instant) -> Aligned {
        self.open[channel] = false;
        self.complete(now)
    }

    /// Gives a checkpoint up; true if its barrier was under way.
    pub(crate) fn abort(&mut self, checkpoint: u64) -> bool {
        self.settled = self.settled.max(checkpoint);
        self.current.take_if(|current| current.barrier.checkpoint <= checkpoint).is_some()
    }

    fn complete(&mut self, now: Instant) -> Aligned {
        let Some(current) = &self.current else { return Aligned::Nothing };
        if self.open.iter().zip(&current.arrived).any(|(open, arrived)| *open && !arrived) {
            return Aligned::Nothing;
        }
        let (barrier, after) = (current.barrier, now.since(current.since));
        self.settled = barrier.checkpoint;
        self.current = None;
        Aligned::Now { barrier, after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::CheckpointKind;

    fn barrier(checkpoint: u64) -> Barrier {
        Barrier::new(checkpoint, CheckpointKind::Periodic)
    }

    fn at(nanos: u64) -> Instant {
        Instant::default() + Duration::from_nanos(nanos)
    }

    const AHEAD: Aligned = Aligned::Ahead { replaces: false };

    #[test]
    fn a_barrier_is_aligned_when_it_has_arrived_on_all_open_channels() {
        let mut alignment = Alignment::new(3);
        assert_eq!(alignment.barrier(0, barrier(1), at(5)), AHEAD);
        assert_eq!(alignment.barrier(2, barrier(1), at(6)), AHEAD);
        assert_eq!(
            alignment.barrier(1, barrier(1), at(9)),
            Aligned::Now { barrier: barrier(1), after: Duration::from_nanos(4) }
        );
    }

    #[test]
    fn a_channel_that_has_ended_is_not_waited_for() {
        let mut alignment = Alignment::new(2);
        assert_eq!(alignment.barrier(0, barrier(1), at(0)), AHEAD);
        assert_eq!(alignment.end(1, at(3)), Aligned::Now { barrier: barrier(1), after: Duration::from_nanos(3) });
        assert_eq!(
            alignment.barrier(0, barrier(2), at(4)),
            Aligned::Now { barrier: barrier(2), after: Duration::from_nanos(0) }
        );
    }

    #[test]
    fn a_newer_barrier_replaces_one_that_was_given_up() {
        let mut alignment = Alignment::new(2);
        assert_eq!(alignment.barrier(0, barrier(1), at(0)), AHEAD);
        assert_eq!(alignment.barrier(1, barrier(2), at(0)), Aligned::Ahead { replaces: true });
        assert_eq!(alignment.barrier(1, barrier(1), at(0)), Aligned::Nothing, "late");
        assert_eq!(
            alignment.barrier(0, barrier(2), at(1)),
            Aligned::Now { barrier: barrier(2), after: Duration::from_nanos(1) }
        );
    }

    #[test]
    fn an_aborted_checkpoint_is_not_waited_for_and_its_barriers_are_ignored() {
        let mut alignment = Alignment::new(2);
        assert_eq!(alignment.barrier(0, barrier(1), at(0)), AHEAD);
        assert!(alignment.abort(1));
        assert_eq!(alignment.barrier(1, barrier(1), at(0)), Aligned::Nothing);
        assert!(!alignment.abort(1));
        assert_eq!(alignment.end(0, at(0)), Aligned::Nothing);
    }
}
