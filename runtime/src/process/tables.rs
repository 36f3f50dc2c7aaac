//! [`Stored`]: rows of state together with their snapshots. The one place that knows how state is opened, stored and read back.

use std::ops::{Deref, DerefMut};

use millstream_core::{key::Key, record::Record};
use millstream_state::{
    backend::Checkpointed,
    collections::{ListRows, MapRows, TimerEntry, Timers},
    groups::GroupRange,
    row::{ByEntry, ByKey, RowKey},
    spill::{Spill, SpillTable},
    table::{Table, Tracking},
};

use super::{StateTable, StateTables};
use crate::{
    checkpoint::{
        keyed::Snapshots,
        subtask::{StateAccess, Upload},
    },
    failure::Failure,
    operator::Wait,
    task::{context::ChainContext, head::Background},
};

/// What state is opened with.
pub struct Opening<'a> {
    pub(crate) chain: &'a ChainContext<'a>,
    pub(crate) access: &'a StateAccess,
}

/// Rows with an order or an index of their own, or without.
pub(crate) trait Collection: Checkpointed + 'static {
    /// What identifies a row.
    type Row: RowKey;
    /// What is in it.
    type Value: Record;

    /// Without rows.
    fn new(groups: GroupRange, tracking: Tracking, spill: Option<&Spill>) -> Self;
    /// Asks the processor for the row of a key of the stream, if that can be foretold.
    #[inline(always)]
    fn prefetch_of(&self, hash: u64) {
        let _ = hash;
    }
}

impl<K: Key, V: Record> Collection for SpillTable<ByKey<K>, V> {
    type Row = ByKey<K>;
    type Value = V;

    fn new(groups: GroupRange, tracking: Tracking, spill: Option<&Spill>) -> Self {
        Self::new(groups, tracking, spill)
    }

    #[inline(always)]
    fn prefetch_of(&self, hash: u64) {
        if self.wants_prefetch() {
            self.prefetch(hash);
        }
    }
}

impl<K: Key, E: Key, V: Record> Collection for MapRows<K, E, V> {
    type Row = ByEntry<K, E>;
    type Value = V;

    fn new(groups: GroupRange, tracking: Tracking, spill: Option<&Spill>) -> Self {
        Self::new(groups, tracking, spill)
    }
}

impl<K: Key, T: Record> Collection for ListRows<K, T> {
    type Row = ByEntry<K, u64>;
    type Value = T;

    fn new(groups: GroupRange, tracking: Tracking, spill: Option<&Spill>) -> Self {
        Self::new(groups, tracking, spill)
    }
}

impl<R: RowKey, V: Record> Collection for Table<R, V> {
    type Row = R;
    type Value = V;

    fn new(groups: GroupRange, tracking: Tracking, _: Option<&Spill>) -> Self {
        Self::new(groups, tracking)
    }
}

impl<K: Key, E: TimerEntry> Collection for Timers<K, E> {
    type Row = ByEntry<K, E>;
    type Value = ();

    fn new(groups: GroupRange, tracking: Tracking, _: Option<&Spill>) -> Self {
        Self::new(groups, tracking)
    }
}

/// The rows of a state, and their snapshots.
pub(crate) struct Stored<C: Collection> {
    rows: C,
    snapshots: Snapshots<C::Row, C::Value>,
}

impl<C: Collection> Stored<C> {
    /// Without rows; those of the checkpoint that the job goes on from are read back later, by [`StateTable::restore`].
    pub(crate) fn open(name: &str, cx: &Opening<'_>) -> Self {
        let snapshots: Snapshots<C::Row, C::Value> = cx.chain.snapshots(name, cx.access);
        let (groups, tracking) = snapshots.blank().parts();
        Self { rows: C::new(groups, tracking, snapshots.spill()), snapshots }
    }

    /// Has no part in a checkpoint, so that what it stored before is gone with the next one.
    pub(super) fn leave_out(&mut self) {
        self.snapshots.start_over();
    }
}

impl<C: Collection> Deref for Stored<C> {
    type Target = C;

    #[inline(always)]
    fn deref(&self) -> &C {
        &self.rows
    }
}

impl<C: Collection> DerefMut for Stored<C> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut C {
        &mut self.rows
    }
}

impl<C: Collection> StateTable for Stored<C> {
    fn measure(&mut self) -> usize {
        self.snapshots.measure(&mut self.rows)
    }

    fn is_full(&mut self) -> bool {
        Checkpointed::is_full(&mut self.rows)
    }

    fn check_freeze(&mut self) -> Result<(), Failure> {
        self.snapshots.check()
    }

    fn freeze(&mut self) -> Result<Upload, Failure> {
        self.snapshots.freeze(&mut self.rows)
    }

    fn walk(&mut self) -> Background {
        self.snapshots.walk(&mut self.rows)
    }

    fn restore(&mut self) -> Wait<'_> {
        let Self { rows, snapshots } = self;
        Box::pin(snapshots.restore(|block| {
            block.restore(rows);
            rows.keep_within_budget();
        }))
    }
}

impl<C: Collection> StateTables for Stored<C> {
    #[inline(always)]
    fn prefetch(&self, hash: u64) {
        self.rows.prefetch_of(hash);
    }

    fn for_each<'a>(&'a mut self, visit: &mut dyn FnMut(&'a mut dyn StateTable)) {
        visit(self);
    }
}
