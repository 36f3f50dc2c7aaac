//! [`Fired`]: which windows had fired, and for which keys, when a checkpoint was made while they did.

use millstream_core::time::{Timestamp, Window};
use millstream_state::groups::GroupRange;

/// How far a subtask was: the first of its key groups, and the one behind the last; windows that end at or before this had fired; and the one that ends here
/// had for keys of which the hash is below this.
pub(super) type Progress = (u32, u32, Timestamp, Timestamp, u64);

/// What all subtasks had put out.
#[derive(Default)]
pub(super) struct Fired {
    of: Vec<(GroupRange, Progress)>,
    /// Windows that end behind this had fired for no key.
    until: Timestamp,
}

impl Fired {
    /// From what the subtasks said of themselves; `all` is where those were that had nothing left to fire.
    pub(super) fn new(progress: Vec<Progress>, all: Timestamp, groups: GroupRange) -> Self {
        let until = progress.iter().map(|(_, _, fired, firing, _)| *fired.max(firing)).max().unwrap_or(all);
        let was_done = progress.iter().all(|(_, _, fired, ..)| *fired >= all);
        let range = |progress: Progress| (GroupRange { start: progress.0, end: progress.1, of: groups.of }, progress);
        Self { of: if was_done { Vec::new() } else { progress.into_iter().map(range).collect() }, until }
    }

    /// All windows that end at or before this had fired for all keys; `all` if none was firing.
    pub(super) fn for_all(&self, all: Timestamp) -> Timestamp {
        self.of.iter().map(|(_, (_, _, fired, ..))| *fired).min().unwrap_or(all)
    }

    /// True if some keys' results of this window have been put out. Later ones need not be asked about any more.
    pub(super) fn knows(&mut self, window: Window) -> bool {
        if window.end > self.until {
            self.of.clear();
        }
        !self.of.is_empty()
    }

    /// True if the result of this key had been put out.
    pub(super) fn had(&self, window: Window, hash: u64) -> bool {
        self.of
            .iter()
            .filter(|(groups, _)| groups.holds(hash))
            .any(|(_, (_, _, fired, firing, below))| window.end <= *fired || (window.end <= *firing && hash < *below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(end: i64) -> Window {
        Window::new(Timestamp::from_millis(0), Timestamp::from_millis(end))
    }

    #[test]
    fn a_result_is_known_by_its_window_and_its_key() {
        let ms = Timestamp::from_millis;
        let groups = GroupRange::all(2);
        let half = 1 << 63;
        let progress = vec![(0, 1, ms(10), ms(20), half / 2), (1, 2, ms(30), ms(30), 0)];
        let mut fired = Fired::new(progress, ms(30), groups);
        assert_eq!(fired.for_all(ms(30)), ms(10));
        assert!(fired.knows(window(20)));
        assert!(fired.had(window(10), half / 2), "it had fired for all keys");
        assert!(fired.had(window(20), half / 2 - 1) && !fired.had(window(20), half / 2));
        assert!(fired.had(window(30), half) && !fired.had(window(30), 0));
        assert!(!fired.knows(window(40)), "nobody had come so far");
        assert!(!fired.knows(window(20)), "and it does not come again");
    }

    #[test]
    fn where_none_was_firing_nothing_is_asked() {
        let ms = Timestamp::from_millis;
        let mut fired = Fired::new(vec![(0, 1, ms(30), ms(30), 0); 3], ms(30), GroupRange::all(4));
        assert_eq!(fired.for_all(ms(30)), ms(30));
        assert!(!fired.knows(window(20)));
    }
}
