//! [`OpenWindows`]: the records of the windows that are open, by key, and which of them have been put out.

use std::collections::VecDeque;

use millstream_core::{
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};
use millstream_state::{groups::GroupRange, table::Cursor};

use super::pairing::{FIRE_STEPS_LIMIT, Pairing, Sides};
use crate::{
    checkpoint::{
        keyed::Snapshots,
        subtask::{StateAccess, Upload},
    },
    failure::Failure,
    task::{context::ChainContext, head::Background},
    windows::{
        Assigner,
        kept::{Closed, behind},
        stored::{Closing, SliceTable, StoredSlices},
    },
};

/// The state that has the records of windows that are to be put out.
const WINDOWS_STATE: &str = "windows";
/// The state that has those which have been put out, and are kept for late records.
const KEPT_STATE: &str = "kept";

/// The records of a window.
pub(super) type SidesByKey<K, L, R> = SliceTable<K, Sides<L, R>>;

/// The windows that are open. Each has a table of its own, also where they overlap: a pair is one of a window, and nothing is merged.
pub(super) struct OpenWindows<K: Key, L: Record, R: Record, W> {
    pub(super) windows: W,
    /// The records that are to be put out: a key leaves the table of its window when all its pairs have been. It comes back with a late record.
    pub(super) pending: Tables<K, L, R>,
    /// Where it is from then on, in windows that wait for late records.
    pub(super) kept: Tables<K, L, R>,
    /// How far event time has come.
    pub(super) closed: Closed,
    /// Windows whose last moment is at or before this have closed.
    pub(super) until: Timestamp,
    /// Of those at or before this everything has been put out, but for what late records have come for.
    fired: Timestamp,
    /// How far the first window behind these has been gone through.
    cursor: Cursor,
    /// Windows whose last moment is at or before this may have records in `kept`.
    pub(super) kept_until: Timestamp,
}

/// Tables by window, and those of windows that are over, whose rows are being dropped.
pub(super) struct Tables<K: Key, L: Record, R: Record> {
    pub(super) stored: StoredSlices<K, Sides<L, R>>,
    closing: VecDeque<Closing<K, Sides<L, R>>>,
}

impl<K: Key, L: Record, R: Record> Tables<K, L, R> {
    fn new(state: &str, cx: &ChainContext<'_>, access: &StateAccess) -> Self {
        let snapshots: Snapshots<_, _> = cx.snapshots(state, access);
        Self { stored: StoredSlices::new(snapshots, access.is_checkpointed()), closing: VecDeque::new() }
    }

    /// The table of a window.
    #[inline(always)]
    pub(super) fn of(&mut self, window: Window) -> &mut SidesByKey<K, L, R> {
        match self.stored.slices.get(window) {
            Some(_) => &mut self.stored.slices.get(window).expect("it has just been there").table,
            None => self.stored.open(window, window.max_timestamp()),
        }
    }

    /// Takes the records of a key out.
    pub(super) fn take(&mut self, window: Window, hash: u64, key: K::View<'_>) -> Option<Sides<L, R>> {
        self.stored.slices.get(window)?.table.remove(hash, key)
    }

    fn put(&mut self, window: Window, key: &K, sides: Sides<L, R>) {
        *self.of(window).entry(K::hash(key.view()), key.view(), Default::default) = sides;
    }

    /// Closes windows whose last moment is at or before this, and drops a bounded number of rows; true once nothing is left of them.
    fn drop_until(&mut self, at: Timestamp) -> bool {
        let Self { stored, closing } = self;
        stored.close(stored.slices.over(at), closing);
        stored.drop_closed(closing, FIRE_STEPS_LIMIT)
    }

    fn walk(&mut self) -> Background {
        self.stored.walk(!self.closing.is_empty())
    }
}

impl<K: Key, L: Record, R: Record, W: Assigner> OpenWindows<K, L, R, W> {
    /// Without records; those of the checkpoint that the job goes on from are read back later.
    pub(super) fn new(windows: W, closed: Closed, cx: &ChainContext<'_>, state: &StateAccess) -> Self {
        Self {
            windows,
            pending: Tables::new(WINDOWS_STATE, cx, state),
            kept: Tables::new(KEPT_STATE, cx, state),
            closed,
            until: closed.at,
            fired: Timestamp::MIN,
            cursor: Cursor::default(),
            kept_until: closed.at,
        }
    }

    /// Event time has come so far.
    pub(super) fn pass(&mut self, at: Timestamp) {
        // Behind a restore it may begin further back than it was.
        self.closed.at = self.closed.at.max(at);
        self.kept_until = self.kept_until.max(at);
        self.close_until(at);
    }

