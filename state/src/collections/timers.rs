//! [`Timers`]: when each key of the stream wants to be called.

use std::collections::BTreeSet;

use millstream_core::{
    buffer::Buffer,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};

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

/// What a timer is besides its key: when it is due, and for what it was set.
pub trait TimerEntry: Key + for<'a> Record<View<'a> = Self> + Copy + PartialEq {
    /// For what it was set.
    type Of;

    /// The timer of a domain that is due then.
    fn new(domain: TimerDomain, at: Timestamp, of: Self::Of) -> Self;
    /// What stands for its domain.
    fn tag(self) -> u8;
    /// When it is due.
    fn at(self) -> Timestamp;
    /// For what it was set.
    fn of(self) -> Self::Of;
}

/// A timer of the key alone.
impl TimerEntry for (u8, Timestamp) {
    type Of = ();

    fn new(domain: TimerDomain, at: Timestamp, (): ()) -> Self {
        (domain.tag(), at)
    }
    fn tag(self) -> u8 {
        self.0
    }
    fn at(self) -> Timestamp {
        self.1
    }
    fn of(self) {}
}

/// A timer of a window of the key.
impl TimerEntry for (u8, Timestamp, Window) {
    type Of = Window;

    fn new(domain: TimerDomain, at: Timestamp, window: Window) -> Self {
        (domain.tag(), at, window)
    }
    fn tag(self) -> u8 {
        self.0
    }
    fn at(self) -> Timestamp {
        self.1
    }
    fn of(self) -> Window {
        self.2
    }
}

/// The timers of all keys of the stream, a set: registering one twice is registering it once.
///
/// Methods that change one take the hash of the stream's key, and the key.
pub struct Timers<K: Key, E: TimerEntry = (u8, Timestamp)> {
    rows: Table<ByEntry<K, E>, ()>,
    /// The times and the rows' hashes, by domain. One of these stands for all timers that have both in common.
    due: Due,
}

type Due = [BTreeSet<(Timestamp, u64)>; TimerDomain::COUNT];

/// What a timer adds to the ordered index, about, in bytes: a node is two thirds full.
const INDEX_BYTES: usize = size_of::<(Timestamp, u64)>() * 3 / 2;

/// True for the key of this timer's row.
#[inline(always)]
fn is<K: Key, E: TimerEntry>(key: K::View<'_>, timer: E) -> impl Fn(&(K, E)) -> bool {
    move |(found, of)| *of == timer && K::same(found.view(), key)
}

impl<K: Key, E: TimerEntry> Timers<K, E> {
    /// No timers, for the keys of these key groups.
    pub fn new(range: GroupRange, tracking: Tracking) -> Self {
        Self { rows: Table::new(range, tracking), due: Default::default() }
    }

    /// Registers a timer; false if there is such a one already.
    pub fn register(&mut self, hash: u64, key: K::View<'_>, timer: E) -> bool {
        let hash = entry_hash(hash, E::hash(timer));
        if self.rows.get_if(hash, is(key, timer)).is_some() {
            return false;
        }
        self.rows.entry_if(hash, is(key, timer), || ((K::from_view(key), timer), ()));
        if let Some(due) = self.due.get_mut(usize::from(timer.tag())) {
            due.insert((timer.at(), hash));
        }
        true
    }

    /// Deletes a timer; false if there is no such one.
    pub fn delete(&mut self, hash: u64, key: K::View<'_>, timer: E) -> bool {
        let hash = entry_hash(hash, E::hash(timer));
        let deleted = self.rows.remove_if(hash, is(key, timer)).is_some();
        if deleted {
            self.forget(hash, timer);
        }
        deleted
    }

    /// When the first timer is due.
    pub fn next(&self, domain: TimerDomain) -> Option<Timestamp> {
        self.due[domain.index()].first().map(|(at, _)| *at)
    }

    /// Takes the first timer that is due at or before `until`. Timers come in the order of time, and those of one time in that of their rows' hashes.
    pub fn pop_due(&mut self, domain: TimerDomain, until: Timestamp) -> Option<(E, K)> {
        let &(at, hash) = self.due[domain.index()].first().filter(|(at, _)| *at <= until)?;
        let alike = |timer: &E| timer.at() == at && timer.tag() == domain.tag();
        let alike = self.rows.keys_of(hash).filter(|(_, timer)| alike(timer));
        // Two timers of one time and hash are so rare that it does not matter what they cost, but their order must be the same everywhere.
        let first = alike.min_by(|a, b| K::compare(a.0.view(), b.0.view()).then_with(|| E::compare(a.1, b.1)));
        let (first, timer) = first.expect("what is in the index of timers has a row");
        let (first, timer) = (K::from_view(first.view()), *timer);
        let ((key, _), ()) = self.rows.remove_if(hash, is(first.view(), timer)).expect("the row has just been found");
        self.forget(hash, timer);
        Some((timer, key))
    }

    fn forget(&mut self, hash: u64, timer: E) {
        forget(&self.rows, &mut self.due, hash, timer);
    }
}

/// Takes a timer without a row out of the index, unless another one has its time and hash.
fn forget<K: Key, E: TimerEntry>(rows: &Table<ByEntry<K, E>, ()>, due: &mut Due, hash: u64, timer: E) {
    if !rows.keys_of(hash).any(|(_, of)| of.at() == timer.at() && of.tag() == timer.tag())
        && let Some(due) = due.get_mut(usize::from(timer.tag()))
    {
        due.remove(&(timer.at(), hash));
    }
}

impl<K: Key, E: TimerEntry> Checkpointed for Timers<K, E> {
    checkpointed_by_rows!(due => due.iter().map(BTreeSet::len).sum::<usize>() * INDEX_BYTES);

    fn restore_rows(&mut self, rows: &Buffer) {
        self.rows.restore_rows_and(rows, |hash, (_, timer)| {
            if let Some(due) = self.due.get_mut(usize::from(timer.tag())) {
                due.insert((timer.at(), hash));
            }
        });
    }
    fn restore_removals(&mut self, removed: &Buffer) {
        let mut gone = Vec::new();
        self.rows.restore_removals_and(removed, |hash, (_, timer)| gone.push((hash, timer)));
        gone.into_iter().for_each(|(hash, timer)| self.forget(hash, timer));
    }
}
