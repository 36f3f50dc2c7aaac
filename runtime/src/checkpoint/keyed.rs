//! Keyed state on its way to checkpoints and back: the task freezes and walks its tables, and hands what it copies to an upload, which sorts, encodes and writes
//! beside the tasks.

use std::{
    collections::VecDeque,
    marker::PhantomData,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use millstream_core::{buffer::PushError, record::Record};
use millstream_state::{
    backend::Checkpointed,
    groups::GroupRange,
    manifest::{KeyedPart, SegmentRef},
    row::RowKey,
    segment::{Block, SegmentWriter},
    snapshot::{Frozen, Namespace, SnapshotKind},
    spill::{Spill, SpillTable},
    table::{Table, Tracking, Walked},
};
use tracing::warn;

use super::subtask::{StateAccess, Upload};
use crate::{
    attempt::segments::Segments,
    env::{Env, blocking},
    failure::Failure,
    metrics::Gauge,
    task::{flag::Flag, head::Background},
};

/// How many rows are copied in a step of the background: as many as take no longer than a batch does.
const WALK_ROWS: usize = 4_096;
/// How many ranges wait to be encoded; when there are more, the walk pauses. (A range is a shard of a table.) So few that what is copied is still in the
/// processor's caches when it is read.
const RANGES_LIMIT: usize = 2;
/// A snapshot is a full one if more than this share of the rows has changed: a delta would hardly be smaller, and there is none to merge.
const FULL_SHARE: f64 = 0.5;
/// A chain of segments that is longer is merged into one, in the background.
const CHAIN_LIMIT: usize = 8;

/// The snapshots of one keyed state of a subtask.
pub(crate) struct Snapshots<R: RowKey, V: Record> {
    state: String,
    groups: GroupRange,
    access: StateAccess,
    /// `None` in a job without checkpoints.
    store: Option<Arc<Segments>>,
    env: Arc<dyn Env>,
    chain: Arc<Mutex<Chain>>,
    /// Where the copied rows of the snapshot under way go.
    sender: Option<mpsc::Sender<Piece>>,
    /// What is copied and has no room there yet; no more than has been copied before it was written again, and one range.
    backlog: VecDeque<Piece>,
    given_up: bool,
    /// Ends what goes on in the background when the subtask does.
    gone: Flag,
    spilling: Option<Spilling>,
    rows: PhantomData<fn() -> (R, V)>,
}

/// Where rows go that do not fit into memory, and where it is said how much they are.
pub(crate) struct Spilling {
    pub(crate) spill: Spill,
    /// What files take of all states of the operator, in bytes.
    pub(crate) file_bytes: Gauge,
    /// What this state has added to that.
    pub(crate) said: i64,
    /// It was told that rows are in files.
    pub(crate) told: bool,
}

impl Spilling {
    fn say(&mut self, bytes: i64) {
        self.file_bytes.add(bytes - std::mem::replace(&mut self.said, bytes));
    }
}

impl Drop for Spilling {
    fn drop(&mut self) {
        self.say(0);
    }
}

/// Makes the tables of a state.
#[derive(Clone, Copy)]
pub(crate) struct Blank {
    groups: GroupRange,
    tracked: bool,
}

impl Blank {
    /// The key groups of a table, and whether its changes are marked.
    pub(crate) fn parts(self) -> (GroupRange, Tracking) {
        (self.groups, if self.tracked { Tracking::Changes } else { Tracking::None })
    }

    /// An empty table of which there will be no snapshots.
    pub(crate) fn untracked<R: RowKey, V: Record>(self) -> Table<R, V> {
        Table::new(self.groups, Tracking::None)
    }

    /// An empty table.
    pub(crate) fn table<R: RowKey, V: Record>(self) -> Table<R, V> {
        let (groups, tracking) = self.parts();
        Table::new(groups, tracking)
    }
}

/// What is stored of a state by now.
#[derive(Default)]
struct Chain {
    segments: Vec<SegmentRef>,
    /// Something was lost on the way to the store, so a delta would not do.
    broken: bool,
    /// A snapshot is being written.
    writing: bool,
    /// Segments are being merged.
    merging: bool,
}

/// A snapshot that is being written, unless it has been. It may never be: it fails, or nobody wants it any more because another one of its operator has.
struct Writing(Option<Arc<Mutex<Chain>>>);

impl Writing {
    fn done(&mut self, chain: &mut Chain) {
        self.0 = None;
        chain.writing = false;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(chain) = &self.0 {
            let mut chain = lock(chain);
            (chain.writing, chain.broken) = (false, true);
        }
    }
}

/// A part of a snapshot on its way.
enum Piece {
    Range(Namespace, Frozen),
    /// That was all.
    End,
}

impl<R: RowKey, V: Record> Snapshots<R, V> {
    pub(crate) fn new(
        state: &str,
        groups: GroupRange,
        access: StateAccess,
        store: Option<Arc<Segments>>,
        env: Arc<dyn Env>,
        spilling: Option<Spilling>,
    ) -> Self {
        Self {
            state: state.to_owned(),
            groups,
            access,
            store,
            env,
            chain: Arc::default(),
            sender: None,
            backlog: VecDeque::new(),
            given_up: false,
            gone: Flag::default(),
            spilling,
            rows: PhantomData,
        }
    }

    /// A table for rows of this state.
    pub(crate) fn table(&self) -> Table<R, V> {
        self.blank().table()
    }

    /// A table for rows of this state that need not fit into memory.
    pub(crate) fn spill_table(&self) -> SpillTable<R, V> {
        let (groups, tracking) = self.blank().parts();
        SpillTable::new(groups, tracking, self.spill())
    }

    /// Where rows go that do not fit into memory.
    pub(crate) fn spill(&self) -> Option<&Spill> {
        self.spilling.as_ref().map(|spilling| &spilling.spill)
    }

    /// What a table takes in memory, in bytes, once it has made room if that is too much.
    pub(crate) fn measure(&mut self, table: &mut impl Checkpointed) -> usize {
        if let Some(spilling) = &mut self.spilling {
            if table.keep_within_budget() && !std::mem::replace(&mut spilling.told, true) {
                warn!(
                    operator = self.access.operator(),
                    state = self.state,
                    "keyed state takes more than its share of `memory`: rows that are not in use are kept in files from now on, in {}. \
                     If this process may have more, raise `memory`",
                    spilling.spill.scratch,
                );
            }
            spilling.say(table.file_bytes() as i64);
        }
        table.size_bytes()
    }

    /// What makes tables as [`Snapshots::table`] does, and borrows nothing.
    pub(crate) fn blank(&self) -> Blank {
        Blank { groups: self.groups, tracked: self.store.is_some() }
    }

    /// The key groups of its rows.
    pub(crate) fn groups(&self) -> GroupRange {
        self.groups
    }

    /// Makes the next snapshot a full one.
    pub(crate) fn start_over(&mut self) {
        lock(&self.chain).broken = true;
    }

    /// True while the rows of a snapshot are being copied.
    pub(crate) fn is_copying(&self) -> bool {
        self.sender.is_some()
    }

    /// Whether a snapshot can begin.
    ///
    /// # Errors
    ///
    /// If the one before is still being written.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        if self.sender.as_ref().is_some_and(mpsc::Sender::is_closed) {
            self.give_up();
        }
        if lock(&self.chain).writing || self.is_copying() {
            return Err(Failure::new(format!(
                "the snapshot before is still being written: state `{}` takes longer than the checkpoint interval",
                self.state
            ))
            .with_hint("raise `checkpoint.interval` or `checkpoint.timeout`"));
        }
        Ok(())
    }

    /// Which kind of snapshot comes next, given how many rows have changed. Begins it.
    ///
    /// # Errors
    ///
    /// If the one before is still being written.
    pub(crate) fn kind(&mut self, dirty_share: f64) -> Result<SnapshotKind, Failure> {
        self.check()?;
        let mut chain = lock(&self.chain);
        chain.writing = true;
        let delta = !chain.broken && !chain.segments.is_empty() && dirty_share <= FULL_SHARE;
        Ok(if delta { SnapshotKind::Delta } else { SnapshotKind::Full })
    }

    /// Opens the way for the rows of a snapshot. `dropped` are the namespaces that have gone since the last one.
    pub(crate) fn begin(&mut self, kind: SnapshotKind, dropped: Vec<Namespace>) -> Upload {
        let (sender, pieces) = mpsc::channel(RANGES_LIMIT);
        self.sender = Some(sender);
        let Some(store) = self.store.clone() else {
            return Box::pin(std::future::ready(Err(Failure::new("there is no store for checkpoints"))));
        };
        let (chain, env, gone) = (Arc::clone(&self.chain), Arc::clone(&self.env), self.gone.clone());
        let (state, groups, mut writing) = (self.state.clone(), self.groups, Writing(Some(Arc::clone(&chain))));
        Box::pin(async move {
            let segment = write::<R, V>(&store, &*env, groups, kind, dropped, pieces).await?;
            let mut stored = lock(&chain);
            writing.done(&mut stored);
            if kind == SnapshotKind::Full {
                stored.segments.clear();
                stored.broken = false;
            }
            stored.segments.extend(segment);
            let part = KeyedPart { state, groups, segments: stored.segments.clone() };
            if part.segments.len() > CHAIN_LIMIT && !std::mem::replace(&mut stored.merging, true) {
                drop(stored);
                let merge = merge::<R, V>(store, Arc::clone(&chain), part.clone(), groups);
                env.spawn(
                    "merge of segments",
                    Box::pin(async move {
                        let (merge, gone) = (std::pin::pin!(merge), std::pin::pin!(gone.wait()));
                        if let Either::Right(_) = select(merge, gone).await {
                            // Its subtask is gone, and what it has written so far is swept.
                        }
                    }),
                );
            }
            Ok(part)
        })
    }

    /// Hands on a range that is completely copied.
    pub(crate) fn offer(&mut self, namespace: Namespace, frozen: Frozen) {
        if self.sender.is_some() {
            self.backlog.push_back(Piece::Range(namespace, frozen));
            self.pump();
        }
    }

    /// Says that all rows are copied.
    pub(crate) fn end(&mut self) {
        self.backlog.push_back(Piece::End);
        self.pump();
    }

    /// Gives the snapshot up: it cannot be completed.
    pub(crate) fn give_up(&mut self) {
        (self.sender, self.backlog, self.given_up) = (None, VecDeque::new(), true);
    }

    /// True, once, if a snapshot was given up: its tables are still frozen.
    pub(crate) fn take_given_up(&mut self) -> bool {
        std::mem::take(&mut self.given_up)
    }

    /// True if more may be copied now.
    pub(crate) fn has_room(&mut self) -> bool {
        self.pump();
        self.backlog.is_empty()
    }

    /// Passes on what has room.
    fn pump(&mut self) {
        while let Some(piece) = self.backlog.pop_front() {
            let Some(sender) = &mut self.sender else { break };
            let is_end = matches!(piece, Piece::End);
            match sender.try_send(piece) {
                Ok(()) if is_end => self.sender = None,
                Ok(()) => {}
                Err(error) if error.is_full() => {
                    self.backlog.push_front(error.into_inner());
                    break;
                }
                // Nobody writes it any more: the attempt is ending, or the store has failed.
                Err(_) => self.give_up(),
            }
        }
    }

    /// Freezes a state that is in one table. What becomes of it is part of the operator's report.
    ///
    /// # Errors
    ///
    /// If the snapshot before is still being written.
    pub(crate) fn freeze(&mut self, table: &mut impl Checkpointed) -> Result<Upload, Failure> {
        let kind = self.kind(table.dirty_share())?;
        table.freeze(kind);
        Ok(self.begin(kind, Vec::new()))
    }

    /// A step of copying the rows of a state that is in one table.
    pub(crate) fn walk(&mut self, table: &mut impl Checkpointed) -> Background {
        if !self.is_copying() {
            if self.take_given_up() {
                table.abandon();
            }
            return Background::Done;
        }
        if !self.has_room() {
            return Background::Later;
        }
        match step(self, table, Namespace::default()) {
            Walk::More => return Background::More,
            Walk::Later => return Background::Later,
            Walk::Done => self.end(),
            Walk::Failed => self.give_up(),
        }
        if self.is_copying() { Background::Later } else { Background::Done }
    }

    /// Reads the rows back that this subtask has in the checkpoint that the job goes on from.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub(crate) async fn restore(&mut self, mut each: impl FnMut(&Block<R, V>)) -> Result<(), Failure> {
        let parts = self.access.restored().keyed(&self.state, self.groups);
        let Some(store) = &self.store else { return Ok(()) };
        self.env.step("state is read back");
        let (from, mut migrated) = (store.restored_from(), false);
        for part in &parts {
            let loaded = from.load::<R, V>(part, self.groups, |_, block| each(block)).await;
            match loaded {
                Ok(loaded) => migrated |= loaded.migrated,
                Err(error) if error.is_damage() => return Err(store.reject(error)),
                Err(error) => {
                    let failure = store.failure(error);
                    return Err(Failure::new(format!(
                        "state `{}` cannot be read back: {}",
                        self.state,
                        failure.message()
                    )));
                }
            }
        }
        // What a subtask with the same groups had stored goes on to count; what others had, and what was of an earlier version, is written anew.
        if let [part] = &parts[..]
            && part.groups == self.groups
            && !migrated
            && !store.wants_full()
        {
            lock(&self.chain).segments.clone_from(&part.segments);
        }
        self.env.step("state was read back");
        Ok(())
    }
}

