//! What a loop keeps of the windows that are open, in whatever system it runs.

use std::collections::VecDeque;

/// The windows of one length that are open, aligned to the epoch, in the order of time.
#[derive(Debug)]
pub struct Open<W> {
    millis: i64,
    windows: VecDeque<(i64, W)>,
}

impl<W: Default> Open<W> {
    /// None yet, each of so many milliseconds.
    pub fn of(millis: i64) -> Self {
        Self { millis, windows: VecDeque::new() }
    }

    /// The window of a time. Nearly always it is the newest.
    #[inline(always)]
    pub fn at(&mut self, time: i64) -> &mut W {
        let newest = self.windows.back().is_some_and(|(start, _)| (0..self.millis).contains(&(time - start)));
        let place = if newest { self.windows.len() - 1 } else { self.find(time) };
        &mut self.windows[place].1
    }

    #[cold]
    fn find(&mut self, time: i64) -> usize {
        let start = time - time.rem_euclid(self.millis);
        let place = self.windows.partition_point(|(other, _)| *other < start);
        if self.windows.get(place).is_none_or(|(other, _)| *other != start) {
            self.windows.insert(place, (start, W::default()));
        }
        place
    }

    /// Takes the oldest window, with its start, if it ends with this watermark.
    pub fn close(&mut self, watermark: i64) -> Option<(i64, W)> {
        let (start, _) = self.windows.front()?;
        if start + self.millis - 1 > watermark { None } else { self.windows.pop_front() }
    }
}
