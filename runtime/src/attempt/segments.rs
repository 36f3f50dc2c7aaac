//! Where the subtasks of an attempt put the rows of their keyed state, and find those of the checkpoint that they go on from.

use std::{
    error::Error,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use millstream_state::{
    location::Location,
    store::{CheckpointStore, SegmentUpload},
};

use crate::failure::Failure;

/// The segments of a job, as its subtasks use them. They are named by the claim of the process that leads the job.
pub(crate) struct Segments {
    checkpoints: CheckpointStore,
    location: Location,
    claim: u64,
    /// Tells the segments of this process from those that others write under the same claim; may be empty where there are no others.
    writer: String,
    /// Numbers segments, so that no two of this process have one name.
    written: AtomicU64,
    wants_full: AtomicBool,
    /// Where the checkpoint is that the attempt goes on from, if it is a savepoint.
    origin: Mutex<Option<CheckpointStore>>,
    /// Why the checkpoint that the attempt goes on from cannot be read after all.
    rejected: Mutex<Option<String>>,
}

impl Segments {
    pub(crate) fn new(checkpoints: CheckpointStore, location: Location, claim: u64, writer: String) -> Self {
        Self {
            checkpoints,
            location,
            claim,
            writer,
            written: AtomicU64::new(0),
            wants_full: AtomicBool::new(false),
            origin: Mutex::default(),
            rejected: Mutex::default(),
        }
    }

    pub(crate) fn checkpoints(&self) -> &CheckpointStore {
        &self.checkpoints
    }

    /// Where they are.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The number of the claim that they are named by.
    pub(crate) fn claim(&self) -> u64 {
        self.claim
    }

    /// A segment to be written.
    pub(crate) fn upload(&self) -> SegmentUpload {
        let (writer, number) = (&self.writer, self.written.fetch_add(1, Ordering::Relaxed));
        self.checkpoints.upload(self.claim, &format!("{writer}{number:08}"))
    }

    /// True if what is stored may be worse than it looks: then nothing new should depend on it.
    pub(crate) fn wants_full(&self) -> bool {
        self.wants_full.load(Ordering::Relaxed)
    }

    pub(crate) fn set_wants_full(&self, wants_full: bool) {
        self.wants_full.store(wants_full, Ordering::Relaxed);
    }

    /// Where the segments are of the checkpoint that the attempt goes on from.
    pub(crate) fn restored_from(&self) -> CheckpointStore {
        let origin = self.origin.lock().unwrap_or_else(PoisonError::into_inner);
        origin.as_ref().unwrap_or(&self.checkpoints).clone()
    }

    /// The attempt goes on from a savepoint in this place, or, without one, from a checkpoint of the job.
    pub(crate) fn set_origin(&self, origin: Option<CheckpointStore>) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    /// The checkpoint that the attempt goes on from is damaged where nobody had looked: the next goes on from the one before.
    pub(crate) fn reject(&self, error: impl Error) -> Failure {
        let failure = self.failure(error);
        let mut rejected = self.rejected.lock().unwrap_or_else(PoisonError::into_inner);
        rejected.get_or_insert_with(|| failure.message().to_owned());
        failure
    }

    /// Why the checkpoint was rejected, once, if it was.
    pub(crate) fn take_rejected(&self) -> Option<String> {
        self.rejected.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// A failure of the store, with the place.
    pub(crate) fn failure(&self, error: impl Error) -> Failure {
        in_location(&self.location, error)
    }
}

/// A failure that says which checkpoints it is about.
pub(crate) fn in_location(location: &Location, error: impl Error) -> Failure {
    Failure::new(format!("{} (in the checkpoints in {location})", Failure::from_error(error).message()))
}
