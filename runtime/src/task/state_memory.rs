//! What keyed state takes in memory: tasks measure theirs, and the job compares the sum with its share of the budget.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use millstream_state::spill::Budget;
use tracing::warn;

use crate::{env::Instant, metrics::Gauge, settings::show_size};

/// How often a task measures its state at most. That takes microseconds for each table, of which a window operator has one for each window.
const MEASURE_INTERVAL: Duration = Duration::from_millis(100);

/// State that goes to files keeps within its share give or take this part of it, so nothing is said about so much.
const SLACK: usize = 4;

/// The keyed state of a job in this process. It is told how much more there is than its share, and again whenever that has doubled.
pub(crate) struct StateMemory {
    used: AtomicUsize,
    share: usize,
    /// What of it the states have that can go to files.
    budget: Arc<Budget>,
    /// Above so many bytes there is something to say.
    limit: AtomicUsize,
}

impl StateMemory {
    /// `share` is in bytes.
    pub(crate) fn new(share: usize) -> Self {
        let limit = AtomicUsize::new(share + share / SLACK);
        Self { used: AtomicUsize::new(0), share, budget: Budget::new(share), limit }
    }

    /// What the states share that can go to files.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Notes that a task has more or fewer bytes than before. Gives what is to be said about it.
    fn change(&self, before: usize, now: usize) -> Option<String> {
        let used = self.used.fetch_add(now.wrapping_sub(before), Relaxed).wrapping_add(now).wrapping_sub(before);
        let limit = self.limit.load(Relaxed);
        if used < self.share / 2 {
            self.limit.store(self.share + self.share / SLACK, Relaxed);
        }
        if used <= limit || self.limit.compare_exchange(limit, used.saturating_mul(2), Relaxed, Relaxed).is_err() {
            return None;
        }
        let used = show_size((used as u64).next_multiple_of(1 << 20));
        let share = show_size(self.share as u64);
        Some(format!(
            "keyed state takes {used}, which is more than its share of `memory` ({share}): rows of \
             keys that are not in use go to files, but windows, timers and records that are held back stay in memory and go on growing with the number \
             of keys. If this process may have more, raise `memory`"
        ))
    }
}

/// The keyed state of one task.
pub(crate) struct StateMeter {
    gauge: Gauge,
    job: Arc<StateMemory>,
    last: usize,
    /// When it may be measured again; the first step is measured at once.
    due: Option<Instant>,
}

impl StateMeter {
    pub(crate) fn new(gauge: Gauge, job: Arc<StateMemory>) -> Self {
        gauge.set(0);
        Self { gauge, job, last: 0, due: None }
    }

    /// Takes notice of a step of the task, which may have changed the state, and measures if it is time to. Otherwise gives the time at which it will be: a
    /// task that waits should take a step then.
    #[inline]
    pub(crate) fn step(&mut self, now: Instant, bytes: impl FnOnce() -> usize) -> Option<Instant> {
        if self.due.is_some_and(|due| now < due) {
            return self.due;
        }
        self.due = Some(now + MEASURE_INTERVAL);
        self.measure(bytes());
        None
    }

    fn measure(&mut self, bytes: usize) {
        self.gauge.set(bytes as i64);
        if let Some(message) = self.job.change(std::mem::replace(&mut self.last, bytes), bytes) {
            warn!("{message}");
        }
    }
}

impl Drop for StateMeter {
    fn drop(&mut self) {
        self.gauge.set(0);
        let _ = self.job.change(self.last, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn what_is_above_its_share_is_told_once_and_again_when_it_has_doubled() {
        let job = StateMemory::new(128 * MIB);
        assert_eq!(job.change(0, 100 * MIB), None);
        let told = job.change(0, 92 * MIB).expect("it is above its share");
        assert!(
            told.starts_with("keyed state takes 192MiB, which is more than its share of `memory` (128MiB)"),
            "{told}"
        );
        assert_eq!(job.change(92 * MIB, 200 * MIB), None);
        assert!(job.change(200 * MIB, 400 * MIB).expect("it has doubled").contains("500MiB"));
        assert_eq!(job.change(100 * MIB, 0), None);
        assert_eq!(job.change(400 * MIB, 0), None);
        assert!(job.change(0, 170 * MIB).is_some(), "it was small in between");
    }

    #[test]
    fn a_task_measures_now_and_then_and_is_told_when() {
        let job = Arc::new(StateMemory::new(MIB));
        let gauge = Gauge::default();
        let mut meter = StateMeter::new(gauge.clone(), Arc::clone(&job));
        let began = Instant::default();
        assert_eq!((meter.step(began, || 10), gauge.get()), (None, 10));
        let due = meter.step(began, || panic!("that is too often")).expect("it is due some time");
        assert_eq!(due, began + MEASURE_INTERVAL);
        assert_eq!((meter.step(due, || 20), gauge.get(), job.used.load(Relaxed)), (None, 20, 20));
        drop(meter);
        assert_eq!((gauge.get(), job.used.load(Relaxed)), (0, 0));
    }
}
