//! Snapshots of a [`SpillTable`].

use millstream_core::{
    buffer::{Buffer, BufferBuilder, LIMIT_MAX_RECORD_SIZE, PushError},
    record::Record,
    time::Timestamp,
};

use super::{
    SpillTable,
    budget::SEALED_LIMIT,
    codec::{REMOVED, decode_key, decode_value, hash_of},
    disk::Disk,
    error::{SpillError, fail},
    merge::Merge,
};
use crate::{
    row::RowKey,
    snapshot::{Frozen, SnapshotKind, columns},
    table::{Table, Tracking, Walked},
};

/// A range has about so many rows: a step reads one, and takes about as long as a batch does.
const RANGE_ROWS: usize = 8 << 10;
/// Or so many bytes: several ranges of each state are on their way to the store at a time.
const RANGE_BYTES_MAX: usize = 1 << 20;
const RANGE_BYTES_MIN: usize = 64 << 10;
/// How many rows go into a buffer.
const BUFFER_BYTES: usize = 256 << 10;

/// A running snapshot.
pub(super) struct Snapshot {
    kind: SnapshotKind,
    /// What the snapshots before have.
    seen: u64,
    step: Step,
}

enum Step {
    /// Hot rows are being encoded that had changed before it.
    Encoding,
    /// What it has is being written, if it is not yet.
    Writing,
    /// Files are being read.
    Reading(Box<Reading>),
}

/// Files on their way into ranges.
struct Reading {
    merge: Merge,
    /// The key and the value that the next range begins with.
    rest: Option<(Vec<u8>, Vec<u8>)>,
}

/// A range that is being put together.
struct Range<R: RowKey, V: Record> {
    rows: Parts<(R::Key, V)>,
    removed: Parts<R::Key>,
    last: u64,
    count: usize,
    /// It is full with so many bytes.
    bytes_limit: usize,
}

/// Buffers of records.
struct Parts<T: Record> {
    open: BufferBuilder<T>,
    sealed: Vec<Buffer>,
    bytes: usize,
}

impl<T: Record> Parts<T> {
    fn new<R: RowKey>() -> Self {
        Self { open: BufferBuilder::new(columns::<R>(), LIMIT_MAX_RECORD_SIZE), sealed: Vec::new(), bytes: 0 }
    }

    fn push(&mut self, record: T::View<'_>, hash: u64) -> Result<(), PushError> {
        let before = self.open.len_bytes();
        self.open.push(record, Timestamp::MIN, hash)?;
        self.bytes += self.open.len_bytes() - before;
        if self.open.len_bytes() >= BUFFER_BYTES {
            self.sealed.push(self.open.seal(0));
        }
        Ok(())
    }

    fn finish(mut self) -> Vec<Buffer> {
        if !self.open.is_empty() {
            self.sealed.push(self.open.seal(0));
        }
        self.sealed
    }
}

impl<R: RowKey, V: Record> SpillTable<R, V> {
    pub(super) fn freeze_rows(&mut self, kind: SnapshotKind) {
        let Some(disk) = &mut self.disk else { return self.hot.freeze(kind) };
        assert!(disk.tracking == Tracking::Changes, "a table without tracking cannot be frozen");
        disk.in_use();
        disk.abandon();
        assert!(kind == SnapshotKind::Full || !disk.lost, "a full snapshot follows one that was given up");
        disk.lost = false;
        // What is left of the epoch before is older than all of this one.
        disk.take_early(&mut self.hot);
        disk.seal_before();
        disk.before = std::mem::take(&mut disk.pending);
        disk.epoch += 1;
        self.hot.flush();
        disk.snapshot = Some(Snapshot { kind, seen: disk.seen, step: Step::Encoding });
    }

    pub(super) fn walk_rows(&mut self, rows: usize) -> Result<Walked, PushError> {
        let Some(disk) = &mut self.disk else { return self.hot.walk(rows) };
        let Some(mut snapshot) = disk.snapshot.take() else { return Ok(Walked::Done) };
        let walked = match &mut snapshot.step {
            Step::Encoding if disk.is_busy() => Walked::Later,
            Step::Encoding => {
                if !disk.encode_pending(&mut self.hot, rows) {
                    snapshot.step = Step::Writing;
                }
                Walked::More
            }
            Step::Writing => match disk.written(snapshot.kind, snapshot.seen) {
                Some(reading) => {
                    snapshot.step = Step::Reading(Box::new(reading));
                    Walked::More
                }
                None => Walked::Later,
            },
            Step::Reading(reading) => match disk.read(reading, snapshot.kind) {
                Ok(Some(frozen)) => Walked::Range(frozen),
                Ok(None) => return Ok(Walked::Done),
                Err(error) => {
                    disk.too_large.get_or_insert(error);
                    Walked::More
                }
            },
        };
        if let Some(error) = disk.too_large.take() {
            disk.lost = true;
            return Err(error);
        }
        disk.snapshot = Some(snapshot);
        Ok(walked)
    }
}

