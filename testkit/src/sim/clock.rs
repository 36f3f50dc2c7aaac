//! [`Clock`]: what is drawn from the seed: virtual time, the timers on it, and which of the runnable tasks is next.

use std::{
    collections::BTreeMap,
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use millstream_core::key::combine;
use millstream_runtime::env::Instant;

use super::{POLL_NANOS_LIMIT, task::TaskId};
use crate::rng::Rng;

/// Shared by the environment, its wakers and its timers.
pub(super) struct Clock {
    seed: u64,
    state: Mutex<State>,
}

struct State {
    rng: Rng,
    now: Instant,
    /// Those that were woken and have not been polled since.
    runnable: Vec<TaskId>,
    /// By time, then by age.
    timers: BTreeMap<(Instant, u64), Waker>,
    history: u64,
    tasks_spawned: u64,
    timers_set: u64,
}

impl Clock {
    pub(super) fn new(seed: u64) -> Self {
        let state = State {
            rng: Rng::new(seed),
            now: Instant::default(),
            runnable: Vec::new(),
            timers: BTreeMap::new(),
            history: 0,
            tasks_spawned: 0,
            timers_set: 0,
        };
        Self { seed, state: Mutex::new(state) }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn now(&self) -> Instant {
        self.lock().now
    }

    pub(super) fn history(&self) -> u64 {
        self.lock().history
    }

    pub(super) fn draw(&self) -> u64 {
        self.lock().rng.next_u64()
    }

    pub(super) fn new_task(&self) -> TaskId {
        let mut state = self.lock();
        state.tasks_spawned += 1;
        TaskId(state.tasks_spawned)
    }

    pub(super) fn make_runnable(&self, id: TaskId) {
        self.lock().runnable.push(id);
    }

    /// Takes one of the runnable tasks; if there is none, lets time pass up to the next timer. `None` if there is no timer either.
    pub(super) fn next_runnable(&self) -> Option<TaskId> {
        loop {
            let mut state = self.lock();
            if !state.runnable.is_empty() {
                let count = state.runnable.len();
                let chosen = state.rng.index(count);
                return Some(state.runnable.swap_remove(chosen));
            }
            let (&(at, _), _) = state.timers.first_key_value()?;
            state.now = state.now.max(at);
            let due = state.due();
            drop(state);
            due.into_iter().for_each(Waker::wake);
        }
    }

    /// Writes into the history that a task is polled now, and lets the time pass that it takes.
    pub(super) fn step(&self, id: TaskId) {
        let mut state = self.lock();
        state.history = combine(combine(state.history, state.now.nanos()), id.0);
        let takes = Duration::from_nanos(state.rng.below(POLL_NANOS_LIMIT + 1));
        state.now = state.now + takes;
        let due = state.due();
        drop(state);
        due.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock, except by a broken invariant of this file.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the timers that have been reached, the earliest first. They are to be woken outside of the lock: waking makes a task runnable.
    fn due(&mut self) -> Vec<Waker> {
        let later = self.timers.split_off(&(self.now + Duration::from_nanos(1), 0));
        mem::replace(&mut self.timers, later).into_values().collect()
    }
}

/// Waits until virtual time has reached a point.
pub(super) struct Sleep {
    clock: Arc<Clock>,
    at: Instant,
    /// The age of its timer, once it has one.
    timer: Option<u64>,
}

impl Sleep {
    pub(super) fn new(clock: Arc<Clock>, at: Instant) -> Self {
        Self { clock, at, timer: None }
    }

    /// Waits for a time that is drawn now, from 0 up to `nanos_limit`.
    pub(super) fn for_random(clock: &Arc<Clock>, nanos_limit: u64) -> Self {
        let at = {
            let mut state = clock.lock();
            state.now + Duration::from_nanos(state.rng.below(nanos_limit + 1))
        };
        Self::new(clock.clone(), at)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut state = this.clock.lock();
        if state.now >= this.at {
            return Poll::Ready(());
        }
        let timer = *this.timer.get_or_insert_with(|| {
            state.timers_set += 1;
            state.timers_set
        });
        let replaced = state.timers.insert((this.at, timer), cx.waker().clone());
        drop(state);
        drop(replaced); // outside of the lock: what a waker owns is not known here
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            let removed = self.clock.lock().timers.remove(&(self.at, timer));
            drop(removed); // outside of the lock, as above
        }
    }
}
