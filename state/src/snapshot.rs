//! What leaves a table at a snapshot.

use std::cmp::Ordering;

use millstream_core::{
    buffer::{Buffer, Columns},
    record::Record,
    time::Window,
};

use crate::row::RowKey;

/// What a snapshot holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotKind {
    /// Every row.
    Full,
    /// The rows written since the snapshot before, and the keys of those removed.
    Delta,
}

/// Which of the tables of a state rows belong to: that of a window, or the only one.
///
/// Namespaces sort by the window's end, then its start; the only one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Namespace(pub Option<Window>);

impl Ord for Namespace {
    fn cmp(&self, other: &Self) -> Ordering {
        let place = |namespace: &Self| namespace.0.map(|window| (window.end, window.start));
        place(self).cmp(&place(other))
    }
}

impl PartialOrd for Namespace {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The columns of the buffers in a snapshot, in memory and in segments. Hashes are there only where computing them again costs more than moving them.
pub const fn columns<R: RowKey>() -> Columns {
    Columns { timed: false, hashed: !<R::Key as Record>::PLAIN }
}

/// The rows of one range of hashes of one table, not yet sorted. A table gives its ranges in ascending order of the hash. A snapshot has nothing else of a
/// range than what this and those before it have.
#[derive(Debug, Default)]
pub struct Frozen {
    /// The greatest hash of the range.
    pub last: u64,
    /// Buffers of records `(key, value)`, with [`columns`].
    pub rows: Vec<Buffer>,
    /// Buffers of keys that were removed, with [`columns`]. A key that is among the rows, too, is there again: its row counts.
    pub removed: Vec<Buffer>,
    /// Buffers of rows, like `rows`, of this range or later ones: copied since the range before was complete, because they were about to be written.
    pub early: Vec<Buffer>,
}
