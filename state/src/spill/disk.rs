//! [`Disk`]: what a table has besides its hot rows.

use std::{cell::RefCell, sync::Arc};

use elsa::FrozenVec;
use millstream_core::{buffer::Buffer, buffer::PushError, record::Record};

use super::{
    Spill,
    budget::{SEALED_LIMIT, SEALED_MAX, Share},
    codec::{Encoder, REMOVED, decode_value},
    error::{SpillError, fail},
    levels::{Levels, Shared},
    pending::Pending,
    run::Age,
    snapshot::Snapshot,
};
use crate::{
    row::RowKey,
    table::{Hand, Mark, Table, Tracking},
};

/// At least so many rows are hot, whatever the budget says.
const HOT_ROWS_MIN: usize = 8;
/// After so many new hot rows at most it is estimated again how many there can be.
const ROWS_BETWEEN_ESTIMATES: usize = 4_096;
/// This share of the hot rows makes room at a time.
const EVICTED_SHARE: usize = 128;
/// And at most so many rows, so that no record waits for long.
const EVICTED_ROWS_MAX: usize = 1_024;
/// Of its fair share a table has at least this part for hot rows.
const HOT_SHARE_MIN: usize = 4;

/// Rows in files and on their way there, and what was read of them.
pub(super) struct Disk<R: RowKey, V: Record> {
    pub(super) tracking: Tracking,
    pub(super) shared: Arc<Shared>,
    pub(super) levels: Levels,
    version: u64,
    /// How much is collected before it is written, in bytes.
    pub(super) seal_bytes: usize,
    /// Changed rows that are not hot any more, and the marks of removed ones, of this epoch.
    pub(super) pending: Pending,
    /// Counts freezes, from 1 on.
    pub(super) epoch: u64,
    /// The same of the epoch before: what the snapshot has that is running, or what was restored.
    pub(super) before: Pending,
    /// Counts what was sealed.
    sealed: u64,
    pub(super) snapshot: Option<Snapshot>,
    /// The snapshots so far have what is of an epoch up to this.
    pub(super) seen: u64,
    pub(super) lost: bool,
    /// How many rows there are in all.
    pub(super) rows: usize,
    pub(super) hot_rows: usize,
    pub(super) hot_limit: usize,
    pub(super) until_estimate: usize,
    hand: Hand,
    /// Rows that were looked at and are not hot: whoever looks may still hold them.
    pub(super) fetched: FrozenVec<Box<(R::Key, V)>>,
    /// Rows are being restored: it would be a waste to write the base anew meanwhile.
    pub(super) restoring: bool,
    /// The greatest key that was restored.
    pub(super) restored: Vec<u8>,
    /// It has had rows before the first was restored to it, so a key greater than `restored` need not be new.
    pub(super) was_in_memory: bool,
    pub(super) code: RefCell<Code<R, V>>,
    /// Why a row could not be encoded that a snapshot should have.
    pub(super) too_large: Option<PushError>,
}

/// What encodes rows, and what it has encoded last.
pub(super) struct Code<R: RowKey, V: Record> {
    keys: Encoder<R::Key>,
    values: Encoder<V>,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl<R: RowKey, V: Record> Code<R, V> {
    fn new() -> Self {
        Self { keys: Encoder::new(), values: Encoder::new(), key: Vec::new(), value: Vec::new() }
    }

    /// Encodes a key.
    pub(super) fn key(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) -> Result<(), PushError> {
        self.keys.key(hash, key, &mut self.key)
    }

    /// Encodes a value.
    pub(super) fn value(&mut self, value: V::View<'_>) -> Result<(), PushError> {
        self.values.value(value, &mut self.value)
    }
}

impl<R: RowKey, V: Record> Disk<R, V> {
    /// Without rows in files. `rows` are hot.
    pub(super) fn new(spill: &Spill, share: &Share, tracking: Tracking, rows: usize) -> Self {
        // What nobody takes snapshots of need not be kept apart for the next.
        let settled = if tracking == Tracking::Changes { 1 } else { u64::MAX };
        Self {
            tracking,
            shared: Shared::new(Arc::clone(&spill.scratch), share.caches(), settled),
            levels: Levels::default(),
            version: 0,
            seal_bytes: share.seal(),
            pending: Pending::default(),
            epoch: 2,
            before: Pending::default(),
            sealed: 0,
            snapshot: None,
            seen: 1,
            lost: false,
            rows,
            hot_rows: rows,
            hot_limit: usize::MAX,
            until_estimate: 1,
            hand: Hand::default(),
            fetched: FrozenVec::new(),
            restoring: false,
            restored: Vec::new(),
            was_in_memory: rows > 0,
            code: RefCell::new(Code::new()),
            too_large: None,
        }
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Self>() + self.pending.size_bytes() + self.before.size_bytes() + self.levels.size_bytes()
    }

