//! [`Leaving`]: the rows that have been copied for the running snapshot and not been handed on.

use millstream_core::{
    buffer::{Buffer, PushError},
    record::Record,
};

use super::{copies::Copies, rows::Row};
use crate::row::RowKey;

/// Copies of rows. Those that come before their shard's turn lie one behind the other, whatever shard they are of: a tail per shard would be a cache miss or
/// several for each of them. Whoever makes a segment of them has them wait, beside the tasks.
pub(super) struct Leaving<R: RowKey, V: Record>(Option<Box<Parts<R, V>>>);

struct Parts<R: RowKey, V: Record> {
    /// The rows that the walker has copied in the shard where it is.
    walked: Copies<R, Row<R, V>>,
    /// The rows that were copied because they were about to be written or moved.
    early: Copies<R, Row<R, V>>,
}

impl<R: RowKey, V: Record> Leaving<R, V> {
    /// Nothing, and without memory.
    pub(super) fn new() -> Self {
        Self(None)
    }

    fn parts(&mut self) -> &mut Parts<R, V> {
        self.0.get_or_insert_with(|| Box::new(Parts { walked: Copies::default(), early: Copies::default() }))
    }

    /// Where the walker copies to.
    pub(super) fn walked(&mut self) -> &mut Copies<R, Row<R, V>> {
        &mut self.parts().walked
    }

    /// Where rows are copied to before it is their turn.
    pub(super) fn early(&mut self) -> &mut Copies<R, Row<R, V>> {
        &mut self.parts().early
    }

    /// Copies a row that is about to be written.
    #[cold]
    #[inline(never)]
    pub(super) fn copy_early(&mut self, row: &Row<R, V>, hash: u64) {
        self.early().push((row.0.view(), row.1.view()), hash);
    }

    /// What the walker has copied of its shard turns into rows that were copied early: the shard is about to become two.
    pub(super) fn give_walked_back(&mut self) {
        if let Some(parts) = &mut self.0 {
            parts.early.append(&mut parts.walked);
        }
    }

    /// What the walker has copied, and what was copied early.
    pub(super) fn take(&mut self) -> Result<(Vec<Buffer>, Vec<Buffer>), PushError> {
        let Some(parts) = &mut self.0 else { return Ok((Vec::new(), Vec::new())) };
        Ok((parts.walked.take()?, parts.early.take()?))
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |parts| size_of::<Parts<R, V>>() + parts.walked.size_bytes() + parts.early.size_bytes())
    }
}
