//! [`Timers`]: at most one moment for each of many things, and the earliest of all.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use crate::env::Instant;

/// A moment for each of many things.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    at: HashMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
}

impl<K: Copy + Ord + Hash> Timers<K> {
    pub(crate) fn new() -> Self {
        Self { at: HashMap::new(), order: BTreeSet::new() }
    }

    /// Sets the moment of one, instead of the one that it had.
    pub(crate) fn set(&mut self, key: K, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.at.insert(key, at),
            None => self.at.remove(&key),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(before, key));
        }
        self.order.extend(at.map(|at| (at, key)));
    }

    /// The earliest moment.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes out one whose moment has come, the earliest first.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn each_has_one_moment_and_they_come_in_order() {
        let mut timers = Timers::new();
        timers.set('a', Some(at(5)));
        timers.set('b', Some(at(3)));
        timers.set('c', Some(at(4)));
        timers.set('a', Some(at(2)));
        timers.set('c', None);
        assert_eq!(timers.earliest(), Some(at(2)));
        assert_eq!((timers.pop(at(1)), timers.pop(at(3)), timers.pop(at(3))), (None, Some('a'), Some('b')));
        assert_eq!((timers.pop(at(99)), timers.earliest()), (None, None));
    }
}