    /// How many rows can be hot, given what all of the table takes.
    pub(super) fn estimate(&mut self, hot: &Table<R, V>, share: &mut Share) {
        let beside = self.size_bytes();
        let target = share.update(hot.size_bytes() + beside);
        let bytes = target.saturating_sub(beside).max(share.fair() / HOT_SHARE_MIN);
        self.hot_limit = hot.rows_within(bytes).max(HOT_ROWS_MIN);
        self.until_estimate = (self.hot_limit / 8).clamp(1, ROWS_BETWEEN_ESTIMATES);
    }

    /// Takes notice of what was written beside the tasks.
    pub(super) fn look(&mut self) {
        if let Some((levels, version)) = self.shared.levels_since(self.version) {
            if let Some(failure) = self.shared.failure() {
                fail(&failure);
            }
            let before = std::mem::replace(&mut self.levels, levels);
            self.version = version;
            self.shared.dispose(before, &self.levels);
        }
    }

    /// The value of a row that is not hot, kept until nobody looks at it any more.
    #[cold]
    #[inline(never)]
    pub(super) fn fetch(&self, hash: u64, key: impl FnOnce() -> R::Key) -> Option<&V> {
        if self.rows == self.hot_rows {
            return None;
        }
        let key = key();
        let value = self.find(hash, key.view())?;
        Some(&self.fetched.push_get(Box::new((key, value))).1)
    }

    /// Takes what was looked at, now that nobody looks any more.
    pub(super) fn fetched_rows(&mut self) -> Vec<Box<(R::Key, V)>> {
        std::mem::take(&mut self.fetched).into_vec()
    }

    /// The value of a row that is not hot.
    pub(super) fn find(&self, hash: u64, key: <R::Key as Record>::View<'_>) -> Option<V> {
        let mut code = self.code.borrow_mut();
        // A key that cannot be encoded has never been stored.
        code.key(hash, key).ok()?;
        self.with_stored(&code.key, |found| {
            let value = found.and_then(|found| (found != [REMOVED]).then_some(found))?;
            let value = decode_value::<V>(value).unwrap_or_else(|| fail(&SpillError::Damaged));
            Some(V::from_view(value.records::<V>(0).get(0)))
        })
    }

    /// Shows what there is of the row of an encoded key that is not hot: its value, or that it was removed.
    pub(super) fn with_stored<T>(&self, key: &[u8], see: impl FnOnce(Option<&[u8]>) -> T) -> T {
        match self.pending.get(key) {
            Some(value) => see(Some(value)),
            None => {
                let found = self.levels.get(key, &self.before, self.epoch - 1).unwrap_or_else(|error| fail(&error));
                see(found.as_deref())
            }
        }
    }

    /// Takes rows out that were not used for long.
    #[cold]
    #[inline(never)]
    pub(super) fn evict(&mut self, hot: &mut Table<R, V>) {
        self.in_use();
        // First what hot rows were at the last freeze: those taken out must not be newer than what is found of them.
        self.take_early(hot);
        let mut hand = self.hand;
        let over = self.hot_rows + 1 - self.hot_limit.min(self.hot_rows);
        let count = (over + self.hot_limit / EVICTED_SHARE).min(EVICTED_ROWS_MAX);
        let mut taken = 0;
        hot.evict(&mut hand, count, |hash, row, mark| {
            taken += 1;
            if mark.changed {
                self.push(hash, &row);
            } else if mark.pending {
                self.push_before(hash, &row);
            }
        });
        self.hand = hand;
        self.hot_rows -= taken;
        self.seal_full();
    }

