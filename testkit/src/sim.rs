//! [`SimEnv`]: a world on one thread, from one seed. Which task runs next, how long each step takes and how slow the disk is are drawn from the
//! seed, and time is virtual: the same seed gives the same history, and a run of an hour takes as long as its work.
//!
//! ```
//! use std::time::Duration;
//! use millstream_runtime::env::Env;
//! use millstream_testkit::SimEnv;
//!
//! let sim = SimEnv::new(7);
//! let slept = sim.block_on(async {
//!     let began = sim.now();
//!     sim.sleep(Duration::from_secs(3600)).await;
//!     sim.now().since(began)
//! });
//! assert!(slept >= Duration::from_secs(3600));
//! ```

mod clock;
mod net;
mod task;
#[cfg(test)]
mod tests;

use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures::channel::oneshot;
use millstream_core::time::Timestamp;
use millstream_runtime::env::{BoxFuture, Disk, Env, Files, Instant, Network};

use self::{
    clock::{Clock, Sleep},
    net::SimNetwork,
    task::{TaskId, TaskWaker},
};

/// What the wall clock says when a simulation begins: 2024-01-01T00:00:00Z.
pub const WALL_START: Timestamp = Timestamp::from_millis(1_704_067_200_000);
/// How long a simulation may run unless [`SimEnv::with_time_limit`] says otherwise, in virtual time. A job that only ever looks at its timers again
/// is stuck too, though something is always due: this bound finds it.
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(6 * 3600);
/// The most that one step of a task takes, in virtual nanoseconds.
const POLL_NANOS_LIMIT: u64 = 50_000;
/// The most that blocking work waits for its thread, and takes, in virtual nanoseconds.
const BLOCKING_NANOS_LIMIT: u64 = 5_000_000;

/// A seeded environment on one thread; see the [module](self).
///
/// Tasks run only inside of [`SimEnv::block_on`]. Those that are left when it returns stay, go on in the next call, and are dropped with the
/// environment or by [`SimEnv::drop_tasks`]. (A task that holds its environment keeps it alive: then only the latter helps.)
pub struct SimEnv {
    clock: Arc<Clock>,
    network: SimNetwork,
    /// All tasks, except the one that is being polled.
    tasks: Mutex<BTreeMap<TaskId, Task>>,
    running: AtomicBool,
    time_limit: Duration,
    files: Arc<dyn Files>,
}

struct Task {
    name: String,
    waker: Arc<TaskWaker>,
    future: BoxFuture<'static, ()>,
}

impl SimEnv {
    /// The world of a seed.
    pub fn new(seed: u64) -> Arc<Self> {
        Self::with_time_limit(seed, DEFAULT_TIME_LIMIT)
    }

    /// The world of a seed in which every [`SimEnv::block_on`] must be done within a bound of virtual time.
    pub fn with_time_limit(seed: u64, time_limit: Duration) -> Arc<Self> {
        Self::with(seed, time_limit, Arc::new(Disk))
    }

    /// The world of a seed with a disk of its own: a [`SimDisk`](crate::disk::SimDisk), say.
    pub fn with_files(seed: u64, files: impl Files + 'static) -> Arc<Self> {
        Self::with(seed, DEFAULT_TIME_LIMIT, Arc::new(files))
    }

    fn with(seed: u64, time_limit: Duration, files: Arc<dyn Files>) -> Arc<Self> {
        let clock = Arc::new(Clock::new(seed));
        Arc::new(Self {
            network: SimNetwork::new(clock.clone()),
            clock,
            tasks: Mutex::default(),
            running: AtomicBool::new(false),
            time_limit,
            files,
        })
    }

    /// The seed: what has to be known to see the same history again.
    pub fn seed(&self) -> u64 {
        self.clock.seed()
    }

    /// A hash of the history so far: which task was polled at which virtual time. Two runs with the same hash took the same steps.
    pub fn history(&self) -> u64 {
        self.clock.history()
    }

    /// The names of the tasks that have not ended, in the order in which they were spawned.
    pub fn tasks(&self) -> Vec<String> {
        self.lock_tasks().values().map(|task| task.name.clone()).collect()
    }

    /// Drops the tasks that have not ended, those that are spawned meanwhile included.
    pub fn drop_tasks(&self) {
        // Outside of the lock: what a task owns may wake or spawn others when it is dropped.
        while let Some(task) = { self.lock_tasks().pop_first() } {
            drop(task);
        }
    }

