//! [`Env`]: the one door to the outside. Spawning, time, randomness, blocking work, files and connections go through it, so that the same engine
//! runs on tokio, or on one thread from one seed.

mod forward;
pub(crate) mod memory;
mod net;
#[cfg(feature = "tls")]
pub(crate) mod tls;
mod tokio_net;

use std::{
    fmt,
    future::Future,
    io::{self, Read, Seek, Write},
    ops::Add,
    panic::resume_unwind,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};

pub use millstream_core::time::Timestamp;
pub use net::{Connection, Listener, Network, ReadHalf, WriteHalf};

use crate::task::contain::contain;

/// A future on its own.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A point on the monotonic clock of an [`Env`], in nanoseconds since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Instant(u64);

impl Instant {
    /// Nanoseconds since the environment began.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the environment began.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to here; zero if that is not earlier.
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    fn add(self, by: Duration) -> Instant {
        Instant(self.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A file that is open for reading.
pub trait ReadFile: Read + Seek + Send {}
impl<F: Read + Seek + Send> ReadFile for F {}

/// A file that is open for writing.
pub trait WriteFile: Write + Send {
    /// Makes what was written survive a crash of the machine.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn sync(&mut self) -> io::Result<()>;
}

impl WriteFile for std::fs::File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// Files. These calls block: make them inside of [`Env::blocking`], or while a job is built.
pub trait Files: Send + Sync {
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>>;
    /// Creates a file for writing; one that exists is emptied.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;
    /// Opens a file for writing at its end, wherever that is at each write; one that is missing is created.
    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;
    /// Cuts off what a file holds behind its first `len` bytes, and opens it for writing at its end; an error of kind `UnexpectedEof` if it is shorter.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<Box<dyn WriteFile>>;
    /// The length of a file, in bytes; an error if it is something else: a directory, a pipe, a device.
    fn len(&self, path: &Path) -> io::Result<u64>;
    /// True if there is a directory.
    fn is_dir(&self, path: &Path) -> bool;
    /// The paths in a directory, sorted.
    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>>;
    /// Makes a directory and those above it.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes what happened to the names in a directory (files made, renamed, removed) survive a crash of the machine.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Renames a file, atomically on one file system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory with all that is in it.
    fn remove_dir(&self, path: &Path) -> io::Result<()>;
    /// Removes a directory that is empty; an error if it is not.
    fn remove_empty_dir(&self, path: &Path) -> io::Result<()>;
}

/// Where a job runs.
pub trait Env: Send + Sync {
    /// Runs a future on its own. `name` is for traces.
    fn spawn(&self, name: &str, future: BoxFuture<'static, ()>);
    /// The monotonic clock.
    fn now(&self) -> Instant;
    /// The clock on the wall: processing time.
    fn wall(&self) -> Timestamp;
    /// Waits until the monotonic clock has reached a point.
    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()>;
    /// A random number.
    fn random(&self) -> u64;
    /// Runs blocking work on a thread made for it.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()>;
    /// Waits in place, off the threads that run tasks. An environment with one thread cannot, and returns false without waiting.
    fn wait_in_place(&self, future: BoxFuture<'_, ()>) -> bool;
    /// Files.
    fn files(&self) -> &dyn Files;
    /// Connections.
    fn network(&self) -> &dyn Network;

    /// A named step of the checkpoint protocol has been reached: called before and after each, wherever something lasting happens. Does nothing by itself;
    /// tests end the world here, and look whether what is left can be gone on from.
    fn step(&self, name: &'static str) {
        let _ = name;
    }

    /// Waits for a while.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(self.now() + duration)
    }
}

impl fmt::Debug for dyn Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}

/// Runs blocking work and gives its result.
pub async fn blocking<T: Send + 'static>(env: &dyn Env, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = futures::channel::oneshot::channel();
    env.blocking(Box::new(move || {
        let _ = sender.send(work()); // the one who asked may have gone away
    }))
    .await;
    receiver.await.expect("blocking work runs to its end, or the environment panics")
}

/// A future of a task that shares its turns out itself.
pub(crate) type Unbudgeted<F> = tokio::task::Unconstrained<F>;

/// Takes a future of many in one task out of tokio's budget, which counts what a task has done since it was last polled: behind its end every timer and socket says that
/// it is not ready, and wakes the task at once, so that a task with more futures than that would ask most of them in vain.
pub(crate) fn unbudgeted<F>(future: F) -> Unbudgeted<F> {
    tokio::task::unconstrained(future)
}

/// The real world: tokio, the clocks, the file system.
#[derive(Debug)]
pub struct TokioEnv {
    handle: tokio::runtime::Handle,
    began: std::time::Instant,
}

#[allow(clippy::disallowed_methods, reason = "this is the door that the rest of the code is sent to")]
impl TokioEnv {
    /// The environment of the tokio runtime that this is called in.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn current() -> Arc<Self> {
        Arc::new(Self { handle: tokio::runtime::Handle::current(), began: std::time::Instant::now() })
    }

    /// The environments of several runtimes of one process. They have one clock.
    pub(crate) fn of<const N: usize>(handles: [&tokio::runtime::Handle; N]) -> [Arc<dyn Env>; N] {
        let began = std::time::Instant::now();
        handles.map(|handle| Arc::new(Self { handle: handle.clone(), began }) as Arc<dyn Env>)
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the door that the rest of the code is sent to")]
impl Env for TokioEnv {
    fn spawn(&self, _name: &str, future: BoxFuture<'static, ()>) {
        self.handle.spawn(future);
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn wall(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        let at = self.began + Duration::from_nanos(at.0);
        Box::pin(tokio::time::sleep_until(at.into()))
    }

    fn random(&self) -> u64 {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(self.now())
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        // A panic is the failure of the task that waits here, and told as such, once.
        let work =
            self.handle.spawn_blocking(|| contain(work).unwrap_or_else(|failure| resume_unwind(Box::new(failure))));
        Box::pin(async move {
            if let Err(error) = work.await
                && error.is_panic()
            {
                resume_unwind(error.into_panic());
            }
        })
    }

    fn wait_in_place(&self, future: BoxFuture<'_, ()>) -> bool {
        if self.handle.runtime_flavor() != tokio::runtime::RuntimeFlavor::MultiThread {
            return false;
        }
        tokio::task::block_in_place(|| futures::executor::block_on(future));
        true
    }

    fn files(&self) -> &dyn Files {
        &Disk
    }

    fn network(&self) -> &dyn Network {
        &tokio_net::Tcp
    }
}

/// The file system of the machine.
#[derive(Debug, Clone, Copy)]
pub struct Disk;

#[allow(clippy::disallowed_methods, reason = "this is the door that the rest of the code is sent to")]
impl Files for Disk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn ReadFile>> {
        Ok(Box::new(std::fs::File::open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(std::fs::File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(std::fs::OpenOptions::new().append(true).create(true).open(path)?))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<Box<dyn WriteFile>> {
        let file = std::fs::OpenOptions::new().append(true).open(path)?;
        let there = file.metadata()?.len();
        if there < len {
            let short = format!("it has {there} bytes, and should have {len} at least");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, short));
        }
        file.set_len(len)?;
        Ok(Box::new(file))
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file but a pipe, a socket or a device"));
        }
        Ok(metadata.len())
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let mut paths = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        Ok(paths)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }

    /// Directories cannot be opened as files here, and the system keeps them in order by itself.
    #[cfg(not(unix))]
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir_all(path)
    }

    fn remove_empty_dir(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_dir(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{failure::Failure, task::contain::Contained};

    #[test]
    fn a_panic_of_blocking_work_fails_the_task_that_waits_and_names_its_place() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("threads are to be had");
        let failure = runtime.block_on(async {
            let env = TokioEnv::current();
            let waits = async {
                blocking(&*env, || panic!("out of luck")).await;
                Ok::<(), Failure>(())
            };
            Contained::new(waits).await.expect_err("the work panics")
        });
        let message = failure.message();
        assert!(message.starts_with("panicked at runtime/src/env.rs:"), "{message}");
        assert!(message.ends_with(": out of luck"), "{message}");
        assert_eq!(message.matches("panicked").count(), 1);
    }
}