    /// Lets all windows fire whose last moment is at or before this, in the steps that follow.
    pub(super) fn close_until(&mut self, at: Timestamp) {
        self.until = self.until.max(at);
    }

    /// True if windows that have closed wait for late records.
    #[inline(always)]
    pub(super) fn waits(&self) -> bool {
        self.closed.lateness_ms > 0
    }

    /// A window of this time that has closed and has this key still to be put out; the records of `current` are not in the tables.
    #[cold]
    pub(super) fn in_the_way(
        &mut self,
        (hash, key): (u64, K::View<'_>),
        at: Timestamp,
        current: Option<&Pairing<K, L, R>>,
    ) -> Option<Window> {
        let Self { windows, pending, closed, .. } = self;
        let mut found = None;
        windows.each_window(at, |window| {
            let has = |table: &SidesByKey<K, L, R>| table.get(hash, key).is_some();
            if window.max_timestamp() <= closed.at
                && window.end > closed.kept()
                && (current.is_some_and(|current| current.window() == window && current.is_of(key))
                    || pending.stored.slices.get(window).is_some_and(|slice| has(&slice.table)))
            {
                found = Some(window);
            }
        });
        found
    }

    /// Rows have been put in or taken out beside the cursor.
    pub(super) fn begin_anew(&mut self) {
        self.cursor = Cursor::default();
    }

    /// Takes the records of a key out that is to be put out before its turn.
    pub(super) fn take(&mut self, window: Window, key: &K) -> Option<Sides<L, R>> {
        self.begin_anew();
        self.pending.take(window, K::hash(key.view()), key.view())
    }

    /// Puts them back, to be put out later.
    pub(super) fn put_back(&mut self, window: Window, key: &K, sides: Sides<L, R>) {
        self.begin_anew();
        self.pending.put(window, key, sides);
    }

    /// Takes the next key out of the windows that have closed.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<(Window, K, Sides<L, R>)> {
        loop {
            let slices = &mut self.pending.stored.slices;
            let place = slices.over(self.fired);
            let next = slices.as_slice().get(place).map(|slice| slice.window);
            let Some(window) = next.filter(|window| window.max_timestamp() <= self.until) else {
                // Also of windows that only late records are still to open.
                self.fired = self.until;
                return None;
            };
            let table = &mut slices.at_mut(place).table;
            table.row_at(&mut self.cursor);
            if let Some((key, sides)) = table.take_at(&self.cursor) {
                return Some((window, key, sides));
            }
            self.cursor = Cursor::default();
            self.fired = window.max_timestamp();
        }
    }

    /// All of a key has been put out.
    #[inline(always)]
    pub(super) fn put_out(&mut self, pairing: Pairing<K, L, R>) {
        if self.waits() && pairing.window().end > behind(self.until, self.closed.lateness_ms) {
            let (key, window, sides, _) = pairing.into_parts();
            self.kept.put(window, &key, sides);
        }
    }

    /// Drops a bounded number of records of windows that are over; true once there are none left.
    pub(super) fn drop_over(&mut self) -> bool {
        let over = Timestamp::from_millis(self.until.millis().saturating_sub(self.closed.lateness_ms));
        self.pending.drop_until(over) && self.kept.drop_until(over)
    }

    /// The key groups of the records.
    pub(super) fn groups(&self) -> GroupRange {
        self.pending.stored.snapshots.groups()
    }

    /// When the first window ends.
    pub(super) fn first_end(&self) -> Option<Timestamp> {
        self.pending.stored.slices.first().map(|window| window.end)
    }

    /// Begins a snapshot.
    pub(super) fn freeze(&mut self) -> Result<Vec<Upload>, Failure> {
        if !self.waits() {
            return Ok(vec![self.pending.stored.freeze()?]);
        }
        // Both or none: tables that are frozen alone would wait in vain for their rows to be uploaded.
        self.pending.stored.snapshots.check()?;
        self.kept.stored.snapshots.check()?;
        Ok(vec![self.pending.stored.freeze()?, self.kept.stored.freeze()?])
    }

    /// A step of copying the rows of a snapshot.
    pub(super) fn walk(&mut self) -> Background {
        match self.pending.walk() {
            Background::Done => self.kept.walk(),
            background => background,
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.pending.stored.size_bytes() + self.kept.stored.size_bytes()
    }

    /// Reads records back.
    pub(super) async fn restore(&mut self) -> Result<(), Failure> {
        self.pending.stored.restore(Window::max_timestamp).await?;
        if self.waits() {
            self.kept.stored.restore(Window::max_timestamp).await?;
            let last = self.kept.stored.slices.as_slice().last().map(|slice| slice.window.max_timestamp());
            self.kept_until = self.kept_until.max(last.unwrap_or(Timestamp::MIN));
        }
        Ok(())
    }
}
