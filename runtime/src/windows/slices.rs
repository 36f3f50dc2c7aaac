//! The open slices of a window operator, sorted by their end, each with its table.

use super::Assigner;
use millstream_core::time::{Timestamp, Window};

/// A slice with the table of its keys' accumulators.
pub(crate) struct Slice<T> {
    pub(crate) window: Window,
    /// The last moment of the first window that it is in.
    pub(crate) first_max: Timestamp,
    /// Its rows are part of what is kept up to date over several slices.
    pub(crate) entered: bool,
    pub(crate) table: T,
}

/// The open slices. Records mostly fall into the slice of the record before, so that one is looked at first.
pub(crate) struct Slices<T> {
    open: Vec<Slice<T>>,
    last: usize,
    /// How many have been closed.
    closed: u64,
}

impl<T> Default for Slices<T> {
    fn default() -> Self {
        Self { open: Vec::new(), last: 0, closed: 0 }
    }
}

impl<T> Slices<T> {
    /// The open slice that holds this time; otherwise the slice that it would be.
    #[inline(always)]
    pub(crate) fn find<W: Assigner>(&mut self, windows: &W, at: Timestamp) -> Result<&mut Slice<T>, Window> {
        if !self.open.get(self.last).is_some_and(|slice| slice.window.contains(at)) {
            let window = windows.slice(at);
            self.last = self.place(window).ok_or(window)?;
        }
        Ok(&mut self.open[self.last])
    }

    /// The slice of this time span, if it is open.
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

    /// The open slice that ends first.
    pub(crate) fn first(&self) -> Option<Window> {
        self.open.first().map(|slice| slice.window)
    }

    /// All open slices, in the order of their ends.
    pub(crate) fn as_slice(&self) -> &[Slice<T>] {
        &self.open
    }

    /// All open slices, in the order of their ends.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slice<T>> {
        self.open.iter_mut()
    }

    /// The slice at a place of [`Slices::as_slice`].
    pub(crate) fn at_mut(&mut self, at: usize) -> &mut Slice<T> {
        &mut self.open[at]
    }

    /// Those that lie in a window, as a range of [`Slices::as_slice`].
    pub(crate) fn within(&self, window: Window) -> std::ops::Range<usize> {
        let from = self.open.partition_point(|slice| slice.window.start < window.start);
        let to = self.open.partition_point(|slice| slice.window.end <= window.end);
        from..to.max(from)
    }

    /// The number of the first open slice, if all that ever were are counted in the order of their ends.
    pub(crate) fn first_number(&self) -> u64 {
        self.closed
    }

    /// The number of the slice that was used last.
    pub(crate) fn last_number(&self) -> u64 {
        self.closed + self.last as u64
    }

    /// Opens a slice that is not open.
    #[cold]
    pub(crate) fn open(&mut self, window: Window, first_max: Timestamp, table: impl FnOnce() -> T) -> &mut Slice<T> {
        let at = self.open.partition_point(|slice| slice.window.end < window.end);
        self.open.insert(at, Slice { window, first_max, entered: false, table: table() });
        self.last = at;
        &mut self.open[at]
    }

    /// Of how many slices the last millisecond is at or before `at`.
    pub(crate) fn over(&self, at: Timestamp) -> usize {
        self.open.partition_point(|slice| slice.window.max_timestamp() <= at)
    }

    /// Removes so many slices, earliest first.
    pub(crate) fn close(&mut self, count: usize) -> impl Iterator<Item = Slice<T>> {
        self.last = 0;
        self.closed += count as u64;
        self.open.drain(..count)
    }
}
