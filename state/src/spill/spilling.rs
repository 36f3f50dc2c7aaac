//! How a [`SpillTable`] goes from memory to files.

use millstream_core::record::Record;

use super::{SpillTable, disk::Disk, error::fail};
use crate::{row::RowKey, table::Tracking};

impl<R: RowKey, V: Record> SpillTable<R, V> {
    /// True if not all of its rows have to be in memory.
    pub fn is_spilled(&self) -> bool {
        self.disk.is_some()
    }

    /// See [`Checkpointed::keep_within_budget`](crate::backend::Checkpointed::keep_within_budget). Says what the table takes in memory, and makes some room if that is
    /// more than its share. A table in memory goes to files then, unless a snapshot is running.
    pub(super) fn balance(&mut self) -> bool {
        self.release();
        let (bytes, is_frozen) = (self.size_bytes(), self.hot.is_frozen());
        let Some((_, share)) = &mut self.spill else { return false };
        if let Some(disk) = &mut self.disk {
            disk.estimate(&self.hot, share);
            if disk.hot_rows > disk.hot_limit {
                disk.evict(&mut self.hot);
            }
            return true;
        }
        if bytes <= share.update(bytes) || is_frozen {
            return false;
        }
        self.begin_spilling();
        true
    }

    /// Has rows go to files that are not in use. Those that are in memory are written bit by bit.
    pub(super) fn begin_spilling(&mut self) {
        let Some((spill, share)) = &mut self.spill else { return };
        let tracking = if self.hot.is_tracked() { Tracking::Changes } else { Tracking::None };
        let mut disk = Disk::new(spill, share, tracking, self.hot.len());
        let (removed, lost) = self.hot.begin_spilling().unwrap_or_else(|_| {
            fail(&"the key of a removed row is too large to be written to a file of spilled state")
        });
        disk.lost = lost;
        for keys in &removed {
            let records = keys.records::<R::Key>(0);
            for i in 0..keys.len() {
                let key = records.get(i);
                disk.push_removed(records.hash(i).unwrap_or_else(|| R::hash(key)), key);
            }
        }
        disk.estimate(&self.hot, share);
        self.disk = Some(Box::new(disk));
    }
}
