//! [`Alarms`]: when something is due though nobody answers: timeouts, and further attempts. Pure.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::env::Instant;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The request has taken too long, all attempts together.
    Timeout,
    /// The attempt of this number has.
    Attempt(u32),
    /// Its call is to be made, and the rate has room for it.
    Begin,
    /// Its call is to be made as soon as the rate has room.
    Next,
    /// A batch has waited for others long enough.
    Linger,
}

/// An alarm of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alarm {
    pub(super) at: Instant,
    /// Which request had the number when the alarm was set.
    pub(super) sequence: u64,
    pub(super) request: u32,
    pub(super) due: Due,
}

/// Alarms of requests, those of requests that are over included, until somebody looks.
#[derive(Default)]
pub(super) struct Alarms {
    heap: BinaryHeap<Reverse<Alarm>>,
}

impl Alarms {
    /// How many alarms there may be for each request that may be in flight before those of requests that are over are looked for.
    pub(super) const PER_REQUEST: usize = 4;

    pub(super) fn set(&mut self, alarm: Alarm) {
        self.heap.push(Reverse(alarm));
    }

    /// Drops alarms that mean nothing any more, if they are more than `limit`: at most half of them stay, so this costs little for each.
    pub(super) fn keep_within(&mut self, limit: usize, counts: impl Fn(&Alarm) -> bool) {
        if self.heap.len() > limit {
            self.heap.retain(|Reverse(alarm)| counts(alarm));
        }
    }

    /// Takes an alarm whose time has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Alarm> {
        let Reverse(first) = self.heap.peek()?;
        if first.at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(alarm)| alarm)
    }

    /// When the next is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(alarm)| alarm.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_come_in_the_order_of_time_and_those_that_are_over_are_dropped() {
        let mut alarms = Alarms::default();
        let alarm = |nanos, request| Alarm {
            at: Instant::from_nanos(nanos),
            sequence: u64::from(request),
            request,
            due: Due::Timeout,
        };
        for (nanos, request) in [(30, 0), (10, 1), (20, 2)] {
            alarms.set(alarm(nanos, request));
        }
        assert_eq!(alarms.next(), Some(Instant::from_nanos(10)));
        assert_eq!(alarms.pop(Instant::from_nanos(9)), None);
        assert_eq!(alarms.pop(Instant::from_nanos(25)), Some(alarm(10, 1)));
        alarms.keep_within(2, |_| unreachable!("there are no more than two"));
        alarms.keep_within(1, |alarm| alarm.request == 0);
        assert_eq!(alarms.pop(Instant::from_nanos(99)), Some(alarm(30, 0)));
        assert_eq!(alarms.next(), None);
    }
}