    /// Runs everything until the future is done.
    ///
    /// # Panics
    ///
    /// - If nothing can happen any more and the future is not done, or if that is so after the time limit: names the tasks and the seed.
    /// - If a task panics: passes the panic on, after printing the task and the seed.
    /// - If called inside of itself.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _running = Running::begin(&self.running);
        let deadline = self.clock.now() + self.time_limit;
        let main = TaskWaker::spawn(&self.clock);
        let mut future = pin!(future);
        loop {
            let Some(id) = self.clock.next_runnable() else { self.stuck("deadlock: nothing can run, no timer is set") };
            if self.clock.now() > deadline {
                self.stuck(&format!("not done after {:?} of virtual time", self.time_limit));
            }
            if id == main.id() {
                if let Poll::Ready(done) = self.poll("main", &main, future.as_mut()) {
                    return done;
                }
                continue;
            }
            let task = self.lock_tasks().remove(&id);
            // One that has ended, or the future of an earlier call, may still be woken: nothing happens then.
            if let Some(mut task) = task
                && self.poll(&task.name, &task.waker, task.future.as_mut()).is_pending()
            {
                self.lock_tasks().insert(id, task);
            }
        }
    }

    fn poll<F: Future + ?Sized>(&self, name: &str, waker: &Arc<TaskWaker>, future: Pin<&mut F>) -> Poll<F::Output> {
        self.clock.step(waker.begin());
        let handle = Waker::from(waker.clone());
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(&mut Context::from_waker(&handle))));
        polled.unwrap_or_else(|panic| {
            eprintln!("simulation: task `{name}` panicked at {:?} (seed {})", self.clock.now(), self.seed());
            resume_unwind(panic)
        })
    }

    fn stuck(&self, what: &str) -> ! {
        let mut names = self.tasks();
        names.push("main".to_owned());
        panic!("simulation: {what}; waiting: {} (seed {})", names.join(", "), self.seed());
    }

    fn lock_tasks(&self) -> MutexGuard<'_, BTreeMap<TaskId, Task>> {
        // A panic in a task happens outside of the lock, so what a poisoned lock protects is whole.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Env for SimEnv {
    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>) {
        let waker = TaskWaker::spawn(&self.clock);
        self.lock_tasks().insert(waker.id(), Task { name: name.to_owned(), waker, future });
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn wall(&self) -> Timestamp {
        let elapsed = i64::try_from(self.now().nanos() / 1_000_000).expect("the time limit is below 292 million years");
        Timestamp::from_millis(WALL_START.millis() + elapsed)
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        Box::pin(Sleep::new(self.clock.clone(), at))
    }

    fn random(&self) -> u64 {
        self.clock.draw()
    }

    /// The work is a task of its own: it begins some virtual time from now, also if nobody waits for it, and its end is noticed some time after.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let (sender, receiver) = oneshot::channel::<Result<(), Box<dyn Any + Send>>>();
        let clock = self.clock.clone();
        self.spawn(
            "blocking",
            Box::pin(async move {
                Sleep::for_random(&clock, BLOCKING_NANOS_LIMIT).await;
                let done = catch_unwind(AssertUnwindSafe(work));
                Sleep::for_random(&clock, BLOCKING_NANOS_LIMIT).await;
                let _ = sender.send(done); // the one who asked may have gone away
            }),
        );
        Box::pin(async move {
            match receiver.await {
                Ok(Ok(())) => {}
                Ok(Err(panic)) => resume_unwind(panic),
                // The environment drops its tasks, the one that waits here among them.
                Err(oneshot::Canceled) => futures::future::pending().await,
            }
        })
    }

    fn wait_in_place(&self, _: BoxFuture<'_, ()>) -> bool {
        false
    }

    fn files(&self) -> &dyn Files {
        &*self.files
    }

    /// Connections in memory, among the tasks of this environment.
    fn network(&self) -> &dyn Network {
        &self.network
    }
}

impl Drop for SimEnv {
    fn drop(&mut self) {
        self.drop_tasks();
    }
}

impl fmt::Debug for SimEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimEnv")
            .field("seed", &self.seed())
            .field("now", &self.now())
            .field("tasks", &self.tasks())
            .finish()
    }
}

/// Held while [`SimEnv::block_on`] runs.
struct Running<'a>(&'a AtomicBool);

impl<'a> Running<'a> {
    fn begin(flag: &'a AtomicBool) -> Self {
        assert!(
            !flag.swap(true, Relaxed),
            "`SimEnv::block_on` was called inside of itself: `.await` the future instead"
        );
        Self(flag)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}
