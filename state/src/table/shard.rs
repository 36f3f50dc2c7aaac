//! [`Shard`]: the rows of a range of hashes, and the keys removed from among them.

use hashbrown::hash_table::Entry;
use millstream_core::{
    buffer::{Buffer, PushError},
    processor::prefetch,
    record::Record,
};

use super::{
    copies::Copies,
    leaving::Leaving,
    marks::Mark,
    rows::{Row, Rows},
};
use crate::row::RowKey;

/// Up to so many of 64 rows are asked for one by one; more follow one another.
const SPARSE_ROWS: u32 = 24;

/// The keys of removed rows that snapshots are to know of.
struct Removed<R: RowKey> {
    /// Those that belong to the running snapshot because they were removed before it.
    before: Copies<R, R::Key>,
    /// Those removed since the last freeze that an earlier snapshot knows of. None is there twice: if it came back it is fresh.
    since: Copies<R, R::Key>,
}

impl<R: RowKey> Default for Removed<R> {
    fn default() -> Self {
        Self { before: Copies::default(), since: Copies::default() }
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
    /// Made when the first key does not leave without a trace.
    removed: Option<Box<Removed<R>>>,
}

/// What a shard is to do when it takes notice of a new epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// A snapshot of all rows began.
    Full,
    /// A snapshot of the changed rows began; the one before had been walked to its end.
    Delta,
    /// What has changed is to be written back, besides what still is to be from before.
    Flush,
    /// What has not changed is to be written back: nothing was, so far.
    Spill,
    /// The running snapshot was given up.
    Abandoned,
}

