//! [`Shard`]: the rows of a range of hashes, and what a snapshot takes from them.

use hashbrown::hash_table::Entry;
use millstream_core::{buffer::PushError, processor::prefetch, record::Record};

use super::{
    copies::Copies,
    marks::{Mark, Marks},
    rows::{Row, Rows},
};
use crate::{row::RowKey, snapshot::Frozen};

/// Up to so many of 64 rows are asked for one by one; more follow one another.
const SPARSE_ROWS: u32 = 24;

/// What leaves a shard for snapshots.
pub(super) struct Leaving<R: RowKey, V: Record> {
    /// The rows of the running snapshot that have been copied.
    rows: Copies<R, (R::Key, V)>,
    /// The keys that belong to the running snapshot because they were removed before it.
    removed: Copies<R, R::Key>,
    /// The keys removed since the last freeze that an earlier snapshot knows of. None is there twice: if it came back it is fresh.
    removed_since: Copies<R, R::Key>,
}

impl<R: RowKey, V: Record> Default for Leaving<R, V> {
    fn default() -> Self {
        Self { rows: Copies::default(), removed: Copies::default(), removed_since: Copies::default() }
    }
}

/// Rows whose hashes have the same `depth` upper bits, counted as [`Directory`](super::directory::Directory) does.
pub(super) struct Shard<R: RowKey, V: Record> {
    pub(super) rows: Rows<R, V>,
    /// The last epoch of the table that the shard has taken notice of.
    pub(super) epoch: u64,
    pub(super) depth: u32,
    /// With so many rows it is split, though there may be room for more.
    pub(super) limit: usize,
    /// Made when the first row or key leaves.
    leaving: Option<Box<Leaving<R, V>>>,
}

/// What a shard is to do when it takes notice of a new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// A snapshot of all rows began.
    Full,
    /// A snapshot of the changed rows began; the one before had been walked to its end.
    Delta,
    /// The running snapshot was given up.
    Abandoned,
}

impl<R: RowKey, V: Record> Shard<R, V> {
    pub(super) fn new(rows: Rows<R, V>, epoch: u64, depth: u32) -> Self {
        Self { rows, epoch, depth, limit: usize::MAX, leaving: None }
    }

    /// True if a row can be inserted without more ado.
    #[inline(always)]
    pub(super) fn has_room(&self) -> bool {
        self.rows.has_room() && self.rows.table.len() < self.limit
    }

    /// Takes notice of an epoch.
    pub(super) fn enter(&mut self, epoch: u64, notice: Notice) {
        self.epoch = epoch;
        match notice {
            Notice::Full => {
                self.rows.marks.freeze_all();
                self.leaving = None;
            }
            Notice::Delta => {
                self.rows.marks.freeze_changed();
                if let Some(leaving) = &mut self.leaving {
                    leaving.removed = std::mem::take(&mut leaving.removed_since);
                }
            }
            Notice::Abandoned => {
                self.rows.marks.forget_pending();
                if let Some(leaving) = &mut self.leaving {
                    (leaving.rows, leaving.removed) = (Copies::default(), Copies::default());
                }
            }
        }
    }

    /// The row of this hash whose key it is, marked as written.
    #[inline(always)]
    pub(super) fn get_mut(&mut self, hash: u64, is: impl Fn(&R::Key) -> bool) -> Option<&mut V> {
        let (entry, marks) = self.rows.find(hash, is)?;
        if marks.write(entry.bucket_index()) {
            copy(&mut self.leaving, entry.get(), hash, marks);
        }
        Some(&mut entry.into_mut().1)
    }

