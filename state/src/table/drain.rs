//! [`Drain`]: a table gives its rows away, and what a running snapshot has of them first.

use hashbrown::{HashTable, hash_table};
use millstream_core::{buffer::PushError, record::Record};

use super::{Table, rows::Row};
use crate::{row::RowKey, snapshot::Frozen};

/// The rows of a table, in the order of shards, and within one in none.
///
/// When the table is frozen, [`Drain::finish`] has the rest of the snapshot and must be called.
pub struct Drain<R: RowKey, V: Record> {
    table: Table<R, V>,
    /// The first slot of the next shard.
    slot: usize,
    rows: hash_table::IntoIter<Row<R, V>>,
    frozen: Result<Vec<Frozen>, PushError>,
}

impl<R: RowKey, V: Record> Table<R, V> {
    /// Gives all rows away. The rows of a running snapshot are copied before: at most those of a shard when its first row is asked for.
    pub fn drain(self) -> Drain<R, V> {
        Drain { table: self, slot: 0, rows: HashTable::new().into_iter(), frozen: Ok(Vec::new()) }
    }
}

impl<R: RowKey, V: Record> Drain<R, V> {
    /// Goes on to the next shard; false if there is none.
    #[cold]
    fn open(&mut self) -> bool {
        let Some(at) = self.table.directory.shard(self.slot) else { return false };
        if self.table.is_frozen() {
            self.table.enter(at);
        }
        let slot = self.slot;
        self.slot += self.table.directory.slots_of(self.table.shards[at].depth);
        // The walker has been in the shards before its own: nothing in them is pending.
        if self.table.freeze.as_ref().is_some_and(|freeze| freeze.slot <= slot) {
            let copies = self.table.leaving.walked();
            self.table.shards[at].copy_pending(&mut 0, &mut { usize::MAX }, copies);
            if let Ok(ranges) = &mut self.frozen {
                match self.table.leave(slot, at) {
                    Ok(frozen) => ranges.extend(frozen),
                    Err(error) => self.frozen = Err(error),
                }
            }
        }
        self.rows = std::mem::take(&mut self.table.shards[at].rows.table).into_iter();
        true
    }

    /// What the running snapshot still had of the table, in the order of the hash; also of rows not given away, which are dropped. Nothing if
    /// the table was not frozen.
    ///
    /// # Errors
    ///
    /// Fails if a row cannot be encoded, since it is too large.
    pub fn finish(mut self) -> Result<Vec<Frozen>, PushError> {
        while self.open() {}
        self.frozen
    }
}

impl<R: RowKey, V: Record> Iterator for Drain<R, V> {
    type Item = (R::Key, V);

    #[inline]
    fn next(&mut self) -> Option<(R::Key, V)> {
        loop {
            if let Some(row) = self.rows.next() {
                return Some(row);
            }
            if !self.open() {
                return None;
            }
        }
    }
}
