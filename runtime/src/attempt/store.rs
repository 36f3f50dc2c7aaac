//! The store of a job's checkpoints, as whoever drives the job uses it.

use std::sync::{
    Arc, Mutex as Sync, MutexGuard as SyncGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures::lock::Mutex;
use millstream_state::{
    location::Location,
    log::{Body, Candidate, CommitError, Leader, OwnerId, Pin},
    manifest::{CheckpointKind, Manifest, Origin},
    remote::ObjectStoreSettings,
    store::{Access, CheckpointStore},
};
use tracing::warn;

use super::{
    savepoint,
    segments::{Segments, in_location},
};
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
    /// How object stores are reached.
    object_store: ObjectStoreSettings,
    /// The savepoint that the job begins with, until it has a checkpoint of its own.
    from: Option<Location>,
    /// The attempt goes on from that.
    from_savepoint: AtomicBool,
    /// The attempt goes on from an older checkpoint than there has been.
    gone_back: AtomicBool,
    /// The savepoint that the run began with.
    origin: Sync<Option<Origin>>,
    /// Why the savepoint that the job begins with cannot be read after all.
    damaged: Sync<Option<String>>,
    /// What was entered last.
    last: Sync<Option<Arc<Manifest>>>,
}

/// Opens the checkpoints at a location. It blocks, shortly; in an object store nothing is asked yet. What is done with them later runs in the tokio runtime
/// of whoever does it, as clients of object stores need one.
///
/// # Errors
///
/// See [`CheckpointStore::open`].
pub(crate) fn open(
    location: &Location,
    access: Access,
    settings: &ObjectStoreSettings,
    env: &Arc<dyn Env>,
) -> Result<CheckpointStore, Failure> {
    let (spawner, hook) = (Arc::clone(env), Arc::clone(env));
    let opened = CheckpointStore::open(location, access, settings);
    Ok(opened
        .map_err(Failure::from_error)?
        .with_blocking(Arc::new(move |work| spawner.blocking(work)))
        .with_hook(Arc::new(move |step| hook.step(step))))
}

/// True if a job that is to begin with a savepoint has not done so already, as far as its checkpoints tell. What cannot be read does not say so: then whoever goes on from
/// the checkpoints finds that out.
pub(crate) async fn begins_anew(checkpoints: &CheckpointStore, from: Option<&Location>) -> bool {
    let Some(from) = from else { return false };
    let Ok(listing) = checkpoints.list_log().await else { return false };
    for number in listing.run().iter().rev() {
        match checkpoints.entry(*number).await.map(|entry| entry.body) {
            Ok(Body::Checkpoint { manifest, .. }) => {
                return manifest.origin.is_none_or(|origin| origin.location != from.to_string());
            }
            Ok(Body::Claim { .. }) => {}
            Err(_) => return false,
        }
    }
    true
}