impl<R: RowKey, V: Record> Shard<R, V> {
    pub(super) fn new(rows: Rows<R, V>, epoch: u64, depth: u32) -> Self {
        Self { rows, epoch, depth, limit: usize::MAX, removed: None }
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
                self.removed = None;
            }
            Notice::Delta => {
                self.rows.marks.freeze_changed();
                if let Some(removed) = &mut self.removed {
                    removed.before = std::mem::take(&mut removed.since);
                }
            }
            Notice::Flush => self.rows.marks.flush_changed(),
            Notice::Spill => self.rows.marks.keep_unchanged(),
            Notice::Abandoned => {
                self.rows.marks.forget_pending();
                if let Some(removed) = &mut self.removed {
                    removed.before = Copies::default();
                }
            }
        }
    }

    /// The row of this hash whose key it is, marked as written.
    #[inline(always)]
    pub(super) fn get_mut(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
        leaving: &mut Leaving<R, V>,
    ) -> Option<&mut V> {
        let (entry, marks) = self.rows.find(hash, is)?;
        if marks.write(entry.bucket_index()) {
            leaving.copy_early(entry.get(), hash);
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
        leaving: &mut Leaving<R, V>,
    ) -> &mut Row<R, V> {
        match self.rows.entry(hash, is) {
            (Entry::Occupied(entry), marks) => {
                if marks.write(entry.bucket_index()) {
                    leaving.copy_early(entry.get(), hash);
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
    pub(super) fn remove(
        &mut self,
        hash: u64,
        is: impl Fn(&R::Key) -> bool,
        leaving: &mut Leaving<R, V>,
    ) -> Option<Row<R, V>> {
        let (entry, marks) = self.rows.find(hash, is)?;
        let bucket = entry.bucket_index();
        let mark = marks.get(bucket);
        marks.set(bucket, Mark::default());
        let (row, _) = entry.remove();
        if self.rows.marks.words() > 0 {
            self.left(&row, mark, hash, leaving);
        }
        Some(row)
    }

    /// The value in a bucket, marked as written.
    pub(super) fn value_at(&mut self, bucket: usize, leaving: &mut Leaving<R, V>) -> Option<&mut V> {
        let entry = self.rows.table.get_bucket_entry(bucket).ok()?;
        if self.rows.marks.write(bucket) {
            let row = entry.get();
            leaving.copy_early(row, R::hash(row.0.view()));
        }
        Some(&mut entry.into_mut().1)
    }

    /// Removes the row of a bucket. The others stay in theirs.
    pub(super) fn remove_at(&mut self, bucket: usize, leaving: &mut Leaving<R, V>) -> Option<Row<R, V>> {
        let (row, _) = self.rows.table.get_bucket_entry(bucket).ok()?.remove();
        if self.rows.marks.words() > 0 {
            let mark = self.rows.marks.get(bucket);
            self.rows.marks.set(bucket, Mark::default());
            if mark.pending || !mark.fresh {
                self.left(&row, mark, R::hash(row.0.view()), leaving);
            }
        }
        Some(row)
    }

    /// Removes all rows.
    pub(super) fn clear(&mut self, leaving: &mut Leaving<R, V>) {
        let tracked = self.rows.marks.words() > 0;
        let rows = std::mem::replace(&mut self.rows, Rows::with_capacity(0, tracked));
        if tracked {
            rows.for_each(|row, mark| self.left(&row, mark, R::hash(row.0.view()), leaving));
        }
    }

    /// Keeps what snapshots need of a row that has been removed.
    fn left(&mut self, row: &Row<R, V>, mark: Mark, hash: u64, leaving: &mut Leaving<R, V>) {
        if mark.pending {
            leaving.copy_early(row, hash);
        }
        if !mark.fresh {
            self.removed.get_or_insert_default().since.push(row.0.view(), hash);
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
    pub(super) fn copy_pending(
        &mut self,
        word: &mut usize,
        budget: &mut usize,
        copies: &mut Copies<R, Row<R, V>>,
    ) -> bool {
        let words = self.rows.marks.words();
        while *word < words {
            if *budget == 0 {
                return false;
            }
            self.prefetch_pending(*word + 1);
            let mut pending = self.rows.marks.take_pending(*word);
            let mut copied = 0;
            if pending != 0 {
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

    /// The keys that the running snapshot has of this shard because they were removed before it.
    pub(super) fn take_removed(&mut self) -> Result<Vec<Buffer>, PushError> {
        let Some(removed) = &mut self.removed else { return Ok(Vec::new()) };
        let before = removed.before.take();
        if removed.since.is_empty() {
            self.removed = None;
        }
        before
    }

    /// The keys of rows removed since the last freeze that an earlier snapshot knows of.
    pub(super) fn take_removed_since(&mut self) -> Result<Vec<Buffer>, PushError> {
        self.removed.take().map_or_else(|| Ok(Vec::new()), |mut removed| removed.since.take())
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
    /// Pending rows are copied before.
    pub(super) fn split(
        &mut self,
        hashes: &[u64],
        capacity: usize,
        tracked: bool,
        is_upper: impl Fn(u64) -> bool + Copy,
        leaving: &mut Leaving<R, V>,
    ) -> Self {
        self.copy_pending(&mut 0, &mut { usize::MAX }, leaving.early());
        let (mut lower, mut upper) = (Rows::with_capacity(capacity, tracked), Rows::with_capacity(capacity, tracked));
        let mut hashes = hashes.iter();
        std::mem::replace(&mut self.rows, Rows::with_capacity(0, false)).for_each(|row, mark| {
            let hash = *hashes.next().expect("there is a hash for each row");
            if is_upper(hash) { &mut upper } else { &mut lower }.put(hash, row, mark);
        });
        self.rows = lower;
        self.depth += 1;
        let mut upper = Self::new(upper, self.epoch, self.depth);
        if let Some(removed) = &mut self.removed {
            let (before, upper_before) = std::mem::take(&mut removed.before).split(R::hash, is_upper);
            let (since, upper_since) = std::mem::take(&mut removed.since).split(R::hash, is_upper);
            **removed = Removed { before, since };
            upper.removed = Some(Box::new(Removed { before: upper_before, since: upper_since }));
        }
        upper
    }

    /// How many keys were removed since the last freeze that an earlier snapshot knows of.
    pub(super) fn removed_since(&self) -> usize {
        self.removed.as_ref().map_or(0, |removed| removed.since.len())
    }

    /// What it takes in memory, in bytes, without what keys and values own elsewhere.
    pub(super) fn size_bytes(&self) -> usize {
        let removed = self
            .removed
            .as_ref()
            .map_or(0, |removed| size_of::<Removed<R>>() + removed.before.size_bytes() + removed.since.size_bytes());
        self.rows.size_bytes() + removed
    }
}
