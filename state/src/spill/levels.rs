//! [`Shared`]: what a table has on disk, and the work beside the tasks that keeps it dense.
//!
//! Pending rows that are sealed are written as *runs*. Runs are merged with each other as they become many, and with the *base*, the one file that has
//! most rows, once they have a share of its rows that makes it worth while. What no snapshot has seen stays in runs of its own: they are the next delta.

use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use super::{
    budget::Caches,
    codec::REMOVED,
    error::SpillError,
    filter::Filter,
    merge::Merge,
    pending::Pending,
    run::{Age, Plan, Run},
    scratch::Scratch,
};

/// So many runs of about one size are merged into one.
const FAN_IN: usize = 8;
/// The base is written anew when runs have one row for so many of it: so for each row written back four are written then.
const BASE_SHARE: u64 = 3;
/// The base is written anew, too, when the filters of runs have used up their room and there is a row for so many of it.
const BASE_SHARE_MIN: u64 = 16;
/// So much is merged at a time: while a new base is written, runs must not become many.
const MERGES_LIMIT: usize = 2;
/// And there are at least so many of them.
const BASE_RUNS: usize = 4;

/// Rows that are to be written, and can still be read where they are.
pub(super) struct Sealed {
    pub(super) age: Age,
    pub(super) rows: Arc<Pending>,
}

/// What a table has besides its hot rows and those that are not sealed. It never changes: there is a new one instead.
#[derive(Default, Clone)]
pub(super) struct Levels {
    /// Older ones first, as everywhere here. All of an epoch are newer than the runs of that epoch.
    pub(super) sealed: Vec<Arc<Sealed>>,
    pub(super) runs: Vec<Arc<Run>>,
    /// Older than all of them.
    pub(super) base: Option<Arc<Run>>,
}