fn lock<T>(shared: &Sync<T>) -> SyncGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobStore {
    /// Claims the checkpoints of a job.
    pub(crate) async fn open(
        job: &str,
        settings: &CheckpointSettings,
        access: Access,
        env: &Arc<dyn Env>,
    ) -> Result<Self, Failure> {
        let location = settings.dir.clone().expect("a job without checkpoints has no store of them");
        let checkpoints = open(&location, access, &settings.object_store, env)?;
        let fresh = settings.fresh || begins_anew(&checkpoints, settings.from.as_ref()).await;
        let candidate = Candidate {
            job: job.to_owned(),
            owner: OwnerId(u128::from(env.random()) << 64 | u128::from(env.random())),
            at: env.wall().millis(),
            keep: settings.retained as usize,
            run: env.random(),
            fresh,
        };
        let leader = checkpoints.claim(candidate).await.map_err(|error| in_location(&location, error))?;
        let (claim, run) = (leader.claim_number(), leader.run());
        Ok(Self {
            segments: Arc::new(Segments::new(checkpoints, location, claim, String::new())),
            leader: Mutex::new(leader),
            next_checkpoint: AtomicU64::new(1),
            run,
            entry: AtomicU64::new(0),
            fresh: AtomicBool::new(fresh),
            object_store: settings.object_store.clone(),
            from: settings.from.clone(),
            from_savepoint: AtomicBool::new(false),
            gone_back: AtomicBool::new(false),
            origin: Sync::default(),
            damaged: Sync::default(),
            last: Sync::default(),
        })
    }

    pub(crate) fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// How object stores are reached.
    pub(crate) fn object_store(&self) -> &ObjectStoreSettings {
        &self.object_store
    }

    /// The number of the run: drawn when the job first started, and kept through all restarts.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// The number of the run that output is of: it goes on where that of the savepoint ends that this run began with.
    pub(crate) fn output_run(&self) -> u64 {
        lock(&self.origin).as_ref().map_or(self.run, |origin| origin.run)
    }

    /// The entry of the checkpoint that was found last, if there was one.
    pub(crate) fn entry(&self) -> Option<u64> {
        Some(self.entry.load(Ordering::Relaxed)).filter(|entry| *entry > 0)
    }

    /// The savepoint that the attempt goes on from, if it does.
    pub(crate) fn restored_savepoint(&self) -> Option<Location> {
        self.from.clone().filter(|_| self.from_savepoint.load(Ordering::Relaxed))
    }

    /// True if the attempt goes on from an older checkpoint than there has been.
    pub(crate) fn has_gone_back(&self) -> bool {
        self.gone_back.load(Ordering::Relaxed)
    }

    /// The savepoint that the run began with.
    pub(crate) fn origin(&self) -> Option<Origin> {
        lock(&self.origin).clone()
    }

    /// The checkpoint of this number, if it is the one that was entered last, to be copied elsewhere: it stays until the pin is dropped.
    pub(crate) async fn pin(&self, checkpoint: u64) -> Option<(Arc<Manifest>, Arc<Pin>)> {
        let manifest = lock(&self.last).clone().filter(|manifest| manifest.checkpoint == checkpoint)?;
        let pin = self.leader.lock().await.pin(&manifest);
        Some((manifest, pin))
    }

    /// Finds the checkpoint to go on from, and clears up what attempts that failed have left.
    pub(crate) async fn recover(&self, env: &Arc<dyn Env>) -> Result<Option<Arc<Manifest>>, Failure> {
        let found = self.find(&**env).await?;
        self.from_savepoint.store(false, Ordering::Relaxed);
        self.segments.set_origin(None);
        let Some(from) = self.from.as_ref().filter(|_| found.is_none()) else {
            *lock(&self.origin) = found.as_ref().and_then(|manifest| manifest.origin.clone());
            return Ok(found);
        };
        if let Some(reason) = &*lock(&self.damaged) {
            let what = format!("the savepoint in {from} cannot be read: {reason}");
            return Err(Failure::new(what).with_hint("restore it from a backup, or begin with another one"));
        }
        let (origin, manifest) = savepoint::open(from, &self.object_store, env).await?;
        if manifest.kind == CheckpointKind::Final {
            let what = format!("the job had come to its end in the savepoint in {from}");
            return Err(Failure::new(what).with_hint("nothing is left to go on with: begin without it"));
        }
        self.next_checkpoint.fetch_max(manifest.checkpoint + 1, Ordering::Relaxed);
        self.segments.set_origin(Some(origin));
        // What is written from now on depends on nothing in the savepoint, which is its owner's.
        self.segments.set_wants_full(true);
        self.from_savepoint.store(true, Ordering::Relaxed);
        let (location, run, checkpoint) = (from.to_string(), manifest.output_run(), manifest.checkpoint);
        *lock(&self.origin) = Some(Origin { location, run, checkpoint });
        Ok(Some(Arc::new(manifest)))
    }

    /// Finds the newest checkpoint of the job itself.
    async fn find(&self, env: &dyn Env) -> Result<Option<Arc<Manifest>>, Failure> {
        env.step("checkpoints are read");
        let mut leader = self.leader.lock().await;
        self.entry.store(0, Ordering::Relaxed);
        self.gone_back.store(false, Ordering::Relaxed);
        self.segments.set_wants_full(false);
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
        self.gone_back.store(!recovery.skipped.is_empty(), Ordering::Relaxed);
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
        if self.from_savepoint.load(Ordering::Relaxed) {
            lock(&self.damaged).get_or_insert_with(|| reason.to_owned());
            return;
        }
        self.leader.lock().await.reject(self.entry.load(Ordering::Relaxed), reason);
    }

    /// Enters a checkpoint in the log: from then on it counts. Also says whether another process has taken the job over.
    pub(crate) async fn commit(&self, manifest: Manifest) -> (Result<(), Failure>, bool) {
        let committed = self.leader.lock().await.commit(&manifest).await;
        match committed {
            Ok(_) => {
                self.fresh.store(false, Ordering::Relaxed);
                *lock(&self.last) = Some(Arc::new(manifest));
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
