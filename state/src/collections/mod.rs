//! Several rows of state for each key of the stream: a map, a list, timers. Each is a [`Table`](crate::table::Table), so snapshots take it row by row, and
//! an index in memory that is not checkpointed but made anew by a restore.

mod list;
mod map;
mod sorted;
#[cfg(test)]
mod tests;
mod timers;

pub use self::{
    list::ListRows,
    map::MapRows,
    timers::{TimerDomain, TimerEntry, Timers},
};

/// Implements [`Checkpointed`](crate::backend::Checkpointed) for a collection with the field `rows`, save for how it is restored.
macro_rules! checkpointed_by_rows {
    ($index:ident => $size:expr) => {
        fn freeze(&mut self, kind: $crate::snapshot::SnapshotKind) {
            self.rows.freeze(kind);
        }
        fn is_frozen(&self) -> bool {
            self.rows.is_frozen()
        }
        fn walk(&mut self, rows: usize) -> Result<$crate::table::Walked, ::millstream_core::buffer::PushError> {
            self.rows.walk(rows)
        }
        fn abandon(&mut self) {
            self.rows.abandon();
        }
        fn dirty_share(&self) -> f64 {
            self.rows.dirty_share()
        }
        fn len(&self) -> usize {
            self.rows.len()
        }
        fn size_bytes(&self) -> usize {
            let $index = &self.$index;
            self.rows.size_bytes() + $size
        }
        fn reserve(&mut self, rows: usize) {
            self.rows.reserve(rows);
        }
    };
}
use checkpointed_by_rows;
