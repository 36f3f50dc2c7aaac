//! [`Front`]: the leader, as it is asked over HTTP.

use std::{collections::BTreeMap, sync::Arc};

use futures::channel::oneshot;

use super::{
    archive::JobRecord,
    dispatch::{Handle, NotLeader},
    lead::Lead,
};
use crate::{
    attempt::savepoint,
    cluster::spec::JobSpec,
    control::{
        JobId, RequestId, Vertex,
        job::machine::{self, Parallelism, Then},
        jobmanager::Input,
    },
    env::BoxFuture,
    failure::{Failure, FailureClass},
    rest::{
        dispatcher::{Answer, Dispatcher, Refusal, Refused},
        prometheus::Sample,
        submission::{AfterSavepoint, Rescale, SavepointWanted, Submission},
        views::{BinaryJobs, Checkpoints, ClusterConfig, ClusterOverview, Exceptions, JobDetail, Jobs, TaskManagers},
    },
};

/// Asks the leader, or says who leads.
pub(crate) struct Front {
    pub(crate) handle: Handle,
    /// What can be submitted.
    pub(crate) binary: BinaryJobs,
    /// The configuration that jobs start from.
    pub(crate) config: ClusterConfig,
    /// What each job of the binary starts from, by key.
    pub(crate) defaults: BTreeMap<String, BTreeMap<String, String>>,
}

impl From<NotLeader> for Refused {
    fn from(NotLeader { rest }: NotLeader) -> Self {
        Self::not_leader(rest)
    }
}

/// What the leader has answered, if there was one.
fn answered<T>(answer: Result<Result<T, Refused>, NotLeader>) -> Result<T, Refused> {
    answer.map_err(Refused::from).and_then(|answer| answer)
}

impl Front {
    /// Reads something of the leader.
    fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Lead) -> Result<T, Refused> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move { answered(self.handle.call(move |lead, answer| drop(answer.send(look(lead)))).await) })
    }

    /// Orders something for a job, and waits for what comes of it.
    fn order(
        &self,
        job: JobId,
        order: impl FnOnce(&Lead, RequestId) -> Result<machine::Input, Refused> + Send + 'static,
    ) -> BoxFuture<'_, Result<Option<u64>, Refused>> {
        Box::pin(async move {
            let call = move |lead: &mut Lead, answer: oneshot::Sender<Result<Option<u64>, Refused>>| {
                if let Err(refused) = lead.job(job) {
                    return drop(answer.send(Err(refused))); // nobody may be waiting any more
                }
                let (sender, done) = oneshot::channel();
                let request = lead.request(sender);
                match order(lead, request) {
                    Ok(input) => lead.step(Input::Job { job, input }),
                    Err(refused) => return drop(answer.send(Err(refused))),
                }
                lead.pass_on(done, answer);
            };
            answered(self.handle.call(call).await)
        })
    }
}

impl Lead {
    /// Passes the answer to a request on, when it comes.
    fn pass_on(
        &self,
        done: oneshot::Receiver<Result<Option<u64>, String>>,
        answer: oneshot::Sender<Result<Option<u64>, Refused>>,
    ) {
        self.envs.control.spawn(
            "an answer",
            Box::pin(async move {
                let gone = || Refused::new(Refusal::Unavailable, "this JobManager does not lead any more: ask again");
                let result = match done.await {
                    Ok(Ok(checkpoint)) => Ok(checkpoint),
                    Ok(Err(reason)) => Err(Refused::new(Refusal::Conflict, reason)),
                    Err(_) => Err(gone()),
                };
                let _ = answer.send(result); // nobody may be waiting any more
            }),
        );
    }

    /// Which vertices are to have how many subtasks.
    fn parallelism(&self, id: JobId, rescale: &Rescale) -> Result<Parallelism, Refused> {
        let job = self.running.get(&id).ok_or_else(|| Refused::no_job(id))?;
        let (mut wanted, vertices) = (Parallelism::new(), job.facts.shown.iter().zip(0..));
        if let Some(parallelism) = rescale.parallelism {
            for (shown, number) in vertices.clone().filter(|(shown, _)| !shown.is_fixed) {
                check(&shown.operators.join(", "), parallelism, shown.max_parallelism)?;
                wanted.insert(Vertex(number), parallelism);
            }
        }
        for (operator, parallelism) in &rescale.operators {
            let has = |known: &String| known == operator || known.split(' ').nth(1) == Some(operator);
            let mut found = vertices.clone().filter(|(shown, _)| shown.operators.iter().any(has));
            match (found.next(), found.next()) {
                (Some((shown, number)), None) => {
                    check(operator, *parallelism, shown.max_parallelism)?;
                    wanted.insert(Vertex(number), *parallelism);
                }
                (None, _) => {
                    let known: Vec<_> = job.facts.shown.iter().flat_map(|shown| &shown.operators).cloned().collect();
                    let what = format!("the job has no operator `{operator}`");
                    return Err(Refused::new(Refusal::Invalid, what).with_hint(format!("it has {}", known.join(", "))));
                }
                _ => {
                    let what = format!("several operators of the job are called `{operator}`");
                    return Err(Refused::new(Refusal::Invalid, what).with_hint("give them ids by `.uid(..)`"));
                }
            }
        }
        Ok(wanted)
    }
}

fn check(what: &str, parallelism: u32, most: u32) -> Result<(), Refused> {
    if (1..=most).contains(&parallelism) {
        return Ok(());
    }
    let message =
        format!("{what}: it can have from 1 to {most} subtasks (its number of key groups), not {parallelism}");
    Err(Refused::new(Refusal::Invalid, message))
}

