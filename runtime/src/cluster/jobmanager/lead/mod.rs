//! [`Lead`]: the loop of a leader. It owns the control logic, and carries out what that decides.

mod align;
mod jobs;
mod provide;
mod splits;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
    future::{Either, select},
};
use tracing::{error, info, warn};

pub(super) use self::jobs::Over;
pub(crate) use self::jobs::{End, RETAINED_JOBS};
use self::{
    provide::{PROVIDER_INTERVAL, Provided},
    splits::{Ask, Asked},
};
use super::{
    Happening,
    archive::{Archive, Found, JobRecord},
    job::{self, Built, Done, Job},
    provider::Provider,
};
use crate::{
    checkpoint::CheckpointHistory,
    cluster::{
        Envs,
        connection::ControlConnection,
        spec::Jobs,
        wake,
        wire::{Downward, Upward, WireError},
    },
    control::{
        AttemptId, ConnectionId, Epoch, JobId, RequestId,
        heartbeats::HeartbeatSettings,
        job::{
            failure::JobFailure,
            machine::{self, SLOT_TIMEOUT, Work},
        },
        jobmanager::{Command, Input, JobManager},
        message::{Notification, Report, TaskRef},
    },
    env::{BoxFuture, Instant, blocking},
    failure::Failure,
    metrics::Registry,
    task::flag::Flag,
};

/// Somebody who waits for an answer.
pub(crate) type Waiting = oneshot::Sender<Result<Option<u64>, String>>;

/// A leader.
pub(crate) struct Lead {
    pub(super) epoch: Epoch,
    pub(super) began: Instant,
    pub(super) envs: Envs,
    pub(super) jobs: Arc<dyn Jobs>,
    archive: Option<Archive>,
    pub(super) machine: JobManager,
    connections: HashMap<ConnectionId, ControlConnection>,
    pub(super) running: BTreeMap<JobId, Job>,
    pub(super) over: VecDeque<Over>,
    /// How far the members of alignment groups have come, as each attempt has told last.
    aligned: BTreeMap<(JobId, String), BTreeMap<(ConnectionId, AttemptId), (u32, Option<i64>)>>,
    /// What tasks measure, as their TaskManagers have told last.
    pub(super) metrics: BTreeMap<(JobId, ConnectionId), Registry>,
    happenings: mpsc::Sender<Happening>,
    inputs: VecDeque<Input>,
    asks: VecDeque<Ask>,
    waiting: HashMap<RequestId, Waiting>,
    /// Answers that wait until the end of their job is remembered.
    held: HashMap<JobId, Vec<(RequestId, Result<Option<u64>, String>)>>,
    /// Those who wait for the end of a job in this process.
    at_end: HashMap<JobId, Vec<oneshot::Sender<End>>>,
    last_request: u64,
    wake_at: Option<Instant>,
    deposed: Option<String>,
    provided: Option<Provided>,
    slot_timeout: Duration,
    /// Of so many jobs that have ended it is remembered how.
    retained_jobs: usize,
}

impl Lead {
    pub(super) fn new(
        epoch: Epoch,
        heartbeats: HeartbeatSettings,
        envs: Envs,
        jobs: Arc<dyn Jobs>,
        happenings: mpsc::Sender<Happening>,
    ) -> Self {
        Self {
            epoch,
            began: envs.control.now(),
            envs,
            jobs,
            archive: None,
            machine: JobManager::new(epoch, heartbeats),
            connections: HashMap::new(),
            running: BTreeMap::new(),
            over: VecDeque::new(),
            aligned: BTreeMap::new(),
            metrics: BTreeMap::new(),
            happenings,
            inputs: VecDeque::new(),
            asks: VecDeque::new(),
            waiting: HashMap::new(),
            held: HashMap::new(),
            at_end: HashMap::new(),
            last_request: 0,
            wake_at: None,
            deposed: None,
            provided: None,
            slot_timeout: SLOT_TIMEOUT,
            retained_jobs: RETAINED_JOBS,
        }
    }

    pub(super) fn with_archive(self, archive: Option<Archive>) -> Self {
        Self { archive, ..self }
    }

    /// How long jobs wait for slots.
    pub(super) fn with_slot_timeout(self, slot_timeout: Duration) -> Self {
        Self { slot_timeout, ..self }
    }

    /// Of how many jobs that have ended it is remembered how.
    pub(super) fn with_retained_jobs(self, retained_jobs: usize) -> Self {
        Self { retained_jobs, ..self }
    }

    /// When there is something to do though nothing happens.
    fn deadline(&self) -> Option<Instant> {
        let provided = self.provided.as_ref().map(|provided| {
            let look = self.envs.control.now() + PROVIDER_INTERVAL;
            provided.provision.deadline().map_or(look, |at| at.min(look))
        });
        self.wake_at.into_iter().chain(provided).min()
    }

