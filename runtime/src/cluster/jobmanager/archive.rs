//! [`Archive`]: what a cluster remembers in its storage: who leads it, which jobs it was given, and how they ended.
//!
//! ```text
//! leadership/log/..         claims: the number of the newest is the epoch of the leader
//! leadership/lease          where the leader is, written again and again as long as it leads
//! jobs/<id>/job             what was submitted
//! jobs/<id>/owner-<epoch>   a leader has taken the job over
//! jobs/<id>/result-<epoch>  how it ended, as that leader says
//! jobs/<id>/checkpoints/..  where its checkpoints are, unless the job says otherwise
//! ```
//!
//! A leader takes a job over before it looks for a result, and a result counts only if no later leader has taken the job over before: so one that is
//! deposed and does not know it ends no job. No clock is needed for that.

use std::collections::BTreeSet;

use millstream_state::{
    location::Location,
    log::{Candidate, Leader, OwnerId},
    objects::Objects,
    remote::ObjectStoreSettings,
    store::{Access, CheckpointStore, StoreError},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tracing::warn;

use crate::{
    cluster::spec::JobSpec,
    control::{
        Epoch, JobId,
        job::{failure::JobFailure, lifecycle::JobState},
    },
    failure::Failure,
};

/// The name under which the log of leaders is claimed.
const CLUSTER: &str = "cluster";

/// What was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct JobRecord {
    /// What people call it.
    pub(crate) name: String,
    pub(crate) spec: JobSpec,
    /// In milliseconds since 1970.
    pub(crate) submitted_at: i64,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JobResult {
    pub(super) state: Ended,
    pub(super) failure: Option<JobFailure>,
    /// In milliseconds since 1970.
    pub(super) ended_at: i64,
}

/// The states in which a job stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ended {
    Failed,
    Cancelled,
    Finished,
}

impl Ended {
    /// `None` if jobs do not stay in this state.
    pub(super) fn of(state: JobState) -> Option<Self> {
        match state {
            JobState::Failed => Some(Self::Failed),
            JobState::Cancelled => Some(Self::Cancelled),
            JobState::Finished => Some(Self::Finished),
            _ => None,
        }
    }

    pub(super) fn state(self) -> JobState {
        match self {
            Self::Failed => JobState::Failed,
            Self::Cancelled => JobState::Cancelled,
            Self::Finished => JobState::Finished,
        }
    }
}

/// Where the leader is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) epoch: u64,
    /// Where it takes control connections.
    pub(super) control: String,
    /// Where it answers over HTTP.
    pub(super) rest: Option<String>,
    /// Another one each time that it is written.
    pub(super) beat: u64,
}

/// The storage of a cluster.
#[derive(Clone)]
pub(super) struct Archive {
    location: Location,
    object_store: ObjectStoreSettings,
    objects: Objects,
    leadership: CheckpointStore,
}

/// A job that was found.
pub(super) struct Found {
    pub(super) id: JobId,
    pub(super) record: JobRecord,
    /// How it ended, if it has.
    pub(super) result: Option<JobResult>,
}

impl Archive {
    /// Opens the storage; a directory is made if it is not there. It blocks, shortly.
    pub(super) fn open(location: Location, object_store: ObjectStoreSettings) -> Result<Self, Failure> {
        let failed = |error| storage(&location, error);
        let objects = Objects::open(&location, &object_store).map_err(failed)?;
        let leadership = location.join("leadership");
        let leadership = CheckpointStore::open(&leadership, Access::Shared, &object_store).map_err(failed)?;
        Ok(Self { location, object_store, objects, leadership })
    }

    /// Claims the leadership.
    pub(super) async fn claim(&self, owner: u128, at: i64) -> Result<Leader, Failure> {
        let job = CLUSTER.to_owned();
        let candidate = Candidate { job, owner: OwnerId(owner), at, keep: 1, run: 0, fresh: false };
        self.leadership.claim(candidate).await.map_err(|error| self.failure(error))
    }

    /// The number of the newest claim; 0 if there is none.
    pub(super) async fn newest_claim(&self) -> Result<u64, Failure> {
        let listing = self.leadership.list_log().await.map_err(|error| self.failure(error))?;
        Ok(listing.highest().unwrap_or(0))
    }

    pub(super) async fn lease(&self) -> Result<Option<Lease>, Failure> {
        self.read("leadership/lease").await
    }

    pub(super) async fn put_lease(&self, lease: &Lease) -> Result<(), Failure> {
        self.objects.put("leadership/lease", text(lease)).await.map_err(|error| self.failure(error))
    }

    /// Where a job keeps its checkpoints if nobody says otherwise.
    pub(super) fn checkpoints(&self, job: JobId) -> Location {
        self.location.join(&format!("jobs/{job}/checkpoints"))
    }

    /// How the object store is reached, if it is in one.
    pub(super) fn object_store(&self) -> &ObjectStoreSettings {
        &self.object_store
    }

    /// Makes sure that nobody has claimed the leadership since. What was written before this has been written as the leader.
    pub(super) async fn ensure_leading(&self, epoch: Epoch) -> Result<(), Failure> {
        match self.newest_claim().await? > epoch.get() {
            true => Err(Failure::new("this JobManager does not lead any more: ask again").of_environment()),
            false => Ok(()),
        }
    }

