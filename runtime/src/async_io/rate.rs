//! [`Rate`]: how many calls begin in a second. Pure.

use std::time::Duration;

use crate::env::Instant;

/// How many calls may begin at once that could have begun before: those of a tenth of a second.
const BURST: Duration = Duration::from_millis(100);

/// Lets calls begin at a rate, evenly but for short bursts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// From one call to the next.
    interval: Duration,
    /// When the next may begin.
    next: Instant,
}

impl Rate {
    /// So many a second, from this moment on.
    pub(super) fn new(per_second: f64, now: Instant) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        Self { interval, next: now }
    }

    /// Makes room for a call, and says when it may begin.
    pub(super) fn reserve(&mut self, now: Instant) -> Instant {
        let earliest = Instant::from_nanos(now.nanos().saturating_sub(BURST.as_nanos() as u64));
        let at = self.next.max(earliest);
        self.next = at + self.interval;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_begin_at_the_rate_and_short_pauses_are_made_up_for() {
        let millis = |millis: u64| Instant::from_nanos(millis * 1_000_000);
        let mut rate = Rate::new(100.0, millis(1_000));
        let begins: Vec<_> = (0..3).map(|_| rate.reserve(millis(1_000))).collect();
        assert_eq!(begins, [1_000, 1_010, 1_020].map(millis));
        // After a second of silence a tenth of a second is made up for.
        let begun = (0..100).take_while(|_| rate.reserve(millis(2_030)) <= millis(2_030)).count();
        assert_eq!(begun, 11);
    }
}