    /// Leads until it is deposed, or told to stop. Jobs that it was given go on with the next leader. Gives the provider back.
    pub(super) async fn run(
        mut self,
        found: Vec<Found>,
        mut happened: mpsc::Receiver<Happening>,
        stop: Flag,
    ) -> Option<Box<dyn Provider>> {
        for found in found {
            self.take_over(found).await;
        }
        self.step(Input::Timer);
        while self.deposed.is_none() && !stop.is_set() {
            self.provide();
            let timer = wake(&self.envs.control, self.deadline());
            let mut stops = pin!(stop.wait());
            let next = match select(happened.next(), select(timer, &mut stops)).await {
                Either::Left((next, _)) => next,
                Either::Right((Either::Left(_), _)) => {
                    if self.wake_at.is_some_and(|at| at <= self.envs.control.now()) {
                        self.wake_at = None;
                        self.step(Input::Timer);
                    }
                    continue;
                }
                Either::Right(_) => None,
            };
            if let Some(happening) = next {
                self.take(happening);
            }
        }
        if let Some(reason) = &self.deposed {
            warn!(reason, "this JobManager does not lead any more");
        }
        self.provided.map(|provided| provided.provider)
    }

    /// A job of the cluster's storage.
    async fn take_over(&mut self, found: Found) {
        let Found { id, record, result } = found;
        if let Some(result) = result {
            let checkpoints = CheckpointHistory::default();
            return self.is_over(Over { id, record, result, exceptions: None, checkpoints });
        }
        info!(job = %id, name = record.name, "a job is taken over");
        let (jobs, of) = (Arc::clone(&self.jobs), record.clone());
        let built = blocking(&*self.envs.worker, move || job::build(&of, &*jobs)).await;
        match built {
            Ok(built) => {
                if let Err(failure) = self.accept(id, record, built) {
                    error!(job = %id, error = %failure, "a job waits for the next leader");
                }
            }
            // Another binary may have it again: the job stays as it is.
            Err(failure) => error!(job = %id, error = %failure, "a job cannot be built any more, and waits"),
        }
    }