    /// Forgets a job that has ended, or that nobody has been told of, with the checkpoints that it has here. What is left if that is interrupted goes when a leader
    /// takes over.
    pub(super) async fn forget(&self, job: JobId) -> Result<(), Failure> {
        // What was submitted goes first: without that nobody takes the rest for a job.
        let submitted = format!("jobs/{job}/job");
        self.objects.delete(&submitted).await.map_err(|error| self.failure(error))?;
        for name in self.objects.list(&format!("jobs/{job}")).await.map_err(|error| self.failure(error))? {
            self.objects.delete(&name).await.map_err(|error| self.failure(error))?;
        }
        Ok(())
    }

    /// Remembers a job that is new, or that has changed.
    pub(super) async fn put_job(&self, job: JobId, epoch: Epoch, record: &JobRecord) -> Result<(), Failure> {
        self.own(job, epoch).await?;
        self.objects.put(&format!("jobs/{job}/job"), text(record)).await.map_err(|error| self.failure(error))
    }

    async fn own(&self, job: JobId, epoch: Epoch) -> Result<(), Failure> {
        let name = format!("jobs/{job}/owner-{:020}", epoch.get());
        self.objects.create(&name, Vec::new()).await.map(drop).map_err(|error| self.failure(error))
    }

    /// Remembers how a job ended.
    pub(super) async fn put_result(&self, job: JobId, epoch: Epoch, result: &JobResult) -> Result<(), Failure> {
        let name = format!("jobs/{job}/result-{:020}", epoch.get());
        self.objects.put(&name, text(result)).await.map_err(|error| self.failure(error))
    }

    /// Takes over all jobs that have not ended, and gives all that there are, the oldest first. One that cannot be read is left out, with an error in the log.
    pub(super) async fn take_over(&self, epoch: Epoch) -> Result<Vec<Found>, Failure> {
        let mut found = Vec::new();
        let names = self.objects.list("jobs").await.map_err(|error| self.failure(error))?;
        let of = |name: &String| u128::from_str_radix(name.split('/').nth(1)?, 16).ok().map(JobId);
        for id in names.iter().filter_map(of).collect::<BTreeSet<_>>() {
            if names.binary_search(&format!("jobs/{id}/job")).is_err() {
                if let Err(failure) = self.forget(id).await {
                    warn!(job = %id, error = %failure, "what is left of a job that was forgotten stays in the storage");
                }
                continue;
            }
            match self.take_over_one(id, epoch).await {
                Ok(job) => found.extend(job),
                Err(failure) => tracing::error!(job = %id, error = %failure, "a job cannot be taken over"),
            }
        }
        found.sort_by_key(|job| (job.record.submitted_at, job.id));
        Ok(found)
    }

    async fn take_over_one(&self, id: JobId, epoch: Epoch) -> Result<Option<Found>, Failure> {
        let Some(record) = self.read::<JobRecord>(&format!("jobs/{id}/job")).await? else { return Ok(None) };
        if let Some(result) = self.result(id).await? {
            return Ok(Some(Found { id, record, result: Some(result) }));
        }
        self.own(id, epoch).await?;
        // What the leader before has written until then counts, and nothing that it writes later.
        let result = self.result_before(id, epoch).await?;
        if let Some(result) = &result {
            self.put_result(id, epoch, result).await?; // it goes on to count
        }
        Ok(Some(Found { id, record, result }))
    }

    /// The result that counts by now.
    async fn result(&self, id: JobId) -> Result<Option<JobResult>, Failure> {
        let (owners, results) = self.who(id).await?;
        let newest = owners.iter().max().copied().unwrap_or(0);
        match results.into_iter().find(|result| *result >= newest) {
            Some(epoch) => self.read(&format!("jobs/{id}/result-{epoch:020}")).await,
            None => Ok(None),
        }
    }

    /// The result of the leader that had the job before this one.
    async fn result_before(&self, id: JobId, epoch: Epoch) -> Result<Option<JobResult>, Failure> {
        let (owners, results) = self.who(id).await?;
        let before = owners.into_iter().filter(|owner| *owner < epoch.get()).max().unwrap_or(0);
        match results.into_iter().find(|result| *result == before) {
            Some(_) => self.read(&format!("jobs/{id}/result-{before:020}")).await,
            None => Ok(None),
        }
    }

    /// Which leaders have taken a job over, and which have said how it ended.
    async fn who(&self, id: JobId) -> Result<(Vec<u64>, Vec<u64>), Failure> {
        let folder = format!("jobs/{id}");
        let names = self.objects.list(&folder).await.map_err(|error| self.failure(error))?;
        let numbers = |prefix: &str| {
            let of = names.iter().filter_map(|name| name.strip_prefix(&folder)?.strip_prefix(prefix)?.parse().ok());
            of.collect::<Vec<u64>>()
        };
        Ok((numbers("/owner-"), numbers("/result-")))
    }

    async fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let Some(bytes) = self.objects.get(name).await.map_err(|error| self.failure(error))? else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                warn!(name, %error, "an object of the cluster's storage cannot be read");
                Err(Failure::new(format!("{name} in {} cannot be read: {error}", self.location)).of_environment())
            }
        }
    }

    fn failure(&self, error: StoreError) -> Failure {
        storage(&self.location, error)
    }
}

fn storage(location: &Location, error: StoreError) -> Failure {
    let message = Failure::from_error(error).message().to_owned();
    Failure::new(format!("{message} (in the storage of the cluster, {location})")).of_environment()
}

fn text(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("it is plain data: all of it can be written")
}
