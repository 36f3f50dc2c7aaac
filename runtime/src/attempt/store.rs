//! The store of a job's checkpoints, as whoever drives the job uses it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use futures::lock::Mutex;
use millstream_state::{
    log::{Candidate, CommitError, Leader, OwnerId},
    manifest::Manifest,
    store::CheckpointStore,
};
use tracing::warn;

use super::segments::{Segments, in_dir};
use crate::{env::Env, failure::Failure, settings::CheckpointSettings};

/// The checkpoints of a running job. This process is the one that enters them in the log, until another claims it.
pub(crate) struct JobStore {
    segments: Arc<Segments>,
    leader: Mutex<Leader>,
    next_checkpoint: AtomicU64,
    run: u64,
    /// The entry of the checkpoint that the attempt goes on from; 0 if there is none.
    entry: AtomicU64,
    /// What is there already is not gone on from, until there is a checkpoint of this process.
    fresh: AtomicBool,
}

/// Who else uses the directory of a job's checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Nobody: it is locked.
    Alone,
    /// The processes of a cluster. The log alone says which of them leads.
    Shared,
}

/// Opens a directory of checkpoints.
pub(crate) fn open_dir(dir: &Path, used: Use, env: &Arc<dyn Env>) -> Result<CheckpointStore, Failure> {
    let (spawner, hook) = (Arc::clone(env), Arc::clone(env));
    let opened = match used {
        Use::Alone => CheckpointStore::directory(dir),
        Use::Shared => CheckpointStore::shared(dir),
    };
    Ok(opened
        .map_err(Failure::from_error)?
        .with_blocking(Arc::new(move |work| spawner.blocking(work)))
        .with_hook(Arc::new(move |step| hook.step(step))))
}

impl JobStore {
    /// Claims the checkpoints of a job.
    pub(crate) async fn open(
        job: &str,
        settings: &CheckpointSettings,
        used: Use,
        env: &Arc<dyn Env>,
    ) -> Result<Self, Failure> {
        let dir = settings.dir.clone().unwrap_or_default();
        let checkpoints = open_dir(&dir, used, env)?;
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
            segments: Arc::new(Segments::new(checkpoints, dir, claim, String::new())),
            leader: Mutex::new(leader),
            next_checkpoint: AtomicU64::new(1),
            run,
            entry: AtomicU64::new(0),
            fresh: AtomicBool::new(settings.fresh),
        })
    }

    pub(crate) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// The number of the run: drawn when the job first started, and kept through all restarts.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// The entry of the checkpoint that was found last, if there was one.
    pub(crate) fn entry(&self) -> Option<u64> {
        Some(self.entry.load(Ordering::Relaxed)).filter(|entry| *entry > 0)
    }

    /// Finds the checkpoint to go on from, and clears up what attempts that failed have left.
    pub(crate) async fn recover(&self, env: &dyn Env) -> Result<Option<Arc<Manifest>>, Failure> {
        env.step("checkpoints are read");
        let mut leader = self.leader.lock().await;
        self.entry.store(0, Ordering::Relaxed);
        if self.fresh.load(Ordering::Relaxed) {
            // What is there need not be readable.
            let last = leader.recover().await.map_or(0, |recovery| recovery.last_checkpoint);
            self.next_checkpoint.store(last + 1, Ordering::Relaxed);
            return Ok(None);
        }
        let recovery = leader.recover().await.map_err(|error| {
            self.segments.failure(error).with_hint("`--fresh` begins anew, without what is in the checkpoints")
        })?;
        self.next_checkpoint.store(recovery.last_checkpoint + 1, Ordering::Relaxed);
        self.segments.set_wants_full(!recovery.skipped.is_empty());
        if let Err(error) = leader.sweep().await {
            warn!(%error, "what earlier attempts have left could not be removed");
        }
        env.step("checkpoints were read");
        Ok(recovery.newest.map(|(entry, manifest)| {
            self.entry.store(entry, Ordering::Relaxed);
            Arc::new(manifest)
        }))
    }

    /// The checkpoint that was found last turned out to be damaged: from now on another one is found.
    pub(crate) async fn reject(&self, reason: &str) {
        self.leader.lock().await.reject(self.entry.load(Ordering::Relaxed), reason);
    }

    /// Enters a checkpoint in the log: from then on it counts. Also says whether another process has taken the job over.
    pub(crate) async fn commit(&self, manifest: Manifest) -> (Result<(), Failure>, bool) {
        let committed = self.leader.lock().await.commit(&manifest).await;
        match committed {
            Ok(_) => {
                self.fresh.store(false, Ordering::Relaxed);
                (Ok(()), false)
            }
            Err(error) => {
                let deposed = matches!(error, CommitError::Deposed { .. });
                (Err(self.segments.failure(error)), deposed)
            }
        }
    }

    /// Removes the checkpoints that are too many.
    pub(crate) async fn retain(&self) {
        if let Err(error) = self.leader.lock().await.retain().await {
            warn!(%error, "old checkpoints could not be removed: it is tried again after the next one");
        }
    }

    /// The number of the next checkpoint.
    pub(crate) fn next_checkpoint(&self) -> u64 {
        self.next_checkpoint.load(Ordering::Relaxed)
    }
}