    /// The row of this hash whose key it is, marked as written; `row` if there is none. There must be room.
    #[inline(always)]
    pub(super) fn entry(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
        row: impl FnOnce() -> Row<R, V>,
    ) -> &mut Row<R, V> {
        match self.rows.entry(hash, is) {
            (Entry::Occupied(entry), marks) => {
                if marks.write(entry.bucket_index()) {
                    copy(&mut self.leaving, entry.get(), hash, marks);
                }
                entry.into_mut()
            }
            (Entry::Vacant(entry), marks) => {
                let entry = entry.insert(row());
                marks.insert(entry.bucket_index());
                entry.into_mut()
            }
        }
    }

    /// Removes the row of this hash whose key it is.
    pub(super) fn remove(&mut self, hash: u64, is: impl Fn(&R::Key) -> bool) -> Option<Row<R, V>> {
        let (entry, marks) = self.rows.find(hash, is)?;
        let bucket = entry.bucket_index();
        let mark = marks.get(bucket);
        marks.set(bucket, Mark::default());
        let (row, _) = entry.remove();
        if self.rows.marks.words() > 0 {
            self.left(&row, mark, hash);
        }
        Some(row)
    }

    /// Removes all rows.
    pub(super) fn clear(&mut self) {
        let tracked = self.rows.marks.words() > 0;
        let rows = std::mem::replace(&mut self.rows, Rows::with_capacity(0, tracked));
        if tracked {
            rows.for_each(|row, mark| self.left(&row, mark, R::hash(row.0.view())));
        }
    }

    /// Keeps what snapshots need of a row that has been removed.
    fn left(&mut self, row: &Row<R, V>, mark: Mark, hash: u64) {
        if mark.pending {
            copy(&mut self.leaving, row, hash, &self.rows.marks);
        }
        if !mark.fresh {
            self.leaving.get_or_insert_default().removed_since.push(row.0.view(), hash);
        }
    }

    /// Puts in a row, or another value into one, unmarked. There must be room.
    pub(super) fn restore(
        &mut self,
        hash: u64,
        key: <R::Key as Record>::View<'_>,
        value: <V as Record>::View<'_>,
    ) -> bool {
        match self.rows.entry(hash, |found| R::same(found.view(), key)).0 {
            Entry::Occupied(mut entry) => {
                entry.get_mut().1 = V::from_view(value);
                false
            }
            Entry::Vacant(entry) => {
                entry.insert((R::Key::from_view(key), V::from_view(value)));
                true
            }
        }
    }