impl Levels {
    /// What there is of a key: its row, or that it was removed. `before` is newer than all that was written up to its epoch, and older than what was later.
    pub(super) fn get(&self, key: &[u8], before: &Pending, epoch: u64) -> Result<Option<Vec<u8>>, SpillError> {
        let mut before = Some(before);
        // Both ascend by age, and one is to be asked before the other where it is newer.
        let (mut sealed, mut runs) = (self.sealed.iter().rev().peekable(), self.runs.iter().rev().peekable());
        loop {
            let from_sealed = match (sealed.peek(), runs.peek()) {
                (Some(sealed), Some(run)) => sealed.age > run.age,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                (None, None) => break,
            };
            let age = if from_sealed { sealed.peek().map(|sealed| sealed.age) } else { runs.peek().map(|run| run.age) };
            if age.is_some_and(|age| age.epoch <= epoch)
                && let Some(found) = before.take().and_then(|before| before.get(key))
            {
                return Ok(Some(found.to_vec()));
            }
            let found = match from_sealed {
                true => sealed.next().and_then(|sealed| sealed.rows.get(key)).map(<[u8]>::to_vec),
                false => runs.next().map_or(Ok(None), |run| run.get(key))?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        match before.and_then(|before| before.get(key)) {
            Some(found) => Ok(Some(found.to_vec())),
            None => self.base.as_ref().map_or(Ok(None), |base| base.get(key)),
        }
    }

    /// All that there is, in order.
    pub(super) fn merge_all(&self) -> Result<Merge, SpillError> {
        let mut merge = Merge::default();
        if let Some(base) = &self.base {
            merge.add_run(base)?;
        }
        let (mut sealed, mut runs) = (self.sealed.iter().peekable(), self.runs.iter().peekable());
        while let (Some(_), _) | (_, Some(_)) = (sealed.peek(), runs.peek()) {
            match runs.next_if(|run| sealed.peek().is_none_or(|sealed| run.age < sealed.age)) {
                Some(run) => merge.add_run(run)?,
                None => sealed.next().map_or(Ok(()), |sealed| merge.add_pending(&sealed.rows))?,
            }
        }
        Ok(merge)
    }

    /// What the files have that were written up to this epoch, in order.
    pub(super) fn merge_up_to(&self, to: u64) -> Result<Merge, SpillError> {
        let mut merge = Merge::default();
        self.base.iter().try_for_each(|base| merge.add_run(base))?;
        self.add_epochs(0, to, &mut merge)?;
        Ok(merge)
    }

    /// What was written in these epochs, in order, if it is in files and the base has nothing of it.
    pub(super) fn merge_epochs(&self, after: u64, to: u64) -> Result<Merge, SpillError> {
        let mut merge = Merge::default();
        self.add_epochs(after + 1, to, &mut merge)?;
        Ok(merge)
    }

    fn add_epochs(&self, from: u64, to: u64, merge: &mut Merge) -> Result<(), SpillError> {
        let is_wanted = |run: &&Arc<Run>| (from..=to).contains(&run.age.epoch);
        self.runs.iter().filter(is_wanted).try_for_each(|run| merge.add_run(run))
    }

    /// About how many rows were written in an epoch.
    pub(super) fn rows_of(&self, epoch: u64) -> u64 {
        let sealed =
            self.sealed.iter().filter(|sealed| sealed.age.epoch == epoch).map(|sealed| sealed.rows.len() as u64);
        let runs = self.runs.iter().filter(|run| run.age.epoch == epoch).map(|run| run.rows);
        sealed.sum::<u64>() + runs.sum::<u64>()
    }

    /// How much its files take on the disk, in bytes.
    pub(super) fn file_bytes(&self) -> u64 {
        self.runs.iter().chain(&self.base).map(|run| run.file_bytes()).sum()
    }

    /// What it takes in memory, in bytes.
    pub(super) fn size_bytes(&self) -> usize {
        let sealed = self.sealed.iter().map(|sealed| sealed.rows.size_bytes());
        let runs = self.runs.iter().chain(&self.base).map(|run| run.size_bytes());
        sealed.sum::<usize>() + runs.sum::<usize>()
    }

    /// Which work is worth while, if the base may take what is of an epoch up to `settled`, and these runs are being merged; and filters should take no more than so
    /// many bytes.
    fn work(&self, settled: u64, busy: &[Age], base_busy: bool, filters_limit: usize) -> Option<Work> {
        let is_busy = |run: &Arc<Run>| busy.contains(&run.age);
        let settled = self.runs.partition_point(|run| run.age.epoch <= settled);
        // The base takes what is oldest, so nothing that is older than it may be in other hands.
        let free = self.runs[..settled].iter().position(is_busy).unwrap_or(settled);
        let (base, runs) = (self.base.as_ref().map_or(0, |base| base.rows), &self.runs[..free]);
        let rows = runs.iter().map(|run| run.rows).sum::<u64>();
        let filters = runs.iter().map(|run| run.filter_bytes()).sum::<usize>();
        let share = if filters > filters_limit { BASE_SHARE_MIN } else { BASE_SHARE };
        if !base_busy && free >= BASE_RUNS && rows.saturating_mul(share) >= base {
            return Some(Work::Base(free));
        }
        let mut from = 0;
        while from < self.runs.len() {
            if is_busy(&self.runs[from]) {
                from += 1;
                continue;
            }
            let epoch = self.runs[from].age.epoch;
            let behind = if from < settled { settled } else { self.runs.partition_point(|run| run.age.epoch <= epoch) };
            let behind = self.runs[from..behind].iter().position(is_busy).map_or(behind, |at| from + at);
            let mut begin = behind - 1;
            let mut rows = self.runs[begin].rows;
            while begin > from && self.runs[begin - 1].rows <= rows {
                begin -= 1;
                rows += self.runs[begin].rows;
            }
            if behind - begin >= FAN_IN {
                return Some(Work::Runs(begin, behind));
            }
            from = behind;
        }
        None
    }
}

/// Which files are to be made one.
enum Work {
    /// The base and so many of the oldest runs.
    Base(usize),
    /// These runs.
    Runs(usize, usize),
}

/// The levels of a table, as the task and the work beside it see them.
pub(super) struct Shared {
    scratch: Arc<Scratch>,
    caches: Caches,
    state: Mutex<State>,
    /// Counts up with each change of the levels.
    version: AtomicU64,
    /// The table is gone.
    over: AtomicBool,
    written: Condvar,
    me: Weak<Self>,
}

#[derive(Default)]
struct State {
    levels: Levels,
    /// The base may take what is of an epoch up to this.
    settled: u64,
    /// More comes that it is to take, soon.
    held: bool,
    writing: bool,
    write_asked: bool,
    merge_asked: bool,
    /// The runs that are being merged, by [`MERGES_LIMIT`] at most; and whether the base is.
    busy: Vec<Age>,
    merges: usize,
    base_busy: bool,
    failed: Option<String>,
}

impl State {
    fn next_work(&self, caches: &Caches) -> Option<Work> {
        if self.merges >= MERGES_LIMIT {
            return None;
        }
        self.levels.work(self.settled, &self.busy, self.base_busy || self.held, caches.filters)
    }

    fn merged(&mut self, ages: &[Age], base: bool) {
        self.busy.retain(|age| !ages.contains(age));
        self.merges -= 1;
        self.base_busy &= !base;
    }
}

impl Shared {
    pub(super) fn new(scratch: Arc<Scratch>, caches: Caches, settled: u64) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            scratch,
            caches,
            state: Mutex::new(State { settled, ..State::default() }),
            version: AtomicU64::new(0),
            over: AtomicBool::new(false),
            written: Condvar::new(),
            me: me.clone(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The levels, if they are others than at this version, and their version.
    pub(super) fn levels_since(&self, version: u64) -> Option<(Levels, u64)> {
        if self.version.load(Acquire) == version {
            return None;
        }
        let state = self.state();
        Some((state.levels.clone(), self.version.load(Acquire)))
    }

    /// Why something could not be written or read beside the tasks.
    pub(super) fn failure(&self) -> Option<String> {
        self.state().failed.clone()
    }

    /// Takes in rows that are to be written. Says how many such there are now.
    pub(super) fn seal(&self, age: Age, rows: Pending) -> usize {
        let mut state = self.state();
        let sealed = &mut state.levels.sealed;
        let at = sealed.partition_point(|sealed| sealed.age < age);
        sealed.insert(at, Arc::new(Sealed { age, rows: Arc::new(rows) }));
        let count = sealed.len();
        self.changed(state);
        self.start();
        count
    }

    /// Drops levels that were, beside the task: removing large files takes a while.
    pub(super) fn dispose(&self, levels: Levels, now: &Levels) {
        let same = |a: &Arc<Run>, b: &Arc<Run>| Arc::ptr_eq(a, b);
        let same_base = match (&levels.base, &now.base) {
            (Some(before), Some(now)) => same(before, now),
            (before, _) => before.is_none(),
        };
        if same_base && levels.runs.iter().all(|run| now.runs.iter().any(|other| same(run, other))) {
            return; // no file is only there
        }
        self.scratch.write(move || drop(levels));
    }

    /// The base may take what is of an epoch up to this.
    pub(super) fn settle(&self, epoch: u64) {
        let mut state = self.state();
        state.settled = state.settled.max(epoch);
        drop(state);
        self.start();
    }

    /// The base is left as it is, or not any more: while rows come in order there is no use in writing it again and again.
    pub(super) fn hold_base(&self, held: bool) {
        self.state().held = held;
        self.start();
    }

    /// Stops the work: the table is gone.
    pub(super) fn end(&self) {
        self.over.store(true, Relaxed);
    }

    /// Waits until no more than so many are to be written; writes them here if nobody does. For when all memory is used up.
    pub(super) fn wait(&self, limit: usize) {
        loop {
            self.write_sealed();
            let mut state = self.state();
            while state.writing && state.levels.sealed.len() > limit && state.failed.is_none() {
                state = self.written.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            if state.levels.sealed.len() <= limit || state.failed.is_some() {
                return;
            }
        }
    }

    fn changed(&self, state: MutexGuard<'_, State>) {
        self.version.fetch_add(1, Release);
        drop(state);
    }

    /// Has others do what there is to do.
    fn start(&self) {
        if self.over.load(Relaxed) {
            return;
        }
        let mut state = self.state();
        let is_well = state.failed.is_none();
        let write = is_well && !state.writing && !state.levels.sealed.is_empty();
        let merge = is_well && state.next_work(&self.caches).is_some();
        // Who was asked and has not begun will see all there is to do.
        let (write, merge) = (write && !state.write_asked, merge && !state.merge_asked);
        state.write_asked |= write;
        state.merge_asked |= merge;
        drop(state);
        let Some(me) = self.me.upgrade() else { return };
        if write {
            let me = Arc::clone(&me);
            self.scratch.write(move || me.write_sealed());
        }
        if merge {
            self.scratch.merge(move || me.merge_runs());
        }
    }

    fn plan<'a>(&'a self, age: Age, rows: usize, is_base: bool, is_over: &'a dyn Fn() -> bool) -> Plan<'a> {
        let cache_bytes = if is_base { self.caches.base } else { self.caches.run };
        let filtered = (!is_base || Filter::bytes_of(rows) <= self.caches.filters / 2).then_some(rows);
        Plan { scratch: &self.scratch, age, filtered, cache_bytes, is_over }
    }

    fn failed(&self, error: &dyn std::fmt::Display) {
        let mut state = self.state();
        state.writing = false;
        state.failed.get_or_insert_with(|| error.to_string());
        drop(state);
        self.written.notify_all();
    }

    /// Writes what is sealed, the oldest first, unless somebody does.
    fn write_sealed(&self) {
        let is_over = || self.over.load(Relaxed);
        let mut state = self.state();
        state.write_asked = false;
        if std::mem::replace(&mut state.writing, true) {
            return;
        }
        drop(state);
        let _panics = Panics(self);
        loop {
            let mut state = self.state();
            let next = state.levels.sealed.first().map(Arc::clone).filter(|_| !is_over());
            let Some(sealed) = next else {
                state.writing = false;
                drop(state);
                self.written.notify_all();
                break;
            };
            drop(state);
            let order = sealed.rows.sorted();
            let mut rows = order.iter();
            let plan = self.plan(sealed.age, order.len(), false, &is_over);
            let written = Run::write(&plan, |put| {
                let Some(at) = rows.next() else { return Ok(false) };
                let (key, value) = sealed.rows.entry(*at);
                put(key, value).map(|()| true)
            });
            match written {
                Ok(Some(run)) => {
                    let mut state = self.state();
                    state.levels.sealed.retain(|other| other.age != sealed.age);
                    let at = state.levels.runs.partition_point(|other| other.age < run.age);
                    state.levels.runs.insert(at, Arc::new(run));
                    self.changed(state);
                    self.written.notify_all();
                }
                Ok(None) => {}
                Err(error) => return self.failed(&error),
            }
        }
        self.start();
    }

    /// Merges runs for as long as it is worth while.
    fn merge_runs(&self) {
        let _panics = Panics(self);
        let is_over = || self.over.load(Relaxed);
        self.state().merge_asked = false;
        loop {
            let mut state = self.state();
            let Some(work) = state.next_work(&self.caches).filter(|_| !is_over()) else { return };
            let levels = state.levels.clone();
            let (base, runs) = match work {
                Work::Base(count) => (true, &levels.runs[..count]),
                Work::Runs(from, to) => (false, &levels.runs[from..to]),
            };
            let ages: Vec<Age> = runs.iter().map(|run| run.age).collect();
            state.busy.extend(&ages);
            state.merges += 1;
            state.base_busy |= base;
            drop(state);
            match self.merged(levels.base.as_ref().filter(|_| base), runs, base) {
                Ok(Some(merged)) => {
                    let mut state = self.state();
                    state.merged(&ages, base);
                    state.levels.runs.retain(|run| !ages.contains(&run.age));
                    let merged = Arc::new(merged);
                    if base {
                        state.levels.base = Some(merged);
                    } else {
                        let at = state.levels.runs.partition_point(|other| other.age < merged.age);
                        state.levels.runs.insert(at, merged);
                    }
                    self.changed(state);
                }
                Ok(None) => return, // the table is gone
                Err(error) => return self.failed(&error),
            }
        }
    }

    /// One run of several; if it is to be the base, removed rows need not be told any more.
    fn merged(&self, base: Option<&Arc<Run>>, runs: &[Arc<Run>], to_base: bool) -> Result<Option<Run>, SpillError> {
        let mut merge = Merge::default();
        base.into_iter().chain(runs).try_for_each(|run| merge.add_run(run))?;
        let rows = base.into_iter().chain(runs).map(|run| run.rows as usize).sum();
        let is_over = || self.over.load(Relaxed);
        let age = runs.last().map_or(Age::default(), |run| run.age);
        let plan = self.plan(age, rows, to_base, &is_over);
        Run::write(&plan, |put| {
            let Some((key, value)) = merge.next()? else { return Ok(false) };
            if !to_base || value != [REMOVED] {
                put(key, value)?;
            }
            Ok(true)
        })
    }
}

/// Says so if work ends by a panic: somebody may wait for it.
struct Panics<'a>(&'a Shared);

impl Drop for Panics<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.failed(&"work on spilled state has panicked");
        }
    }
}
