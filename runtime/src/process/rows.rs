//! [`KeyRows`]: a row for each key, as the fields of a state use it: [`Plain`], or with a time to live, [`ExpiringRows`].

use std::cell::Cell;

use millstream_core::{key::Key, record::Record, schema::Schema, time::Timestamp};
use millstream_state::{row::ByKey, spill::SpillTable};

use super::{
    Hashed, Opening, StateTable, StateTables,
    tables::Stored,
    ttl::{Expiry, SWEEP_ROWS, Ttl},
};
use crate::{checkpoint::subtask::Upload, failure::Failure, operator::Wait, task::head::Background};

/// A row for each key.
pub trait KeyRows<K: Key, V: Record>: StateTables {
    /// What is stored in a row.
    const STORED: &'static Schema;

    /// Nothing that was got is looked at any more.
    fn release(&mut self);
    /// The value of a key, if it has one that can be seen.
    fn get(&self, key: Hashed<'_, K>) -> Option<&V>;
    /// The value of a key, which counts as written; made if there is none that can be seen.
    fn entry(&mut self, key: Hashed<'_, K>, make: impl FnOnce() -> V) -> &mut V;
    /// Removes the row of a key.
    fn remove(&mut self, key: Hashed<'_, K>);
    /// Nobody looks at the row of this key any more, for now.
    fn done_with(&mut self, key: Hashed<'_, K>);
}

/// Rows that stay until they are removed.
pub struct Plain<K: Key, V: Record>(Stored<SpillTable<ByKey<K>, V>>);

impl<K: Key, V: Record> Plain<K, V> {
    pub(super) fn open(name: &str, cx: &Opening<'_>) -> Self {
        Self(Stored::open(name, cx))
    }
}

impl<K: Key, V: Record> StateTables for Plain<K, V> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.0.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        self.0.for_each(visit);
    }
}

impl<K: Key, V: Record> KeyRows<K, V> for Plain<K, V> {
    const STORED: &'static Schema = V::SCHEMA;

    #[inline(always)]
    fn release(&mut self) {
        self.0.release();
    }

    #[inline(always)]
    fn get(&self, key: Hashed<'_, K>) -> Option<&V> {
        self.0.get(key.hash, key.key)
    }

    #[inline(always)]
    fn entry(&mut self, key: Hashed<'_, K>, make: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key.hash, key.key, make)
    }

    #[inline(always)]
    fn remove(&mut self, key: Hashed<'_, K>) {
        self.0.remove(key.hash, key.key);
    }

    #[inline(always)]
    fn done_with(&mut self, _: Hashed<'_, K>) {}
}

/// Rows that are over some time after they were last used.
pub struct ExpiringRows<K: Key, V: Record> {
    rows: Stored<SpillTable<ByKey<K>, (Timestamp, V)>>,
    expiry: Expiry,
    /// The row that is looked at was read.
    was_read: Cell<bool>,
}

impl<K: Key, V: Record> ExpiringRows<K, V> {
    pub(super) fn open(name: &str, cx: &Opening<'_>, ttl: Ttl) -> Self {
        let expiry = Expiry::new(ttl, cx.chain.clock.clone());
        Self { rows: Stored::open(name, cx), expiry, was_read: Cell::new(false) }
    }
}

impl<K: Key, V: Record> KeyRows<K, V> for ExpiringRows<K, V> {
    const STORED: &'static Schema = <(Timestamp, V) as Record>::SCHEMA;

    #[inline(always)]
    fn release(&mut self) {
        self.rows.release();
    }

    #[inline]
    fn get(&self, key: Hashed<'_, K>) -> Option<&V> {
        let (used, value) = self.rows.get(key.hash, key.key)?;
        if !self.expiry.shows(*used) {
            return None;
        }
        self.was_read.set(true);
        Some(value)
    }

    #[inline]
    fn entry(&mut self, key: Hashed<'_, K>, make: impl FnOnce() -> V) -> &mut V {
        let now = self.expiry.now();
        let mut make = Some(make);
        let mut made = || make.take().expect("a row is made once")();
        let (used, value) = self.rows.entry(key.hash, key.key, || (now, made()));
        if !self.expiry.shows(*used) {
            *value = made();
        }
        *used = now;
        value
    }

    #[inline]
    fn remove(&mut self, key: Hashed<'_, K>) {
        self.rows.remove(key.hash, key.key);
    }

    #[inline]
    fn done_with(&mut self, key: Hashed<'_, K>) {
        if !self.was_read.take() || !self.expiry.counts_reads() {
            return;
        }
        let now = self.expiry.now();
        let Some(used) = self.rows.get(key.hash, key.key).map(|(used, _)| *used) else { return };
        // What is over was seen, and stays over. Writing the same again would only make the next snapshot larger.
        if used < now && !self.expiry.is_over(used) {
            self.rows.entry(key.hash, key.key, || unreachable!("it was there")).0 = now;
        }
    }
}

impl<K: Key, V: Record> StateTables for ExpiringRows<K, V> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.rows.prefetch(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        visit(self);
    }
}

impl<K: Key, V: Record> StateTable for ExpiringRows<K, V> {
    fn measure(&mut self) -> usize {
        self.rows.measure()
    }

    fn is_full(&mut self) -> bool {
        StateTable::is_full(&mut self.rows)
    }

    fn check_freeze(&mut self) -> Result<(), Failure> {
        self.rows.check_freeze()
    }

    fn freeze(&mut self) -> Result<Upload, Failure> {
        self.rows.freeze()
    }

    /// Between snapshots it looks for rows that are over.
    fn walk(&mut self) -> Background {
        let background = self.rows.walk();
        if background == Background::Done
            && let Some(is_over) = self.expiry.sweeps()
        {
            self.rows.sweep(&mut self.expiry.cursor, SWEEP_ROWS, |(used, _)| is_over(*used), |_| ());
        }
        background
    }

    fn restore(&mut self) -> Wait<'_> {
        self.rows.restore()
    }
}
