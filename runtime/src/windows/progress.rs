//! [`Fired`]: which windows had fired, and for which keys, when a checkpoint was made while they did.

use millstream_core::{
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_macros::Record;
use millstream_state::{groups::GroupRange, table::Shown};

/// How far a subtask was with some of its key groups.
#[derive(Record)]
#[record(crate = crate::windows::progress)]
pub(super) struct Progress<K> {
    /// The first of the groups, and the one behind the last.
    groups: (u32, u32),
    /// Windows that end at or before this had fired.
    fired: Timestamp,
    /// The one that ends here had for some keys.
    firing: Timestamp,
    /// For which, as [`Shown`] has it, in its order.
    shown: (u64, u64, u64, u64),
    /// And the keys for which the opposite is true.
    others: Vec<K>,
}

impl<K: Key> Progress<K> {
    /// Of a subtask with these groups.
    pub(super) fn new(
        groups: GroupRange,
        fired: Timestamp,
        firing: Timestamp,
        (shown, others): (Shown, Vec<&K>),
    ) -> Self {
        let Shown { below, last, buckets, before } = shown;
        let others = others.into_iter().map(|key| K::from_view(key.view())).collect();
        Self { groups: (groups.start, groups.end), fired, firing, shown: (below, last, buckets, before), others }
    }

    fn had(&self, window: Window, hash: u64, key: K::View<'_>) -> bool {
        let (below, last, buckets, before) = self.shown;
        let shown = || Shown { below, last, buckets, before }.has(hash);
        let is_other = || self.others.iter().any(|other| K::same(other.view(), key));
        window.end <= self.fired || (window.end == self.firing && shown() != is_other())
    }
}

/// What all subtasks had put out, of the key groups of this one.
pub(super) struct Fired<K> {
    of: Vec<(GroupRange, Progress<K>)>,
    /// Windows that end behind this had fired for no key.
    until: Timestamp,
}

impl<K: Key> Fired<K> {
    /// From what the subtasks said of themselves; `all` is where those were that had nothing left to fire.
    pub(super) fn new(progress: Vec<Progress<K>>, all: Timestamp, groups: GroupRange) -> Self {
        let until = progress.iter().map(|of| of.fired.max(of.firing)).max().unwrap_or(all);
        let was_done = progress.iter().all(|of| of.fired >= all);
        let own = |of: Progress<K>| {
            let (start, end) = of.groups;
            (GroupRange { start, end, of: groups.of }.intersection(groups), of)
        };
        let of = progress.into_iter().map(own).filter(|(groups, _)| !was_done && !groups.is_empty());
        Self { of: of.collect(), until }
    }

    /// All windows that end at or before this had fired for all keys; `all` if none was firing.
    pub(super) fn for_all(&self, all: Timestamp) -> Timestamp {
        self.of.iter().map(|(_, of)| of.fired).min().unwrap_or(all)
    }

    /// True if some keys' results of this window have been put out. Later ones need not be asked about any more.
    pub(super) fn knows(&mut self, window: Window) -> bool {
        if window.end > self.until {
            self.of.clear();
        }
        !self.of.is_empty()
    }

    /// True if the result of this key had been put out.
    pub(super) fn had(&self, window: Window, hash: u64, key: K::View<'_>) -> bool {
        self.of.iter().any(|(groups, of)| groups.holds(hash) && of.had(window, hash, key))
    }

    /// What a checkpoint has to say that is made now: how far this subtask is itself, and what it still leaves out since it had been put out before.
    pub(super) fn and(&self, own: Progress<K>) -> Vec<Progress<K>> {
        let before = self.of.iter().filter(|(_, of)| of.fired.max(of.firing) > own.fired);
        let mut all: Vec<_> = before
            .map(|(groups, of)| Progress {
                groups: (groups.start, groups.end),
                fired: of.fired.max(own.fired),
                ..Record::from_view(of.view())
            })
            .collect();
        all.push(own);
        all
    }
}

/// What the derive macro names.
mod __private {
    pub(super) use millstream_core::{self as core, __private::rkyv};
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn window(end: i64) -> Window {
        Window::new(ms(0), ms(end))
    }

    /// Half of two groups; with the hashes below this shown, but for some keys.
    fn half(start: u32, fired: i64, firing: i64, below: u64, others: &[u64]) -> Progress<u64> {
        let shown = Shown { below, ..Shown::default() };
        let groups = GroupRange { start, end: start + 1, of: 2 };
        Progress::new(groups, ms(fired), ms(firing), (shown, others.iter().collect()))
    }

    #[test]
    fn a_result_is_known_by_its_window_and_its_key() {
        let half_of = 1 << 63;
        let progress = vec![half(0, 10, 20, half_of / 2, &[7]), half(1, 30, 30, 0, &[])];
        let mut fired = Fired::new(progress, ms(30), GroupRange::all(2));
        assert_eq!(fired.for_all(ms(30)), ms(10));
        assert!(fired.knows(window(20)));
        assert!(fired.had(window(10), half_of / 2, 1), "it had fired for all keys");
        assert!(fired.had(window(20), half_of / 2 - 1, 1) && !fired.had(window(20), half_of / 2, 1));
        assert!(!fired.had(window(20), half_of / 2 - 1, 7) && fired.had(window(20), half_of / 2, 7), "the other way");
        assert!(fired.had(window(30), half_of, 1) && !fired.had(window(30), 0, 1));
        assert!(!fired.knows(window(40)), "nobody had come so far");
        assert!(!fired.knows(window(20)), "and it does not come again");
    }

    #[test]
    fn where_none_was_firing_nothing_is_asked() {
        let progress = vec![half(0, 30, 30, 0, &[]), half(1, 30, 30, 0, &[])];
        let mut fired = Fired::new(progress, ms(30), GroupRange::all(2));
        assert_eq!(fired.for_all(ms(30)), ms(30));
        assert!(!fired.knows(window(20)));
    }

    #[test]
    fn what_had_been_put_out_before_a_checkpoint_is_not_forgotten_by_the_next() {
        let all = GroupRange::all(2);
        let fired = Fired::new(vec![half(0, 10, 20, 5, &[]), half(1, 20, 30, u64::MAX, &[])], ms(30), all);
        let own = || Progress::new(all, ms(10), ms(20), (Shown { below: 3, ..Shown::default() }, Vec::new()));
        let again = Fired::new(fired.and(own()), ms(30), all);
        assert_eq!(again.for_all(ms(30)), ms(10));
        assert!(again.had(window(20), 4, 1) && !again.had(window(20), 5, 1), "of keys that have not come again yet");
        assert!(again.had(window(20), 1 << 63, 1) && again.had(window(30), 1 << 63, 1), "of windows that have not");
        assert!(!again.had(window(30), 4, 1));
        let own = Progress::new(all, ms(30), ms(30), (Shown::default(), Vec::new()));
        assert_eq!(fired.and(own).len(), 1, "what has fired anew need not be left out any more");
    }
}