    /// Takes notice of a row that was removed and was hot.
    pub(super) fn removed(&mut self, hash: u64, row: &(R::Key, V), mark: Mark) {
        self.rows -= 1;
        self.hot_rows -= 1;
        if mark.pending {
            self.push_before(hash, row);
        }
        if !mark.fresh {
            self.push_removed(hash, row.0.view());
        }
        self.seal_full();
    }

    /// Takes in a row that has changed since the last freeze.
    fn push(&mut self, hash: u64, (key, value): &(R::Key, V)) {
        let code = self.code.get_mut();
        if code.key(hash, key.view()).and_then(|()| code.value(value.view())).is_err() {
            fail(&"a row is too large to be written to a file of spilled state");
        }
        self.pending.put(&code.key, &code.value);
    }

    /// Takes in a row that has changed before the last freeze and not since.
    pub(super) fn push_before(&mut self, hash: u64, (key, value): &(R::Key, V)) {
        self.push_before_view(hash, key.view(), value.view());
    }

    fn push_before_view(&mut self, hash: u64, key: <R::Key as Record>::View<'_>, value: V::View<'_>) {
        let code = self.code.get_mut();
        match code.key(hash, key).and_then(|()| code.value(value)) {
            Ok(()) => self.before.put(&code.key, &code.value),
            Err(error) => self.too_large = Some(error),
        }
    }

    pub(super) fn push_removed(&mut self, hash: u64, key: <R::Key as Record>::View<'_>) {
        let code = self.code.get_mut();
        if code.key(hash, key).is_ok() {
            self.pending.put(&code.key, &[REMOVED]);
        }
    }

    /// Takes in what hot rows were at the last freeze that have changed since.
    pub(super) fn take_early(&mut self, hot: &mut Table<R, V>) {
        match hot.take_early() {
            Ok(buffers) => buffers.iter().for_each(|buffer| self.push_buffer(buffer)),
            Err(error) => self.too_large = Some(error),
        }
    }

    fn push_buffer(&mut self, rows: &Buffer) {
        let records = rows.records::<(R::Key, V)>(0);
        for i in 0..rows.len() {
            let (key, value) = records.get(i);
            let hash = records.hash(i).unwrap_or_else(|| R::hash(key));
            self.push_before_view(hash, key, value);
        }
    }

    /// Has what is pending written if it is enough.
    pub(super) fn seal_full(&mut self) {
        if self.pending.bytes() >= self.seal_bytes {
            self.seal_pending();
        }
        if self.before.bytes() >= self.seal_bytes {
            self.seal_before();
        }
    }

    /// Has everything written, and takes notice of it: what is pending lies in the levels then.
    pub(super) fn seal_all(&mut self) {
        self.seal_pending();
        self.seal_before();
        self.look();
    }

    fn seal_pending(&mut self) {
        let rows = std::mem::take(&mut self.pending);
        self.seal(self.epoch, rows);
    }

    pub(super) fn seal_before(&mut self) {
        let rows = std::mem::take(&mut self.before);
        self.seal(self.epoch - 1, rows);
    }

    fn seal(&mut self, epoch: u64, mut rows: Pending) {
        if rows.is_empty() {
            return;
        }
        rows.shrink();
        self.sealed += 1;
        if self.shared.seal(Age { epoch, number: self.sealed }, rows) > SEALED_MAX {
            self.shared.wait(SEALED_LIMIT);
        }
        self.look();
    }
}

impl<R: RowKey, V: Record> Drop for Disk<R, V> {
    fn drop(&mut self) {
        self.shared.end();
    }
}
