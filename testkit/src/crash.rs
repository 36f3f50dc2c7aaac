//! [`CrashEnv`]: a simulated world in which one thing goes wrong: at a chosen time, step of the checkpoint protocol or file operation it ends, or something
//! fails once. What has been written by then is left behind for the next world to go on from.
//!
//! An end is sudden, as that of a process that is killed: no task is polled any more, no file is touched, whatever the tasks' destructors try, and
//! only then is everything dropped.
//!
//! ```
//! use std::time::Duration;
//! use millstream_runtime::env::{Env, Instant};
//! use millstream_testkit::{SimEnv, crash::{CrashEnv, Mishap}};
//!
//! let end = Mishap::EndAt(Instant::default() + Duration::from_secs(5));
//! let world = CrashEnv::new(SimEnv::new(7), end);
//! let slept = world.block_on(async {
//!     world.sleep(Duration::from_secs(10)).await;
//!     "well"
//! });
//! assert_eq!(slept, None);
//! ```

mod files;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use millstream_runtime::{
    env::{BoxFuture, Env, Files, Instant},
    forward_env,
};

use self::files::WorldFiles;
use crate::sim::SimEnv;

/// What messages of failures have in them that are a [`Mishap`]'s.
pub const MISHAP: &str = "a mishap";

/// What goes wrong in a world. Steps and file operations are numbered from 1, those of each name on their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// Nothing.
    None,
    /// The world ends at a point of virtual time.
    EndAt(Instant),
    /// The world ends where a step ([`Env::step`]) is reached for the `nth` time.
    EndAtStep {
        /// The step.
        name: &'static str,
        /// Which time.
        nth: u64,
    },
    /// The world ends in the `nth` operation on a file; of a write, a part of the bytes gets there.
    EndAtFile {
        /// Which operation of all.
        nth: u64,
    },
    /// Whoever reaches a step for the `nth` time panics there.
    PanicAtStep {
        /// The step.
        name: &'static str,
        /// Which time.
        nth: u64,
    },
    /// The `nth` operation on a file fails, unless it only tidies up. Those after it succeed.
    FailFile {
        /// Which operation of all.
        nth: u64,
    },
}

/// A world in which something goes wrong; see the [module](self).
pub struct CrashEnv {
    sim: Arc<SimEnv>,
    world: Arc<World>,
    files: WorldFiles,
}

/// What everything in a world knows of it.
struct World {
    mishap: Mishap,
    is_over: AtomicBool,
    /// Something is being run, rather than dropped.
    is_running: AtomicBool,
    steps: Mutex<BTreeMap<&'static str, u64>>,
    file_operations: AtomicU64,
    /// Whoever waits for the end.
    main: Mutex<Option<Waker>>,
}

/// What unwinds where a world ends. Nobody sees it: what catches it is not polled again.
struct IsOver;

impl CrashEnv {
    /// A world with the time, tasks, random numbers and files of this one.
    pub fn new(sim: Arc<SimEnv>, mishap: Mishap) -> Arc<Self> {
        let world = Arc::new(World {
            mishap,
            is_over: AtomicBool::new(false),
            is_running: AtomicBool::new(false),
            steps: Mutex::default(),
            file_operations: AtomicU64::new(0),
            main: Mutex::default(),
        });
        let files = WorldFiles::new(Arc::clone(&sim), Arc::clone(&world));
        Arc::new(Self { sim, world, files })
    }

    /// Runs everything until the future is done, as [`SimEnv::block_on`] does, or the world is over: then all tasks are dropped and there is no result.
    ///
    /// # Panics
    ///
    /// As [`SimEnv::block_on`].
    pub fn block_on<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut end = match self.world.mishap {
            Mishap::EndAt(at) => Some(self.sim.sleep_until(at)),
            _ => None,
        };
        let done = self.sim.block_on(poll_fn(|cx| {
            *lock(&self.world.main) = Some(cx.waker().clone());
            if end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
                self.world.end();
            }
            match self.world.poll(future.as_mut(), cx) {
                Some(polled) => polled.map(Some),
                None => Poll::Ready(None),
            }
        }));
        lock(&self.world.main).take();
        if self.is_over() {
            self.sim.drop_tasks();
        }
        done
    }

    /// True if it has ended by its mishap.
    pub fn is_over(&self) -> bool {
        self.world.is_over()
    }

    /// How often each step was reached.
    pub fn steps(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.world.steps).clone()
    }

    /// How many operations on files there were.
    pub fn file_operations(&self) -> u64 {
        self.world.file_operations.load(Relaxed)
    }

    /// What it is made of.
    pub fn sim(&self) -> &Arc<SimEnv> {
        &self.sim
    }
}

impl World {
    fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }

    fn end(&self) {
        self.is_over.store(true, Relaxed);
        if let Some(main) = lock(&self.main).take() {
            main.wake();
        }
    }

    fn poll<F: Future + ?Sized>(&self, future: Pin<&mut F>, cx: &mut Context<'_>) -> Option<Poll<F::Output>> {
        self.run(|| future.poll(cx))
    }

    /// Runs a part of the world. No result if the world is over, or is so afterwards.
    fn run<T>(&self, part: impl FnOnce() -> T) -> Option<T> {
        if self.is_over() {
            return None;
        }
        let outer = self.is_running.swap(true, Relaxed);
        let done = catch_unwind(AssertUnwindSafe(part));
        self.is_running.store(outer, Relaxed);
        match done {
            _ if self.is_over() => None,
            Ok(done) => Some(done),
            Err(panic) => resume_unwind(panic),
        }
    }

    fn step(&self, name: &'static str) {
        if self.is_over() {
            return self.stop();
        }
        let count = {
            let mut steps = lock(&self.steps);
            let count = steps.entry(name).or_default();
            *count += 1;
            *count
        };
        match self.mishap {
            Mishap::EndAtStep { name: at, nth } if (at, nth) == (name, count) => {
                self.end();
                self.stop();
            }
            Mishap::PanicAtStep { name: at, nth } if (at, nth) == (name, count) => panic!("{MISHAP} at {name}"),
            _ => {}
        }
    }

    /// Leaves what is running, for good: the world is over. Destructors come here, too, and have nothing to leave.
    fn stop(&self) {
        if self.is_running.load(Relaxed) && !std::thread::panicking() {
            resume_unwind(Box::new(IsOver));
        }
    }
}

impl Env for CrashEnv {
    fn spawn(&self, name: &str, mut future: BoxFuture<'static, ()>) {
        let world = Arc::clone(&self.world);
        let mortal = poll_fn(move |cx| world.poll(future.as_mut(), cx).unwrap_or(Poll::Pending));
        self.sim.spawn(name, Box::pin(mortal));
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let world = Arc::clone(&self.world);
        // If the world is over, whoever waits is not polled again.
        self.sim.blocking(Box::new(move || world.run(work).unwrap_or_default()))
    }

    fn files(&self) -> &dyn Files {
        &self.files
    }

    fn step(&self, name: &'static str) {
        self.world.step(name);
    }

    forward_env!(sim: now, wall, sleep_until, random, wait_in_place, network);
}

impl fmt::Debug for CrashEnv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrashEnv").field("sim", &self.sim).field("mishap", &self.world.mishap).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
