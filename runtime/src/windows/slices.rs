//! The open slices of a window operator, sorted by their end, each with its table.

use super::Assigner;
use millstream_core::time::{Timestamp, Window};

/// A slice with the table of its keys' accumulators.
pub(crate) struct Slice<T> {
    pub(crate) window: Window,
    pub(crate) table: T,
}

/// The open slices. Records mostly fall into the slice of the record before, so that one is looked at first.
pub(crate) struct Slices<T> {
    open: Vec<Slice<T>>,
    last: usize,
}

impl<T> Default for Slices<T> {
    fn default() -> Self {
        Self { open: Vec::new(), last: 0 }
    }
}

impl<T> Slices<T> {
    /// The open slice that holds this time; otherwise the window that it would be.
    #[inline(always)]
    pub(crate) fn find<W: Assigner>(&mut self, windows: &W, at: Timestamp) -> Result<&mut Slice<T>, Window> {
        if !self.open.get(self.last).is_some_and(|slice| slice.window.contains(at)) {
            let window = windows.slice(at);
            self.last = self.place(window).ok_or(window)?;
        }
        Ok(&mut self.open[self.last])
    }

    /// The slice of this window, if it is open.
    #[inline(always)]
    pub(crate) fn get(&mut self, window: Window) -> Option<&mut Slice<T>> {
        if self.open.get(self.last).is_none_or(|slice| slice.window != window) {
            self.last = self.place(window)?;
        }
        Some(&mut self.open[self.last])
    }

    fn place(&self, window: Window) -> Option<usize> {
        self.open.binary_search_by_key(&window.end, |slice| slice.window.end).ok()
    }

    /// The table of the slice that was used last.
    #[inline(always)]
    pub(crate) fn last(&self) -> Option<&T> {
        self.open.get(self.last).map(|slice| &slice.table)
    }

    /// All open slices, in the order of their ends.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slice<T>> {
        self.open.iter_mut()
    }

    /// Opens the slice of a window that is not open.
    #[cold]
    pub(crate) fn open(&mut self, window: Window, table: impl FnOnce() -> T) -> &mut Slice<T> {
        let at = self.open.partition_point(|slice| slice.window.end < window.end);
        self.open.insert(at, Slice { window, table: table() });
        self.last = at;
        &mut self.open[at]
    }

    /// Removes the slices whose last millisecond is at or before `at`, earliest first.
    pub(crate) fn close_until(&mut self, at: Timestamp) -> impl Iterator<Item = Slice<T>> {
        let due = self.open.partition_point(|slice| slice.window.max_timestamp() <= at);
        self.last = 0;
        self.open.drain(..due)
    }

    /// When the first slice ends.
    pub(crate) fn first_end(&self) -> Option<Timestamp> {
        self.open.first().map(|slice| slice.window.end)
    }
}
