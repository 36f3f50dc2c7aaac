//! The open slices of a window operator, sorted by their end, each with its table.

use super::Assigner;
use millstream_core::{
    key::Key,
    table::Table,
    time::{Timestamp, Window},
};

/// A slice with the accumulators of its keys.
pub(crate) struct Slice<K, A> {
    pub(crate) window: Window,
    pub(crate) table: Table<K, A>,
}

/// The open slices. Records mostly fall into the slice of the record before, so that one is looked at first.
pub(crate) struct Slices<K, A> {
    open: Vec<Slice<K, A>>,
    last: usize,
    /// Makes the table of a slice.
    table: fn() -> Table<K, A>,
}

impl<K: Key, A> Default for Slices<K, A> {
    fn default() -> Self {
        Self { open: Vec::new(), last: 0, table: Table::default }
    }
}

impl<K: Key, A> Slices<K, A> {
    /// The slices of a sender: their entries go on to the tables of a receiver, so they must not come in the order of those.
    pub(crate) fn of_sender() -> Self {
        Self { table: Table::of_sender, ..Self::default() }
    }

    /// The open slice that holds this time; otherwise the window that it would be.
    #[inline(always)]
    pub(crate) fn find<W: Assigner>(&mut self, windows: &W, at: Timestamp) -> Result<&mut Slice<K, A>, Window> {
        if !self.open.get(self.last).is_some_and(|slice| slice.window.contains(at)) {
            let window = windows.window(at);
            self.last = self.place(window).ok_or(window)?;
        }
        Ok(&mut self.open[self.last])
    }

    /// The slice of this window, if it is open.
    #[inline(always)]
    pub(crate) fn get(&mut self, window: Window) -> Option<&mut Slice<K, A>> {
        if self.open.get(self.last).is_none_or(|slice| slice.window != window) {
            self.last = self.place(window)?;
        }
        Some(&mut self.open[self.last])
    }

    fn place(&self, window: Window) -> Option<usize> {
        self.open.binary_search_by_key(&window.end, |slice| slice.window.end).ok()
    }

    /// The table of the slice that was used last, if it is so large that prefetching pays.
    #[inline(always)]
    pub(crate) fn large(&self) -> Option<&Table<K, A>> {
        self.open.get(self.last).map(|slice| &slice.table).filter(|table| table.wants_prefetch())
    }

    /// Opens the slice of a window that is not open.
    #[cold]
    pub(crate) fn open(&mut self, window: Window) -> &mut Slice<K, A> {
        let at = self.open.partition_point(|slice| slice.window.end < window.end);
        self.open.insert(at, Slice { window, table: (self.table)() });
        self.last = at;
        &mut self.open[at]
    }

    /// Removes the slices whose last millisecond is at or before `at`, earliest first.
    pub(crate) fn close_until(&mut self, at: Timestamp) -> impl Iterator<Item = Slice<K, A>> {
        let due = self.open.partition_point(|slice| slice.window.max_timestamp() <= at);
        self.last = 0;
        self.open.drain(..due)
    }

    /// When the first slice ends.
    pub(crate) fn first_end(&self) -> Option<Timestamp> {
        self.open.first().map(|slice| slice.window.end)
    }
}
