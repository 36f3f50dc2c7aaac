//! How a [`SpillTable`] goes from memory to files.

use millstream_core::record::Record;

use super::{SpillTable, disk::Disk, error::fail};
use crate::{row::RowKey, table::Tracking};

/// What came of looking whether a table keeps within its share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spilled {
    /// It does, or it cannot be helped.
    No,
    /// It did not, and goes to files from now on.
    Now,
}

impl Spilled {
    /// What came of two tables of one state.
    pub fn or(self, other: Self) -> Self {
        if self == Self::Now { self } else { other }
    }
}

impl<R: RowKey, V: Record> SpillTable<R, V> {
    /// True if not all of its rows have to be in memory.
    pub fn is_spilled(&self) -> bool {
        self.disk.is_some()
    }

    /// Says what the table takes in memory, and makes some room if that is more than its share: for between the batches, now and then. A table in memory goes to
    /// files then, unless a snapshot is running.
    pub fn keep_within_budget(&mut self) -> Spilled {
        self.release();
        let (bytes, is_frozen) = (self.size_bytes(), self.hot.is_frozen());
        let Some((_, share)) = &mut self.spill else { return Spilled::No };
        if let Some(disk) = &mut self.disk {
            disk.estimate(&self.hot, share);
            if disk.hot_rows > disk.hot_limit {
                disk.evict(&mut self.hot);
            }
            return Spilled::No;
        }
        if bytes <= share.update(bytes) || is_frozen {
            return Spilled::No;
        }
        self.begin_spilling();
        Spilled::Now
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