impl<R: RowKey, V: Record> Drop for Snapshots<R, V> {
    fn drop(&mut self) {
        self.gone.set();
    }
}

/// Puts a block of a segment into the only table of a state that need not fit into memory.
pub(crate) fn restore_spilling<R: RowKey, V: Record>(table: &mut SpillTable<R, V>, block: &Block<R, V>) {
    block.restore(table);
    table.keep_within_budget();
}

/// Puts a block of a segment into the only table of a state.
pub(crate) fn restore_block<R: RowKey, V: Record>(table: &mut Table<R, V>, block: &Block<R, V>) {
    for (hash, key) in block.removed() {
        table.restore_removed(hash, key);
    }
    for (hash, key, value) in block.rows() {
        table.restore_row(hash, key, value);
    }
}

/// What came of a step of a walk.
pub(crate) enum Walk {
    More,
    Later,
    Done,
    Failed,
}

/// A step of copying the rows of a table.
pub(crate) fn step<R: RowKey, V: Record>(
    snapshots: &mut Snapshots<R, V>,
    table: &mut impl Checkpointed,
    namespace: Namespace,
) -> Walk {
    match table.walk(WALK_ROWS) {
        Ok(Walked::More) => Walk::More,
        Ok(Walked::Later) => Walk::Later,
        Ok(Walked::Range(frozen)) => {
            snapshots.offer(namespace, frozen);
            Walk::More
        }
        Ok(Walked::Done) => Walk::Done,
        Err(error) => {
            too_large(&snapshots.state, &error);
            table.abandon();
            Walk::Failed
        }
    }
}

