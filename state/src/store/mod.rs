//! [`CheckpointStore`]: the place where checkpoints are kept, a directory or any object store.
//!
//! ```text
//! log/00000000000000000017                    claims and manifests, one object each: see `crate::log`
//! segments/00000000000000000012-<unique>      keyed state: see `crate::segment`
//! lock                                        in a directory: held by the process that writes
//! ```
//!
//! An object store has no lock: whoever claims the log last leads, and who led before finds out with its next entry. It leaves no temporary files either: what
//! an interrupted upload has sent so far is a rule of the store's to remove.

mod compact;
mod directory;
mod error;
mod load;
mod open;
mod read;
mod refusal;
pub mod steps;
mod upload;
mod values;

#[cfg(test)]
mod tests;

use std::{fmt, path::Path as FilePath, sync::Arc};

use futures::{channel::oneshot, future::BoxFuture};
use object_store::{ObjectStore, local::LocalFileSystem, path::Path};

use directory::Directory;
pub use error::StoreError;
pub use load::Loaded;
pub use open::Access;
pub use refusal::Refusal;
pub use upload::SegmentUpload;

/// Runs blocking work, as `Env::blocking` does: on a thread made for it. The future is ready when the work is done.
pub type Blocking = Arc<dyn Fn(Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> + Send + Sync>;

/// Is told the name of every [step](steps) of the protocol. Crash tests stop the process in there.
pub type StepHook = Arc<dyn Fn(&'static str) + Send + Sync>;

/// Below which the segments lie.
pub(crate) const SEGMENTS: &str = "segments";

/// The place where the checkpoints of one job are kept. Clones are of the same place.
#[derive(Clone)]
pub struct CheckpointStore {
    objects: Arc<dyn ObjectStore>,
    directory: Option<Arc<Directory>>,
    blocking: Blocking,
    hook: StepHook,
}

impl CheckpointStore {
    /// Keeps checkpoints in a directory, which is created if it is missing. Until the last clone is dropped, no other process can open it this way.
    ///
    /// It blocks, shortly: open it before the job runs, or off the threads that run tasks.
    ///
    /// # Errors
    ///
    /// Fails if a live process has opened it, or if the file system refuses.
    pub fn directory(path: &FilePath) -> Result<Self, StoreError> {
        let directory = Directory::create_and_lock(path)?;
        // Whatever a manifest names must survive a crash of the machine once the manifest does.
        let objects = Self::files(path)?.with_fsync(true);
        Ok(Self { directory: Some(Arc::new(directory)), ..Self::over(Arc::new(objects)) })
    }

    /// Keeps checkpoints in a directory that the processes of a cluster share; it is created if it is missing. Nothing is locked: the log alone says who leads,
    /// and whoever led before finds out when it makes its next entry.
    ///
    /// It blocks, shortly.
    ///
    /// # Errors
    ///
    /// Fails if the file system refuses.
    pub fn shared(path: &FilePath) -> Result<Self, StoreError> {
        let directory = Directory::create(path)?;
        let objects = Self::files(path)?.with_fsync(true);
        Ok(Self { directory: Some(Arc::new(directory)), ..Self::over(Arc::new(objects)) })
    }

    /// Looks at the checkpoints in a directory, without the lock: a job may be writing there. It is for reading alone.
    ///
    /// # Errors
    ///
    /// Fails if there is no such directory.
    pub fn look_at(path: &FilePath) -> Result<Self, StoreError> {
        Ok(Self::over(Arc::new(Self::files(path)?)))
    }

    fn files(path: &FilePath) -> Result<LocalFileSystem, StoreError> {
        LocalFileSystem::new_with_prefix(path).map_err(|source| {
            StoreError::objects(format!("open the directory of checkpoints {}", path.display()), source)
        })
    }

    /// Keeps checkpoints in any store. It must be strongly consistent, and must create objects conditionally (`PutMode::Create`).
    pub fn over(objects: Arc<dyn ObjectStore>) -> Self {
        let in_place: Blocking = Arc::new(|work| {
            work();
            Box::pin(futures::future::ready(()))
        });
        Self { objects, directory: None, blocking: in_place, hook: Arc::new(|_| {}) }
    }

    /// The same place, with something that runs blocking work: packing and unpacking. Without it, that is done in place.
    pub fn with_blocking(self, blocking: Blocking) -> Self {
        Self { blocking, ..self }
    }

    /// The same place, with something that is told of every step.
    pub fn with_hook(self, hook: StepHook) -> Self {
        Self { hook, ..self }
    }

    pub(crate) fn objects(&self) -> &dyn ObjectStore {
        &*self.objects
    }

    pub(crate) fn step(&self, name: &'static str) {
        (self.hook)(name);
    }

    /// Runs blocking work and gives its result.
    pub(crate) async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (sender, receiver) = oneshot::channel();
        (self.blocking)(Box::new(move || {
            let _ = sender.send(work()); // the one who asked may have gone away
        }))
        .await;
        receiver.await.expect("blocking work runs to its end, or its environment panics")
    }

    /// Removes a directory in which nothing is left. Other stores have none.
    pub(crate) async fn remove_if_empty(&self) -> Result<(), StoreError> {
        match self.directory.clone() {
            Some(directory) => self.blocking(move || directory.remove_if_empty()).await,
            None => Ok(()),
        }
    }

    /// Removes what interrupted uploads have left in a directory. In other stores they leave no objects.
    pub(crate) async fn remove_leftovers(&self, claim: u64) -> Result<(), StoreError> {
        match self.directory.clone() {
            Some(directory) => self.blocking(move || directory.remove_leftovers(claim)).await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for CheckpointStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckpointStore").field("objects", &self.objects).finish_non_exhaustive()
    }
}

/// The object of a segment.
pub(crate) fn segment_path(name: &str) -> Result<Path, StoreError> {
    let path = Path::parse(name).ok().filter(|path| path.parts_count() == 2 && path.as_ref().starts_with("segments/"));
    path.ok_or_else(|| StoreError::Name { name: name.to_owned() })
}
