//! The store of a job's checkpoints, as the job's driver and its subtasks use it.

use std::{
    error::Error,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use futures::lock::Mutex;
use millstream_state::{
    log::{Candidate, CommitError, Leader, OwnerId},
    manifest::Manifest,
    store::{CheckpointStore, SegmentUpload},
};
use tracing::warn;

use crate::{env::Env, failure::Failure, settings::CheckpointSettings};

/// The checkpoints of a running job. The job is their only writer, until another process claims them.
pub(crate) struct JobStore {
    checkpoints: CheckpointStore,
    dir: PathBuf,
    leader: Mutex<Leader>,
    claim: u64,
    /// Numbers segments, so that no two of this claim have one name.
    segments: AtomicU64,
    next_checkpoint: AtomicU64,
    run: u64,
    /// The entry of the checkpoint that the attempt goes on from, and why that cannot be read after all.
    entry: AtomicU64,
    rejected: AtomicBool,
    /// What is there already is not gone on from, until there is a checkpoint of this process.
    fresh: AtomicBool,
    wants_full: AtomicBool,
}

impl JobStore {
    /// Claims the checkpoints of a job.
    pub(super) async fn open(job: &str, settings: &CheckpointSettings, env: &Arc<dyn Env>) -> Result<Self, Failure> {
        let dir = settings.dir.clone().unwrap_or_default();
        let (spawner, hook) = (Arc::clone(env), Arc::clone(env));
        let checkpoints = CheckpointStore::directory(&dir)
            .map_err(Failure::from_error)?
            .with_blocking(Arc::new(move |work| spawner.blocking(work)))
            .with_hook(Arc::new(move |step| hook.step(step)));
        let candidate = Candidate {
            job: job.to_owned(),
            owner: OwnerId(u128::from(env.random()) << 64 | u128::from(env.random())),
            at: env.wall().millis(),
            keep: settings.retained as usize,
            run: env.random(),
            fresh: settings.fresh,
        };
        let leader = checkpoints.claim(candidate).await.map_err(|error| in_dir(&dir, error))?;
        let (claim, run) = (leader.claim_number(), leader.run());
        Ok(Self {
            checkpoints,
            dir,
            leader: Mutex::new(leader),
            claim,
            segments: AtomicU64::new(0),
            next_checkpoint: AtomicU64::new(1),
            run,
            entry: AtomicU64::new(0),
            rejected: AtomicBool::new(false),
            wants_full: AtomicBool::new(false),
            fresh: AtomicBool::new(settings.fresh),
        })
    }

    pub(crate) fn checkpoints(&self) -> &CheckpointStore {
        &self.checkpoints
    }

    /// A segment to be written.
    pub(crate) fn upload(&self) -> SegmentUpload {
        let number = self.segments.fetch_add(1, Ordering::Relaxed);
        self.checkpoints.upload(self.claim, &format!("{number:08}"))
    }

    /// The number of the run: drawn when the job first started, and kept through all restarts.
    pub(super) fn run(&self) -> u64 {
        self.run
    }

    /// True if what is stored may be worse than it looks: then nothing new should depend on it.
    pub(crate) fn wants_full(&self) -> bool {
        self.wants_full.load(Ordering::Relaxed)
    }

    /// Finds the checkpoint to go on from, and clears up what attempts that failed have left.
    pub(super) async fn recover(&self, env: &dyn Env) -> Result<Option<Arc<Manifest>>, Failure> {
        env.step("checkpoints are read");
        let mut leader = self.leader.lock().await;
        if self.fresh.load(Ordering::Relaxed) {
            // What is there need not be readable.
            let last = leader.recover().await.map_or(0, |recovery| recovery.last_checkpoint);
            self.next_checkpoint.store(last + 1, Ordering::Relaxed);
            return Ok(None);
        }
        let recovery = leader.recover().await.map_err(|error| {
            self.failure(error).with_hint("`--fresh` begins anew, without what is in the checkpoints")
        })?;
        self.next_checkpoint.store(recovery.last_checkpoint + 1, Ordering::Relaxed);
        self.wants_full.store(!recovery.skipped.is_empty(), Ordering::Relaxed);
        if let Err(error) = leader.sweep().await {
            warn!(%error, "what earlier attempts have left could not be removed");
        }
        env.step("checkpoints were read");
        Ok(recovery.newest.map(|(entry, manifest)| {
            self.entry.store(entry, Ordering::Relaxed);
            Arc::new(manifest)
        }))
    }

    /// The checkpoint that the attempt goes on from is damaged where nobody had looked: the next goes on from the one before.
    pub(crate) async fn reject(&self, error: impl Error) -> Failure {
        let failure = self.failure(error);
        let reason = failure.message();
        self.leader.lock().await.reject(self.entry.load(Ordering::Relaxed), reason);
        self.rejected.store(true, Ordering::Relaxed);
        failure
    }

    /// A failure of the store, with the place.
    pub(crate) fn failure(&self, error: impl Error) -> Failure {
        in_dir(&self.dir, error)
    }

    /// True, once, if the attempt has failed by a damaged checkpoint.
    pub(super) fn take_rejected(&self) -> bool {
        self.rejected.swap(false, Ordering::Relaxed)
    }

    /// Enters a checkpoint in the log: from then on it counts. Also says whether another process has taken the job over.
    pub(super) async fn commit(&self, manifest: Manifest) -> (Result<(), Failure>, bool) {
        let committed = self.leader.lock().await.commit(&manifest).await;
        match committed {
            Ok(_) => {
                self.fresh.store(false, Ordering::Relaxed);
                (Ok(()), false)
            }
            Err(error) => {
                let deposed = matches!(error, CommitError::Deposed { .. });
                (Err(self.failure(error)), deposed)
            }
        }
    }

    /// Removes the checkpoints that are too many.
    pub(super) async fn retain(&self) {
        if let Err(error) = self.leader.lock().await.retain().await {
            warn!(%error, "old checkpoints could not be removed: it is tried again after the next one");
        }
    }

    /// The number of the next checkpoint.
    pub(super) fn next_checkpoint(&self) -> u64 {
        self.next_checkpoint.load(Ordering::Relaxed)
    }
}

fn in_dir(dir: &Path, error: impl Error) -> Failure {
    Failure::new(format!("{} (in the checkpoints in {})", Failure::from_error(error).message(), dir.display()))
}