#[cold]
fn too_large(state: &str, error: &PushError) {
    warn!(state, %error, "a row cannot be made part of a snapshot");
}

fn lock(chain: &Mutex<Chain>) -> MutexGuard<'_, Chain> {
    chain.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sorts, encodes and writes the ranges of a snapshot, as they come. Nothing is stored of a delta that says nothing.
async fn write<R: RowKey, V: Record>(
    store: &Segments,
    env: &dyn Env,
    groups: GroupRange,
    kind: SnapshotKind,
    dropped: Vec<Namespace>,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<Option<SegmentRef>, Failure> {
    let says_nothing = kind == SnapshotKind::Delta && dropped.is_empty();
    let mut upload = store.upload();
    let mut writer = SegmentWriter::<R, V>::new(groups, kind, dropped);
    let mut out = Vec::<Bytes>::new();
    let written = async {
        loop {
            match pieces.next().await {
                Some(Piece::Range(namespace, frozen)) => {
                    let encoded = blocking(env, move || {
                        let mut out = Vec::new();
                        let result = writer.push(namespace, &frozen, &mut out);
                        (writer, out, result)
                    });
                    let result;
                    (writer, out, result) = encoded.await;
                    result.map_err(|error| store.failure(error))?;
                    for piece in out.drain(..) {
                        upload.push(piece).await.map_err(|error| store.failure(error))?;
                    }
                }
                Some(Piece::End) => break,
                None => return Err(Failure::new("the rows of a snapshot are not complete")),
            }
        }
        let summary = writer.finish(&mut out);
        if says_nothing && summary.rows + summary.tombstones == 0 {
            return Ok(None);
        }
        for piece in out {
            upload.push(piece).await.map_err(|error| store.failure(error))?;
        }
        Ok(Some(summary))
    }
    .await;
    match written {
        Ok(None) => {
            let _ = upload.abort().await; // nothing has changed
            Ok(None)
        }
        Ok(Some(summary)) => {
            let name = upload.name().to_owned();
            let bytes = upload.finish().await.map_err(|error| store.failure(error))?;
            let rows = summary.rows + summary.tombstones;
            Ok(Some(SegmentRef { name, bytes, rows, full: kind == SnapshotKind::Full }))
        }
        Err(failure) => {
            let _ = upload.abort().await; // what stays is swept
            Err(failure)
        }
    }
}

/// Makes one segment of a chain, and puts it in their place.
async fn merge<R: RowKey, V: Record>(
    store: Arc<Segments>,
    chain: Arc<Mutex<Chain>>,
    part: KeyedPart,
    groups: GroupRange,
) {
    let merged = store.checkpoints().compact::<R, V>(&part, groups, store.upload()).await;
    let mut stored = lock(&chain);
    stored.merging = false;
    match merged {
        // Unless a full snapshot has replaced them meanwhile.
        Ok(segment) if stored.segments.starts_with(&part.segments) => {
            stored.segments.splice(..part.segments.len(), [segment]);
        }
        Ok(_) => {}
        Err(error) => {
            warn!(state = part.state, %error, "segments could not be merged: the next snapshot is a full one");
            stored.broken = true;
        }
    }
}
