//! How jobs come, and how they end.

use std::sync::Arc;

use futures::{SinkExt, channel::oneshot};
use tracing::{info, warn};

use super::{
    super::{
        Happening,
        archive::{Ended, JobRecord, JobResult},
        job,
    },
    Lead,
};
use crate::{
    checkpoint::CheckpointHistory,
    cluster::draw,
    control::{
        JobId, RequestId,
        job::{
            failure::{Exceptions, JobFailure},
            lifecycle::JobState,
            machine::Past,
        },
        jobmanager::JOBS_LIMIT,
    },
    env::blocking,
    failure::Failure,
    settings::{CheckpointSettings, Setting, Settings},
};

/// Of how many jobs that have ended it is remembered how, unless it is set.
pub(crate) const RETAINED_JOBS: usize = 100;

/// The settings by which a job keeps its checkpoints in the storage of the cluster, unless it says otherwise.
const STORED_BY: [&str; 4] =
    ["checkpoint.dir", "object-store.endpoint", "object-store.region", "object-store.allow-http"];

/// A job that has ended.
pub(crate) struct Over {
    pub(crate) id: JobId,
    pub(crate) record: JobRecord,
    pub(crate) result: JobResult,
    /// What went wrong, if this leader had it.
    pub(crate) exceptions: Option<Exceptions>,
    /// Its checkpoints, as far as this leader had it.
    pub(crate) checkpoints: CheckpointHistory,
}

/// How a job has ended, and why if that was not well.
pub(crate) type End = (JobState, Option<JobFailure>);

impl Over {
    fn end(&self) -> End {
        (self.result.state.state(), self.result.failure.clone())
    }
}

impl Lead {
    /// A job has ended: that is remembered, before those are told who wait for it.
    pub(super) fn ended(&mut self, id: JobId, state: JobState, failure: Option<JobFailure>, past: Past) {
        let (Some(job), Some(ended)) = (self.running.get_mut(&id), Ended::of(state)) else { return };
        match (&failure, self.jobs.attendance()) {
            (_, Some(attendance)) => attendance.progress.look(&job.look(state, &past.exceptions, &past.checkpoints)),
            (Some(failure), None) => warn!(job = %id, name = job.record.name, error = %failure, "the job has failed"),
            (None, None) => info!(job = %id, name = job.record.name, "the job is {state}"),
        }
        let result = JobResult { state: ended, failure, ended_at: self.envs.control.wall().millis() };
        let (archive, epoch, of) = (self.archive.clone(), self.epoch, result.clone());
        let remember = Box::pin(async move {
            match archive {
                Some(archive) => {
                    archive.put_result(id, epoch, &of).await?;
                    archive.ensure_leading(epoch).await // otherwise it does not count
                }
                None => Ok(()),
            }
        });
        let (record, exceptions) = (job.record.clone(), Some(past.exceptions));
        job.over = Some(Over { id, record, result, exceptions, checkpoints: past.checkpoints });
        job.end(&self.envs.worker, &self.happenings, ended == Ended::Finished, remember);
        self.held.insert(id, Vec::new());
    }

    /// Tells how a job ends, when it has, and that is remembered.
    pub(crate) fn tell_end(&mut self, id: JobId, to: oneshot::Sender<End>) {
        match self.over.iter().find(|over| over.id == id) {
            Some(over) => drop(to.send(over.end())), // it may have gone away
            None => self.at_end.entry(id).or_default().push(to),
        }
    }

    /// A job has ended, and that is remembered. For that the one that has been over for longest is forgotten, if there are as many as are retained.
    pub(super) fn is_over(&mut self, over: Over) {
        for waiting in self.at_end.remove(&over.id).unwrap_or_default() {
            let _ = waiting.send(over.end()); // it may have gone away
        }
        self.over.push_back(over);
        if self.over.len() <= self.retained_jobs {
            return;
        }
        if let Some(Over { id, .. }) = self.over.pop_front() {
            self.forget(id);
        }
    }

    /// Fails if there are as many jobs as there may be.
    pub(super) fn ensure_room(&self) -> Result<(), Failure> {
        if self.running.len() < JOBS_LIMIT {
            return Ok(());
        }
        let what = format!("{JOBS_LIMIT} jobs run or wait, and there may be no more");
        Err(Failure::new(what).with_hint("wait until one has ended"))
    }

    /// Removes what the storage has of a job.
    fn forget(&self, id: JobId) {
        let (Some(archive), epoch) = (self.archive.clone(), self.epoch) else { return };
        let forgets = async move {
            let forgotten = async {
                archive.ensure_leading(epoch).await?; // otherwise that is for another one to decide
                archive.forget(id).await
            };
            match forgotten.await {
                Ok(()) => info!(job = %id, "a job is forgotten"),
                Err(failure) => warn!(job = %id, error = %failure, "a job could not be forgotten"),
            }
        };
        self.envs.worker.spawn("forgets a job", Box::pin(forgets));
    }

    pub(super) fn answer(&mut self, job: JobId, request: RequestId, result: Result<Option<u64>, String>) {
        if let Some(held) = self.held.get_mut(&job) {
            return held.push((request, result));
        }
        if let Some(waiting) = self.waiting.remove(&request) {
            let _ = waiting.send(result); // nobody may be waiting any more
        }
    }

    /// Takes a job: builds it, keeps it, and lets it run. The answer comes when it is kept.
    pub(crate) fn submit(&mut self, record: JobRecord, answer: oneshot::Sender<Result<JobId, Failure>>) {
        let id = JobId(draw(&*self.envs.control));
        let mut record = record;
        if let Err(failure) = self.ensure_room() {
            let _ = answer.send(Err(failure)); // nobody may be waiting any more
            return;
        }
        if let Some(archive) = &self.archive {
            let checkpoints = CheckpointSettings {
                dir: Some(archive.checkpoints(id)),
                object_store: archive.object_store().clone(),
                ..CheckpointSettings::default()
            };
            let settings = Settings { checkpoints, ..Settings::default() };
            for name in STORED_BY {
                let key = Setting::find(name).expect("it is in the table");
                record.spec.defaults.entry(name.to_owned()).or_insert_with(|| key.show(&settings));
            }
        }
        let (jobs, archive, epoch) = (Arc::clone(&self.jobs), self.archive.clone(), self.epoch);
        let (env, mut to) = (Arc::clone(&self.envs.worker), self.happenings.clone());
        self.envs.worker.spawn(
            "takes a job",
            Box::pin(async move {
                let of = record.clone();
                let taken = async {
                    let built = blocking(&*env, move || job::build(&of, &*jobs)).await?;
                    if let Some(archive) = archive {
                        archive.put_job(id, epoch, &record).await?;
                        if let Err(failure) = archive.ensure_leading(epoch).await {
                            // The leader that there is may have looked for jobs before this one was there.
                            let _ = archive.forget(id).await;
                            return Err(failure);
                        }
                    }
                    Ok(built)
                };
                match taken.await {
                    Err(failure) => drop(answer.send(Err(failure))), // nobody may be waiting any more
                    Ok(built) => {
                        let call = move |lead: &mut Lead| {
                            info!(job = %id, name = record.name, "a job was submitted");
                            // Others may have come meanwhile.
                            let accepted = lead.accept(id, record, built);
                            if accepted.is_err() {
                                lead.forget(id);
                            }
                            let _ = answer.send(accepted.map(|()| id)); // nobody may be waiting any more
                        };
                        let _ = to.send(Happening::Call(Box::new(call))).await; // the next leader finds it
                    }
                }
            }),
        );
    }
}
