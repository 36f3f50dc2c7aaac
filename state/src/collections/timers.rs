//! [`Timers`]: when each key of the stream wants to be called.

use std::collections::BTreeSet;

use millstream_core::{buffer::Buffer, key::Key, time::Timestamp};

use super::checkpointed_by_rows;
use crate::{
    backend::Checkpointed,
    groups::GroupRange,
    row::{ByEntry, entry_hash},
    table::{Table, Tracking},
};

/// Which time a timer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerDomain {
    /// Event time: it is due when the watermark gets there.
    EventTime,
    /// Processing time: it is due when the clock gets there.
    ProcessingTime,
}

impl TimerDomain {
    const COUNT: usize = 2;

    fn index(self) -> usize {
        usize::from(self.tag())
    }

    /// What stands for it in a row.
    fn tag(self) -> u8 {
        match self {
            Self::EventTime => 0,
            Self::ProcessingTime => 1,
        }
    }
}

/// The key of a timer's row.
type TimerKey<K> = (K, (u8, Timestamp));

/// The timers of all keys of the stream, a set: registering one twice is registering it once.
///
/// Methods that change one take the hash of the stream's key, and the key.
pub struct Timers<K: Key> {
    rows: Table<ByEntry<K, (u8, Timestamp)>, ()>,
    /// The times and the rows' hashes, by domain. One of these stands for all timers that have both in common.
    due: [BTreeSet<(Timestamp, u64)>; TimerDomain::COUNT],
}

/// What a timer adds to the ordered index, about, in bytes: a node is two thirds full.
const INDEX_BYTES: usize = size_of::<(Timestamp, u64)>() * 3 / 2;

fn row_hash(hash: u64, domain: TimerDomain, at: Timestamp) -> u64 {
    entry_hash(hash, <(u8, Timestamp)>::hash((domain.tag(), at)))
}

impl<K: Key> Timers<K> {
    /// No timers, for the keys of these key groups.
    pub fn new(range: GroupRange, tracking: Tracking) -> Self {
        Self { rows: Table::new(range, tracking), due: Default::default() }
    }

    /// Registers a timer; false if there is such a one already.
    pub fn register(&mut self, hash: u64, key: K::View<'_>, domain: TimerDomain, at: Timestamp) -> bool {
        let (hash, entry) = (row_hash(hash, domain, at), (domain.tag(), at));
        let is = |(found, of): &TimerKey<K>| *of == entry && K::same(found.view(), key);
        if self.rows.get_if(hash, is).is_some() {
            return false;
        }
        self.rows.entry_if(hash, is, || ((K::from_view(key), entry), ()));
        self.due[domain.index()].insert((at, hash));
        true
    }

    /// Deletes a timer; false if there is no such one.
    pub fn delete(&mut self, hash: u64, key: K::View<'_>, domain: TimerDomain, at: Timestamp) -> bool {
        let (hash, entry) = (row_hash(hash, domain, at), (domain.tag(), at));
        let is = |(found, of): &TimerKey<K>| *of == entry && K::same(found.view(), key);
        let deleted = self.rows.remove_if(hash, is).is_some();
        if deleted {
            self.forget(hash, entry);
        }
        deleted
    }

    /// When the first timer is due.
    pub fn next(&self, domain: TimerDomain) -> Option<Timestamp> {
        self.due[domain.index()].first().map(|(at, _)| *at)
    }

    /// Takes the first timer that is due at or before `until`. Timers come in the order of time, and those of one time in that of their rows' hashes.
    pub fn pop_due(&mut self, domain: TimerDomain, until: Timestamp) -> Option<(Timestamp, K)> {
        let &(at, hash) = self.due[domain.index()].first().filter(|(at, _)| *at <= until)?;
        let entry = (domain.tag(), at);
        let keys = self.rows.keys_of(hash).filter(|(_, of)| *of == entry).map(|(key, _)| key);
        // Two timers of one time and hash are so rare that it does not matter what they cost, but their order must be the same everywhere.
        let first = keys.min_by(|a, b| K::compare(a.view(), b.view()));
        let first = K::from_view(first.expect("what is in the index of timers has a row").view());
        let is = |(found, of): &TimerKey<K>| *of == entry && K::same(found.view(), first.view());
        let ((key, _), ()) = self.rows.remove_if(hash, is).expect("the row has just been found");
        self.forget(hash, entry);
        Some((at, key))
    }

    fn forget(&mut self, hash: u64, entry: (u8, Timestamp)) {
        forget(&self.rows, &mut self.due, hash, entry);
    }
}

/// Takes a timer without a row out of the index, unless another one has its time and hash.
fn forget<K: Key>(
    rows: &Table<ByEntry<K, (u8, Timestamp)>, ()>,
    due: &mut [BTreeSet<(Timestamp, u64)>; TimerDomain::COUNT],
    hash: u64,
    entry: (u8, Timestamp),
) {
    if !rows.keys_of(hash).any(|(_, of)| *of == entry)
        && let Some(due) = due.get_mut(usize::from(entry.0))
    {
        due.remove(&(entry.1, hash));
    }
}

impl<K: Key> Checkpointed for Timers<K> {
    checkpointed_by_rows!(due => due.iter().map(BTreeSet::len).sum::<usize>() * INDEX_BYTES);

    fn restore_rows(&mut self, rows: &Buffer) {
        self.rows.restore_rows_and(rows, |hash, (_, (tag, at))| {
            if let Some(due) = self.due.get_mut(usize::from(tag)) {
                due.insert((at, hash));
            }
        });
    }
    fn restore_removals(&mut self, removed: &Buffer) {
        let mut gone = Vec::new();
        self.rows.restore_removals_and(removed, |hash, (_, entry)| gone.push((hash, entry)));
        gone.into_iter().for_each(|(hash, entry)| self.forget(hash, entry));
    }
}
