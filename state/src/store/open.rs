//! Opens stores by [`Location`].

use super::{CheckpointStore, StoreError};
use crate::{
    location::Location,
    objects::Objects,
    remote::{self, ObjectStoreSettings},
};

/// What a store of checkpoints is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// This process alone writes. A directory is locked; in an object store the log alone says who leads, and whoever comes later takes over.
    Alone,
    /// The processes of a cluster write. Nothing is locked.
    Shared,
    /// It is only read, and others may write.
    Read,
}

impl CheckpointStore {
    /// Opens the checkpoints at a location. A directory is created if it is missing and to be written to; a bucket has to be there, which is not looked at yet.
    ///
    /// It blocks, shortly: open it before the job runs, or off the threads that run tasks.
    ///
    /// # Errors
    ///
    /// As [`directory`](Self::directory), [`shared`](Self::shared) and [`look_at`](Self::look_at). Fails for an object store that this program was built without, or
    /// whose settings or credentials make no sense.
    pub fn open(location: &Location, access: Access, settings: &ObjectStoreSettings) -> Result<Self, StoreError> {
        match (location, access) {
            (Location::Directory(path), Access::Alone) => Self::directory(path),
            (Location::Directory(path), Access::Shared) => Self::shared(path),
            (Location::Directory(path), Access::Read) => Self::look_at(path),
            (Location::Remote(remote), _) => Ok(Self::over(remote::open(remote, settings)?)),
        }
    }
}

impl Objects {
    /// Opens the objects at a location, as [`CheckpointStore::open`] opens checkpoints.
    ///
    /// # Errors
    ///
    /// Fails if the file system refuses, for an object store that this program was built without, or whose settings or credentials make no sense.
    pub fn open(location: &Location, settings: &ObjectStoreSettings) -> Result<Self, StoreError> {
        match location {
            Location::Directory(path) => Self::directory(path),
            Location::Remote(remote) => Ok(Self::over(remote::open(remote, settings)?)),
        }
    }
}
