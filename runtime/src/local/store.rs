//! The store of a job's checkpoints, as the job's driver and its subtasks use it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
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
    leader: Mutex<Leader>,
    claim: u64,
    /// Numbers segments, so that no two of this claim have one name.
    segments: AtomicU64,
    next_checkpoint: AtomicU64,
    run: u64,
    /// What is there already is not gone on from, until there is a checkpoint of this process.
    fresh: std::sync::atomic::AtomicBool,
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
        };
        let leader = checkpoints.claim(candidate).await.map_err(Failure::from_error)?;
        let claim = leader.claim_number();
        Ok(Self {
            checkpoints,
            leader: Mutex::new(leader),
            claim,
            segments: AtomicU64::new(0),
            next_checkpoint: AtomicU64::new(1),
            run: env.random(),
            fresh: settings.fresh.into(),
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
}
