//! [`Running`]: what a window that overlaps others comes to, kept up to date by what enters and what leaves.

use std::ops::Range;

use millstream_core::{aggregate::Aggregate, key::Key, record::Record};
use millstream_state::{
    row::ByKey,
    table::{Cursor, Drain, Shown, Table},
};

use super::{slices::Slices, stored::SliceTable};
use crate::checkpoint::keyed::Blank;

/// In how many slices a key is, and their accumulators as one.
type Row<V> = (u32, V);

/// How many rows are asked for before they are touched.
const PREFETCH_ROWS: usize = 32;

/// For each key the accumulator of all slices that have entered and not left. It can be made again from the slices, so it is part of no checkpoint.
pub(super) struct Running<K: Key, V: Record> {
    rows: Table<ByKey<K>, Row<V>>,
    /// What has been replaced by an empty table, and is dropped row by row.
    gone: Option<Drain<ByKey<K>, Row<V>>>,
    blank: Blank,
}

impl<K: Key, V: Record> Running<K, V> {
    pub(super) fn new(blank: Blank) -> Self {
        Self { rows: blank.untracked(), gone: None, blank }
    }

    /// The row of a key that is about to be added to.
    pub(super) fn entry<T: Record, A: Aggregate<T, Acc = V>>(
        &mut self,
        aggregate: &A,
        (hash, key): (u64, K::View<'_>),
    ) -> &mut Row<V> {
        self.rows.entry(hash, key, || (0, aggregate.create()))
    }

    /// Adds those of these slices that have not entered, about so many `rows` of them, from the cursor on in the first; true once they all have.
    pub(super) fn enter<T: Record, A: Aggregate<T, Acc = V>>(
        &mut self,
        aggregate: &A,
        slices: &mut Slices<SliceTable<K, V>>,
        range: &mut Range<usize>,
        cursor: &mut Cursor,
        rows: usize,
    ) -> bool {
        let mut left = rows;
        for at in range.clone() {
            let slice = slices.at_mut(at);
            let more = !slice.entered
                && each_ahead(&mut self.rows, &slice.table, cursor, &mut left, |rows, hash, key, row| {
                    let (slices, accumulator) = rows.entry(hash, key.view(), || (0, aggregate.create()));
                    *slices += 1;
                    aggregate.merge(accumulator, row.view());
                });
            if more {
                return false;
            }
            slice.entered = true;
            (range.start, *cursor) = (at + 1, Cursor::default());
        }
        true
    }

    /// Takes those of these slices away that have entered, about so many `rows` of them, from the cursor on in the first; true once they all are. A key that is
    /// in no slice any more goes.
    pub(super) fn leave<T: Record, A: Aggregate<T, Acc = V>>(
        &mut self,
        aggregate: &A,
        slices: &mut Slices<SliceTable<K, V>>,
        range: &mut Range<usize>,
        cursor: &mut Cursor,
        rows: usize,
    ) -> bool {
        let mut left = rows;
        for at in range.clone() {
            let slice = slices.at_mut(at);
            let more = slice.entered
                && each_ahead(&mut self.rows, &slice.table, cursor, &mut left, |rows, hash, key, row| {
                    let (slices, accumulator) = rows.get_mut(hash, key.view()).expect("what leaves has entered");
                    *slices -= 1;
                    if *slices == 0 {
                        rows.remove(hash, key.view());
                    } else {
                        aggregate.subtract(accumulator, row.view());
                    }
                });
            if more {
                return false;
            }
            slice.entered = false;
            (range.start, *cursor) = (at + 1, Cursor::default());
        }
        true
    }

    /// Forgets all slices.
    pub(super) fn clear(&mut self, slices: &mut Slices<SliceTable<K, V>>) {
        slices.iter_mut().for_each(|slice| slice.entered = false);
        // Also where no row owns anything: to give back the memory of millions takes long enough.
        self.gone = Some(std::mem::replace(&mut self.rows, self.blank.untracked()).drain());
    }

    /// Drops about so many `rows` of what has gone; true once nothing is left of it.
    pub(super) fn drop_gone(&mut self, rows: usize) -> bool {
        let more = self.gone.as_mut().is_some_and(|gone| gone.by_ref().nth(rows - 1).is_some());
        if !more {
            self.gone = None;
        }
        !more
    }

    /// Shows rows from where the cursor stands, until `visit` has said true. False at the end.
    pub(super) fn scan(&self, cursor: &mut Cursor, mut visit: impl FnMut(&K, &V) -> bool) -> bool {
        self.rows.scan(cursor, |key, (_, accumulator)| visit(key, accumulator))
    }

    /// What a scan has shown, and the keys for which the opposite is true.
    pub(super) fn shown(&self, cursor: &Cursor) -> (Shown, Vec<&K>) {
        self.rows.shown(cursor)
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        self.rows.size_bytes()
    }
}

/// Visits rows of a slice from the cursor on, `left` of them at most, each when the running row of its key has been asked for. True if there may be more.
#[inline(always)]
fn each_ahead<K: Key, V: Record>(
    running: &mut Table<ByKey<K>, Row<V>>,
    slice: &SliceTable<K, V>,
    cursor: &mut Cursor,
    left: &mut usize,
    mut visit: impl FnMut(&mut Table<ByKey<K>, Row<V>>, u64, &K, &V),
) -> bool {
    let mut hashes = [0; PREFETCH_ROWS];
    while *left > 0 {
        let (mut ahead, limit) = (*cursor, PREFETCH_ROWS.min(*left));
        let mut found = 0;
        slice.scan(&mut ahead, |key, _| {
            hashes[found] = K::hash(key.view());
            running.prefetch(hashes[found]);
            found += 1;
            found == limit
        });
        if found == 0 {
            return false;
        }
        let mut visited = 0;
        slice.scan(cursor, |key, row| {
            visit(running, hashes[visited], key, row);
            visited += 1;
            visited == found
        });
        *left -= found;
    }
    true
}