    /// Removes a row without remembering it.
    pub(super) fn restore_removed(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> bool {
        self.rows.find(hash, |found| R::same(found.view(), key)).map(|(entry, _)| entry.remove()).is_some()
    }

    /// Copies pending rows from `word` on, until `budget` is used up; true if none are left. A word without rows costs as much as a row.
    pub(super) fn copy_pending(&mut self, word: &mut usize, budget: &mut usize) -> bool {
        let words = self.rows.marks.words();
        while *word < words {
            if *budget == 0 {
                return false;
            }
            self.prefetch_pending(*word + 1);
            let mut pending = self.rows.marks.take_pending(*word);
            let mut copied = 0;
            if pending != 0 {
                let copies = &mut self.leaving.get_or_insert_default().rows;
                if copies.is_between() {
                    copies.reserve(pending.count_ones() as usize + self.rows.marks.pending_from(*word));
                }
                while pending != 0 {
                    let bucket = *word * 64 + pending.trailing_zeros() as usize;
                    pending &= pending - 1;
                    if let Some((key, value)) = self.rows.table.get_bucket(bucket) {
                        copies.push((key.view(), value.view()), R::hash(key.view()));
                        copied += 1;
                    }
                }
            }
            *budget = budget.saturating_sub(copied.max(1));
            *word += 1;
        }
        true
    }

    /// Asks the processor to load the pending rows of a word, if they lie too far apart for it to foresee them.
    #[inline(always)]
    fn prefetch_pending(&self, word: usize) {
        let mut pending = self.rows.marks.pending_in(word);
        if pending.count_ones() > SPARSE_ROWS {
            return;
        }
        while pending != 0 {
            if let Some(row) = self.rows.table.get_bucket(word * 64 + pending.trailing_zeros() as usize) {
                prefetch(row);
            }
            pending &= pending - 1;
        }
    }

    /// What the running snapshot has of this shard, now that no row is pending; nothing if that is nothing.
    pub(super) fn leave(&mut self) -> Result<Option<Frozen>, PushError> {
        let Some(mut leaving) = self.leaving.take() else { return Ok(None) };
        if !leaving.removed_since.is_empty() {
            let removed_since = std::mem::take(&mut leaving.removed_since);
            self.leaving.get_or_insert_default().removed_since = removed_since;
        }
        let frozen = Frozen { rows: leaving.rows.finish()?, removed: leaving.removed.finish()? };
        Ok((!frozen.rows.is_empty() || !frozen.removed.is_empty()).then_some(frozen))
    }

    /// The shard moves its rows to larger or smaller tables, or cleans up what removed ones left behind.
    pub(super) fn rebuild(&mut self, capacity: usize, tracked: bool) {
        let mut rows = Rows::with_capacity(capacity, tracked);
        std::mem::replace(&mut self.rows, Rows::with_capacity(0, false))
            .for_each(|row, mark| rows.put(R::hash(row.0.view()), row, mark));
        self.rows = rows;
    }

    /// Gives the rows for whose hashes `is_upper` says so to a new shard. `hashes` are those of all rows, in the order of their buckets.
    ///
    /// Pending rows are copied before, and what has been copied stays with the lower shard, so that its range still comes before the upper one.
    pub(super) fn split(
        &mut self,
        hashes: &[u64],
        capacity: usize,
        tracked: bool,
        is_upper: impl Fn(u64) -> bool + Copy,
    ) -> Self {
        self.copy_pending(&mut 0, &mut { usize::MAX });
        let (mut lower, mut upper) = (Rows::with_capacity(capacity, tracked), Rows::with_capacity(capacity, tracked));
        let mut hashes = hashes.iter();
        std::mem::replace(&mut self.rows, Rows::with_capacity(0, false)).for_each(|row, mark| {
            let hash = *hashes.next().expect("there is a hash for each row");
            if is_upper(hash) { &mut upper } else { &mut lower }.put(hash, row, mark);
        });
        self.rows = lower;
        self.depth += 1;
        let mut upper = Self::new(upper, self.epoch, self.depth);
        if let Some(leaving) = self.leaving.as_mut().filter(|leaving| !leaving.removed_since.is_empty()) {
            let (lower, removed_since) = std::mem::take(&mut leaving.removed_since).split(R::hash, is_upper);
            leaving.removed_since = lower;
            upper.leaving.get_or_insert_default().removed_since = removed_since;
        }
        upper
    }

    /// How many keys were removed since the last freeze that an earlier snapshot knows of.
    pub(super) fn removed_since(&self) -> usize {
        self.leaving.as_ref().map_or(0, |leaving| leaving.removed_since.len())
    }

    /// What it takes in memory, in bytes, without what keys and values own elsewhere.
    pub(super) fn size_bytes(&self) -> usize {
        let leaving = self.leaving.as_ref().map_or(0, |leaving| {
            size_of::<Leaving<R, V>>()
                + leaving.rows.size_bytes()
                + leaving.removed.size_bytes()
                + leaving.removed_since.size_bytes()
        });
        self.rows.size_bytes() + leaving
    }
}

/// Copies a row for the running snapshot; `marks` are those of its shard.
#[cold]
#[inline(never)]
fn copy<R: RowKey, V: Record>(leaving: &mut Option<Box<Leaving<R, V>>>, row: &Row<R, V>, hash: u64, marks: &Marks) {
    let copies = &mut leaving.get_or_insert_default().rows;
    if copies.is_between() {
        copies.reserve(1 + marks.pending_from(0));
    }
    copies.push((row.0.view(), row.1.view()), hash);
}