fn refused(failure: &Failure) -> Refused {
    let refusal = match failure.class() {
        FailureClass::User => Refusal::Invalid,
        FailureClass::Environment => Refusal::Unavailable,
        FailureClass::Engine => Refusal::Internal,
    };
    let refused = Refused::new(refusal, failure.what().to_string());
    match failure.hint() {
        Some(hint) => refused.with_hint(hint),
        None => refused,
    }
}

impl Dispatcher for Front {
    fn overview(&self) -> Answer<'_, ClusterOverview> {
        self.look(|lead| Ok(lead.overview()))
    }

    fn jobs(&self) -> Answer<'_, Jobs> {
        self.look(|lead| Ok(lead.all_jobs()))
    }

    fn job(&self, job: JobId) -> Answer<'_, JobDetail> {
        self.look(move |lead| lead.job(job))
    }

    fn exceptions(&self, job: JobId) -> Answer<'_, Exceptions> {
        self.look(move |lead| lead.exceptions(job))
    }

    fn checkpoints(&self, job: JobId) -> Answer<'_, Checkpoints> {
        self.look(move |lead| lead.checkpoints(job))
    }

    fn taskmanagers(&self) -> Answer<'_, TaskManagers> {
        self.look(|lead| Ok(lead.all_taskmanagers()))
    }

    fn binary_jobs(&self) -> Answer<'_, BinaryJobs> {
        Box::pin(async { Ok(self.binary.clone()) })
    }

    fn config(&self) -> Answer<'_, ClusterConfig> {
        Box::pin(async { Ok(self.config.clone()) })
    }

    fn submit(&self, submission: Submission) -> Answer<'_, JobId> {
        Box::pin(async move {
            let job = match (submission.job, &self.binary.jobs[..]) {
                (Some(job), _) => job,
                (None, [only]) => only.name.clone(),
                (None, _) => {
                    let names: Vec<_> = self.binary.jobs.iter().map(|job| format!("`{}`", job.name)).collect();
                    let what = "there are several jobs in this binary: say which one";
                    return Err(Refused::new(Refusal::Invalid, what).with_hint(names.join(", ")));
                }
            };
            let name = submission.name.unwrap_or_else(|| job.clone());
            // A job that the binary does not have is refused when it is built.
            let defaults = self.defaults.get(&job).cloned().unwrap_or_default();
            let (args, settings) = (submission.args, submission.settings);
            let spec = JobSpec { job, args, defaults, settings, parallelism: BTreeMap::new() };
            let call = move |lead: &mut Lead, answer: oneshot::Sender<Result<JobId, Failure>>| {
                let submitted_at = lead.envs.control.wall().millis();
                lead.submit(JobRecord { name, spec, submitted_at }, answer);
            };
            let taken = self.handle.call(call).await.map_err(Refused::from)?;
            taken.map_err(|failure| refused(&failure))
        })
    }

    fn cancel(&self, job: JobId) -> Answer<'_, ()> {
        let cancelled = self.order(job, |_, request| Ok(machine::Input::Cancel { request }));
        Box::pin(async { cancelled.await.map(drop) })
    }

    fn stop(&self, job: JobId) -> Answer<'_, u64> {
        let stopped = self.order(job, |_, request| Ok(machine::Input::Stop { request }));
        Box::pin(async { stopped.await.map(Option::unwrap_or_default) })
    }

    fn savepoint(&self, job: JobId, wanted: SavepointWanted) -> Answer<'_, (u64, String)> {
        let then = match wanted.then {
            AfterSavepoint::GoOn => Then::GoOn,
            AfterSavepoint::Stop => Then::Stop,
            AfterSavepoint::Drain => Then::Drain,
        };
        Box::pin(async move {
            let look = move |lead: &Lead| {
                lead.job(job)?;
                let over = || Refused::new(Refusal::Conflict, "the job has ended");
                let (of, env) = (lead.running.get(&job).ok_or_else(over)?, Arc::clone(&lead.envs.control));
                let (to, set) = (wanted.place()?, of.facts.savepoints.as_ref());
                let place = savepoint::place(to.as_ref(), set, &of.record.name, &*env);
                Ok((place.map_err(|why| Refused::new(Refusal::Invalid, why))?, of.facts.object_store.clone(), env))
            };
            let (place, object_store, env) = self.look(look).await?;
            // Before anything is stopped for it.
            savepoint::create(&place, &object_store, &env).await.map_err(|failure| refused(&failure))?;
            let to = Arc::new(place.clone());
            let made = self.order(job, move |_, request| Ok(machine::Input::Savepoint { request, to, then })).await?;
            Ok((made.unwrap_or_default(), place.to_string()))
        })
    }

    fn checkpoint(&self, job: JobId) -> Answer<'_, u64> {
        let made = self.order(job, |_, request| Ok(machine::Input::Checkpoint { request }));
        Box::pin(async { made.await.map(Option::unwrap_or_default) })
    }

    fn rescale(&self, job: JobId, rescale: Rescale) -> Answer<'_, ()> {
        let rescaled = self.order(job, move |lead, request| {
            Ok(machine::Input::Rescale { request, parallelism: lead.parallelism(job, &rescale)? })
        });
        Box::pin(async { rescaled.await.map(drop) })
    }

    fn metrics(&self) -> Answer<'_, Vec<Sample>> {
        self.look(|lead| Ok(lead.metrics()))
    }

    fn is_ready(&self) -> BoxFuture<'_, bool> {
        Box::pin(async { self.handle.is_leading() })
    }
}
