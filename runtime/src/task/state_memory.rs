//! What keyed state takes in memory: tasks measure theirs, and the job compares the sum with its share of the budget.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tracing::warn;

use crate::{metrics::Gauge, settings::show_size};

/// After how many steps a task measures its state; also before it waits. Measuring takes microseconds.
const MEASURE_STEPS: u32 = 64;

/// The keyed state of a job in this process. It is told how much more there is than its share, and again whenever that has doubled.
pub(crate) struct StateMemory {
    used: AtomicUsize,
    share: usize,
    /// Above so many bytes there is something to say.
    limit: AtomicUsize,
}

impl StateMemory {
    /// `share` is in bytes.
    pub(crate) fn new(share: usize) -> Self {
        Self { used: AtomicUsize::new(0), share, limit: AtomicUsize::new(share) }
    }

    /// Notes that a task has more or fewer bytes than before. Gives what is to be said about it.
    fn change(&self, before: usize, now: usize) -> Option<String> {
        let used = self.used.fetch_add(now.wrapping_sub(before), Relaxed).wrapping_add(now).wrapping_sub(before);
        let limit = self.limit.load(Relaxed);
        if used < self.share / 2 {
            self.limit.store(self.share, Relaxed);
        }
        if used <= limit || self.limit.compare_exchange(limit, used.saturating_mul(2), Relaxed, Relaxed).is_err() {
            return None;
        }
        let used = show_size((used as u64).next_multiple_of(1 << 20));
        let share = show_size(self.share as u64);
        Some(format!(
            "keyed state takes {used}, which is more than its share of `memory` ({share}): it goes on growing with the number of keys. \
             If this process may have more, raise `memory`"
        ))
    }
}

/// The keyed state of one task.
pub(crate) struct StateMeter {
    gauge: Gauge,
    job: Arc<StateMemory>,
    last: usize,
    steps: u32,
}

impl StateMeter {
    pub(crate) fn new(gauge: Gauge, job: Arc<StateMemory>) -> Self {
        gauge.set(0);
        Self { gauge, job, last: 0, steps: MEASURE_STEPS - 1 }
    }

    /// Counts a step of the task, and measures if it is time to.
    #[inline]
    pub(crate) fn step(&mut self, bytes: impl FnOnce() -> usize) {
        self.steps += 1;
        if self.steps >= MEASURE_STEPS {
            self.measure(bytes());
        }
    }

    /// Measures, if there was a step since it did: the task is about to wait.
    pub(crate) fn idle(&mut self, bytes: impl FnOnce() -> usize) {
        if self.steps > 0 {
            self.measure(bytes());
        }
    }

    fn measure(&mut self, bytes: usize) {
        self.steps = 0;
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
        assert!(job.change(0, 130 * MIB).is_some(), "it was small in between");
    }

    #[test]
    fn a_task_measures_its_first_step_then_some_and_always_before_it_waits() {
        let job = Arc::new(StateMemory::new(MIB));
        let gauge = Gauge::default();
        let mut meter = StateMeter::new(gauge.clone(), Arc::clone(&job));
        meter.step(|| 10);
        assert_eq!(gauge.get(), 10);
        for _ in 1..MEASURE_STEPS {
            meter.step(|| panic!("that is too often"));
        }
        meter.idle(|| 20);
        assert_eq!((gauge.get(), job.used.load(Relaxed)), (20, 20));
        meter.idle(|| panic!("nothing has been done"));
        drop(meter);
        assert_eq!((gauge.get(), job.used.load(Relaxed)), (0, 0));
    }
}