impl<R: RowKey, V: Record> Disk<R, V> {
    /// Gives a running snapshot up. What was to be written for it still is: it is of an epoch, as everything.
    pub(super) fn abandon(&mut self) {
        self.lost |= self.snapshot.take().is_some();
    }

    /// True if there is no room yet for more that is to be written.
    fn is_busy(&mut self) -> bool {
        self.look();
        self.levels.sealed.len() >= SEALED_LIMIT
    }

    /// A step of encoding what has changed of the hot rows. False when there is no more.
    fn encode_pending(&mut self, hot: &mut Table<R, V>, rows: usize) -> bool {
        self.take_early(hot);
        let more = hot.write_pending(rows, |hash, row| self.push_before(hash, row));
        // What a shard had to give because it was split meanwhile.
        self.take_early(hot);
        match more {
            true => self.seal_full(),
            false => self.seal_before(),
        }
        more
    }

    /// All that the snapshot has, once it is in files.
    fn written(&mut self, kind: SnapshotKind, seen: u64) -> Option<Reading> {
        self.look();
        let epoch = self.epoch - 1;
        if self.levels.sealed.iter().any(|sealed| sealed.age.epoch <= epoch) {
            return None;
        }
        let merge = match kind {
            SnapshotKind::Full => self.levels.merge_up_to(epoch),
            SnapshotKind::Delta => self.levels.merge_epochs(seen, epoch),
        };
        let merge = merge.unwrap_or_else(|error| fail(&error));
        self.seen = epoch;
        self.shared.settle(epoch);
        Some(Reading { merge, rest: None })
    }

    /// The next range; none at the end.
    fn read(&mut self, reading: &mut Reading, kind: SnapshotKind) -> Result<Option<Frozen>, PushError> {
        let mut range = Range::<R, V>::new(self.seal_bytes);
        if let Some((key, value)) = reading.rest.take() {
            range.push(&key, &value)?;
        }
        loop {
            let next = reading.merge.next().unwrap_or_else(|error| fail(&error));
            let Some((key, value)) = next else {
                range.last = u64::MAX;
                break;
            };
            if kind == SnapshotKind::Full && value == [REMOVED] {
                continue;
            }
            if range.is_full() && hash_of(key) != range.last {
                reading.rest = Some((key.to_vec(), value.to_vec()));
                break;
            }
            range.push(key, value)?;
        }
        Ok((range.count > 0).then(|| range.finish()))
    }
}

impl<R: RowKey, V: Record> Range<R, V> {
    /// Of about so many bytes, if that is not too many or too few.
    fn new(bytes: usize) -> Self {
        let bytes_limit = bytes.clamp(RANGE_BYTES_MIN, RANGE_BYTES_MAX);
        Self { rows: Parts::new::<R>(), removed: Parts::new::<R>(), last: 0, count: 0, bytes_limit }
    }

    fn is_full(&self) -> bool {
        self.count >= RANGE_ROWS || self.rows.bytes + self.removed.bytes >= self.bytes_limit
    }

    fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), PushError> {
        let damaged = || fail(&SpillError::Damaged);
        let hash = hash_of(key);
        let key = decode_key::<R::Key>(key).unwrap_or_else(damaged);
        let key = key.records::<R::Key>(0).get(0);
        (self.last, self.count) = (hash, self.count + 1);
        if value == [REMOVED] {
            return self.removed.push(key, hash);
        }
        let value = decode_value::<V>(value).unwrap_or_else(damaged);
        self.rows.push((key, value.records::<V>(0).get(0)), hash)
    }

    fn finish(self) -> Frozen {
        Frozen { last: self.last, rows: self.rows.finish(), removed: self.removed.finish(), early: Vec::new() }
    }
}
