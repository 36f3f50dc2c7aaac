//! Restoring a [`SpillTable`]: rows go to files as they come, and are hot besides while there is room.

use millstream_core::{buffer::Buffer, record::Record};

use super::{SpillTable, codec::REMOVED, disk::Disk, error::fail};
use crate::{row::RowKey, table::Table};

impl<R: RowKey, V: Record> SpillTable<R, V> {
    /// Puts in a row as a snapshot had it; true if there was none. See [`Table::restore_row`](crate::table::Table::restore_row).
    pub fn restore_row(
        &mut self,
        hash: u64,
        key: <R::Key as Record>::View<'_>,
        value: <V as Record>::View<'_>,
    ) -> bool {
        let Some(disk) = &mut self.disk else { return self.hot.restore_row(hash, key, value) };
        let is_new = !disk.has(&self.hot, hash, key);
        disk.rows += usize::from(is_new);
        let code = disk.code.get_mut();
        if code.value(value).is_err() {
            fail(&"a row is too large to be written to a file of spilled state");
        }
        disk.before.put(&code.key, &code.value);
        disk.seal_full();
        let is = |found: &R::Key| R::same(found.view(), key);
        let found = self.hot.place_of(hash, is).and_then(|place| self.hot.take_row(place));
        if found.is_some() || disk.hot_rows < disk.hot_limit {
            disk.hot_rows += usize::from(found.is_none());
            self.hot.load(hash, (R::Key::from_view(key), V::from_view(value)));
        }
        is_new
    }

    /// Removes a row that a later snapshot did not have any more; true if it was there. See
    /// [`Table::restore_removed`](crate::table::Table::restore_removed).
    pub fn restore_removed(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> bool {
        let Some(disk) = &mut self.disk else { return self.hot.restore_removed(hash, key) };
        if !disk.has(&self.hot, hash, key) {
            return false;
        }
        disk.rows -= 1;
        disk.before.put(&disk.code.get_mut().key, &[REMOVED]);
        disk.seal_full();
        let is = |found: &R::Key| R::same(found.view(), key);
        if self.hot.place_of(hash, is).and_then(|place| self.hot.take_row(place)).is_some() {
            disk.hot_rows -= 1;
        }
        true
    }

    pub(crate) fn restore_rows_and<'b>(
        &mut self,
        rows: &'b Buffer,
        mut new: impl FnMut(u64, <R::Key as Record>::View<'b>),
    ) {
        if self.disk.is_none() {
            return self.hot.restore_rows_and(rows, new);
        }
        let (records, range) = (rows.records::<(R::Key, V)>(0), self.range());
        for i in 0..rows.len() {
            let (key, value) = records.get(i);
            let hash = records.hash(i).unwrap_or_else(|| R::hash(key));
            if range.holds(hash) && self.restore_row(hash, key, value) {
                new(hash, key);
            }
        }
    }

    pub(crate) fn restore_removals_and<'b>(
        &mut self,
        removed: &'b Buffer,
        mut gone: impl FnMut(u64, <R::Key as Record>::View<'b>),
    ) {
        if self.disk.is_none() {
            return self.hot.restore_removals_and(removed, gone);
        }
        let (records, range) = (removed.records::<R::Key>(0), self.range());
        for i in 0..removed.len() {
            let key = records.get(i);
            let hash = records.hash(i).unwrap_or_else(|| R::hash(key));
            if range.holds(hash) && self.restore_removed(hash, key) {
                gone(hash, key);
            }
        }
    }
}

impl<R: RowKey, V: Record> Disk<R, V> {
    /// True if there is a row of a key that is being restored. Leaves the key's bytes. Those of a segment ascend, so most are known to be new.
    fn has(&mut self, hot: &Table<R, V>, hash: u64, key: <R::Key as Record>::View<'_>) -> bool {
        debug_assert!(self.snapshot.is_none(), "rows are restored before the first snapshot");
        if !std::mem::replace(&mut self.restoring, true) {
            self.shared.hold_base(true);
        }
        let code = self.code.get_mut();
        if code.key(hash, key).is_err() {
            fail(&"a key is too large to be written to a file of spilled state");
        }
        let is_next = code.key > self.restored;
        if is_next {
            self.restored.clone_from(&code.key);
        }
        if hot.get(hash, key).is_some() {
            return true;
        }
        if is_next && !self.was_in_memory {
            return false;
        }
        self.look();
        self.with_stored(&self.code.borrow().key, |found| found.is_some_and(|found| found != [REMOVED]))
    }

    /// Rows are not being restored any more.
    #[inline(always)]
    pub(super) fn in_use(&mut self) {
        if self.restoring {
            self.restoring = false;
            self.seal_before();
            self.shared.hold_base(false);
        }
    }
}