    fn accept(&mut self, id: JobId, record: JobRecord, built: Built) -> Result<(), Failure> {
        self.ensure_room()?;
        let Built { graph, topology, mut settings } = built;
        settings.slot_timeout = self.slot_timeout;
        self.running.insert(id, Job::new(id, record, graph, self.jobs.attendance().cloned(), &self.envs.worker));
        self.step(Input::Submit { job: id, topology, settings: Box::new(settings) });
        Ok(())
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Accepted { connection, control } => drop(self.connections.insert(connection, control)),
            Happening::Came { connection, what } => {
                if !self.connections.contains_key(&connection) {
                    return;
                }
                match what {
                    Ok(Upward::Control(message)) => {
                        if let Notification::Report { job, task, report: Report::Failed(failure), .. } = &message.body {
                            self.rejects(*job, *task, failure);
                        }
                        self.step(Input::Message { connection, message });
                    }
                    Ok(Upward::Metrics { job, values }) if self.running.contains_key(&job) => {
                        let registry = Registry::default();
                        registry.put(values);
                        self.metrics.insert((job, connection), registry);
                    }
                    Ok(Upward::Metrics { .. }) => {}
                    Ok(Upward::Aligned { job, attempt, group, members, at }) => {
                        self.align(connection, job, attempt, group, (members, at));
                    }
                    Err(error) => {
                        match error {
                            WireError::Ended | WireError::Io(_) => info!(%error, "a control connection has ended"),
                            _ => warn!(%error, "a control connection is closed: it does not speak as it should"),
                        }
                        self.metrics.retain(|(_, of), _| *of != connection);
                        self.connections.remove(&connection);
                        self.step(Input::Closed { connection });
                    }
                }
            }
            Happening::Done { job, done } => self.done(job, done),
            Happening::PoolReady { job, vertex, of, subtasks } => {
                self.asks.extend(subtasks.into_iter().map(|subtask| (job, Asked::Kept { vertex, of, subtask })));
                self.answer_asks();
            }
            Happening::SourceFailed { job, vertex, of, failure } => self.source_failed(job, vertex, of, failure),
            Happening::Call(call) => call(self),
            Happening::Deposed(reason) => {
                self.deposed.get_or_insert(reason);
                self.step(Input::Deposed);
            }
        }
    }

    /// A task has found that its checkpoint cannot be read.
    fn rejects(&mut self, job: JobId, task: TaskRef, failure: &JobFailure) {
        if failure.rejects
            && let Some(running) = self.running.get_mut(&job)
            && self.machine.jobs().get(&job).is_some_and(|master| master.is_current(task))
        {
            running.reject(failure.message.clone());
        }
    }

    /// Lets the control logic decide, and does what it says, until nothing follows from that.
    pub(crate) fn step(&mut self, input: Input) {
        self.inputs.push_back(input);
        while let Some(input) = self.inputs.pop_front() {
            let (now, random) = (self.envs.control.now(), self.envs.control.random());
            for command in self.machine.step(now, random, input) {
                self.obey(command);
            }
        }
        self.answer_asks();
        if let Some(attendance) = self.jobs.attendance() {
            for (id, master) in self.machine.jobs() {
                if let Some(job) = self.running.get(id) {
                    attendance.progress.look(&job.look(master.state(), master.exceptions(), master.history()));
                }
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Send { connection, message } => {
                let Some(control) = self.connections.get(&connection) else { return };
                if let Err(error) = control.send(&Downward::Control(message)) {
                    warn!(?error, "a TaskManager cannot be told: its connection is closed");
                    self.disconnect(connection);
                    self.inputs.push_back(Input::Closed { connection });
                }
            }
            Command::Disconnect { connection, reason } => {
                warn!(reason, "the connection of a TaskManager is closed");
                self.disconnect(connection);
            }
            Command::Refused { job, reason } => {
                error!(%job, reason, "a job is not run");
                self.running.remove(&job);
            }
            Command::Job { job, work } => self.work(job, work),
            Command::Stop => {
                self.deposed.get_or_insert_with(|| "there is a later leader".to_owned());
                self.connections.clear();
            }
            Command::WakeAt(at) => self.wake_at = Some(at),
        }
    }

    fn disconnect(&mut self, connection: ConnectionId) {
        self.metrics.retain(|(_, of), _| *of != connection);
        if let Some(control) = self.connections.remove(&connection) {
            control.abort();
        }
    }

    fn work(&mut self, id: JobId, work: Work) {
        let (env, to) = (Arc::clone(&self.envs.worker), self.happenings.clone());
        if let Work::Answer { request, result } = work {
            return self.answer(id, request, result);
        }
        let Some(job) = self.running.get_mut(&id) else { return };
        match work {
            Work::Recover { attempt, vertices } => job.recover(&env, &to, attempt, vertices),
            Work::Begin { checkpoint, .. } => job.begin(&*env, checkpoint),
            Work::Store { checkpoint, kind, states } => job.store(&env, &to, checkpoint, kind, states),
            Work::Commit { checkpoint, kind, savepoints } => job.commit(&env, &to, (checkpoint, kind), savepoints),
            Work::CommitOutput { outputs } => job.commit_output(&env, &to, outputs),
            Work::Rebuild { parallelism } => {
                let (archive, epoch) = (self.archive.clone(), self.epoch);
                let keep = move |record: JobRecord| -> BoxFuture<'static, Result<(), Failure>> {
                    Box::pin(async move {
                        match archive {
                            Some(archive) => archive.put_job(id, epoch, &record).await,
                            None => Ok(()),
                        }
                    })
                };
                job.rebuild(&env, &to, &self.jobs, &parallelism, keep);
            }
            Work::AssignSplit { task, request, payload } => {
                self.asks.push_back((id, Asked::New(task, request, payload)));
            }
            Work::Ended { state, failure, past } => self.ended(id, state, failure, *past),
            Work::Answer { .. } => unreachable!("it was handled above"),
        }
    }

    fn done(&mut self, id: JobId, done: Done) {
        let Some(job) = self.running.get_mut(&id) else { return };
        let input = match done {
            Done::Recovered { attempt, result } => {
                let result = (*result).map(|(recovery, mut pools)| {
                    for hosted in &mut pools {
                        job::attend(&self.envs, &self.happenings, id, attempt, hosted);
                    }
                    job.recovered(attempt, pools, recovery.restored.map(|restored| restored.checkpoint));
                    recovery
                });
                machine::Input::Recovered { attempt, result }
            }
            Done::Stored { checkpoint, result, deposed } => {
                // Who sits in front of a job is told why it fails; there is nobody to stand by for.
                if deposed && self.jobs.attendance().is_none() {
                    let reason = format!("another process has taken over job {id}");
                    self.deposed = Some(reason);
                    return self.step(Input::Deposed);
                }
                machine::Input::Stored { checkpoint, result }
            }
            Done::Committed { checkpoint, result } => machine::Input::Committed { checkpoint, result },
            Done::SavepointWritten { request, result } => machine::Input::SavepointWritten { request, result },
            Done::OutputCommitted(result) => machine::Input::OutputCommitted(result),
            Done::Rebuilt { record, result } => machine::Input::Rebuilt(result.map(|(topology, facts)| {
                job.rebuilt(*record, *facts);
                topology
            })),
            Done::Ended(remembered) => {
                let ended = self.running.remove(&id);
                self.metrics.retain(|(of, _), _| *of != id);
                self.aligned.retain(|(of, _), _| *of != id);
                for (request, result) in self.held.remove(&id).unwrap_or_default() {
                    let result = remembered.clone().map_err(|failure| failure.message().to_owned()).and(result);
                    self.answer(id, request, result);
                }
                if let Some(over) = ended.and_then(|job| job.over) {
                    self.is_over(over);
                }
                return;
            }
        };
        self.step(Input::Job { job: id, input });
    }

    /// Somebody who waits for the answer to a request.
    pub(crate) fn request(&mut self, waiting: Waiting) -> RequestId {
        self.last_request += 1;
        let request = RequestId(self.last_request);
        self.waiting.insert(request, waiting);
        request
    }
}
