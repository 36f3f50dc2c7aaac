//! [`MiniCluster`]: a JobManager and TaskManagers within one process, over the network of an environment: for a job that runs in this process, and for tests of
//! what runs in many.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures::{channel::oneshot, future::join_all};
use millstream_net::hello::Secret;
use millstream_state::remote::ObjectStoreSettings;

use super::{
    Envs, Identity,
    jobmanager::{self, End, Handle, JobRecord, Lead, RETAINED_JOBS},
    spec::{JobSpec, Jobs, SharedGraph},
    taskmanager,
};
use crate::{
    control::{
        JobId, RequestId,
        heartbeats::HeartbeatSettings,
        job::{
            lifecycle::JobState,
            machine::{self, SLOT_TIMEOUT},
        },
        jobmanager::Input,
    },
    env::{BoxFuture, Env},
    failure::Failure,
    graph::{BuildError, JobGraph},
    settings::Settings,
    task::flag::Flag,
};

/// A cluster within this process, which runs one kind of job.
///
/// Its TaskManagers share nothing but the environment: records go from one to the other as they do between machines, encoded, and are looked at before they are
/// read. So a test of a job finds what a run in one process does not.
pub struct MiniCluster {
    envs: Envs,
    handle: Handle,
    leader: (Flag, oneshot::Receiver<Result<(), Failure>>),
    taskmanagers: Vec<(Flag, oneshot::Receiver<Result<(), Failure>>)>,
}

/// The one job.
struct OneJob<B>(B);

impl<B: Fn() -> Result<JobGraph, BuildError> + Send + Sync> Jobs for OneJob<B> {
    fn build(&self, _: &JobSpec) -> Result<SharedGraph, String> {
        (self.0)().map(|graph| Arc::new(Mutex::new(graph))).map_err(|error| error.to_string())
    }
}

impl MiniCluster {
    /// Starts a cluster of so many TaskManagers, each with so many slots. `build` builds the job; it is called by each of them, and has to give the same graph each time.
    ///
    /// # Errors
    ///
    /// The environment has no network.
    pub async fn start<B>(env: Arc<dyn Env>, taskmanagers: usize, slots: u32, build: B) -> Result<Self, Failure>
    where
        B: Fn() -> Result<JobGraph, BuildError> + Send + Sync + 'static,
    {
        let envs = Envs { control: Arc::clone(&env), data: Arc::clone(&env), worker: Arc::clone(&env) };
        Self::with(envs, Arc::new(OneJob(build)), taskmanagers, slots, HeartbeatSettings::default()).await
    }

    /// Starts a cluster for such jobs.
    pub(crate) async fn with(
        envs: Envs,
        jobs: Arc<dyn Jobs>,
        taskmanagers: usize,
        slots: u32,
        heartbeats: HeartbeatSettings,
    ) -> Result<Self, Failure> {
        let identity = Identity { build: 0, secret: Secret([0; 32]) };
        let options = jobmanager::Options {
            control_address: "127.0.0.1:0".to_owned(),
            advertised_host: None,
            rest: None,
            storage: None,
            object_store: ObjectStoreSettings::default(),
            heartbeats,
            provision: None,
            slot_timeout: SLOT_TIMEOUT,
            retained_jobs: RETAINED_JOBS,
            identity,
        };
        let (handle, stop) = (Handle::default(), Flag::default());
        let (sender, address) = oneshot::channel();
        let ready = |address: &str| drop(sender.send(address.to_owned())); // it is waited for
        let leads = {
            let (envs, jobs, handle, stop) = (envs.clone(), Arc::clone(&jobs), handle.clone(), stop.clone());
            async move { jobmanager::run(options, envs, jobs, handle, None, stop, ready).await }
        };
        let leader = (stop, spawn(&envs.control, "JobManager", leads));
        let Ok(address) = address.await else {
            return Err(leader.1.await.map_or_else(|_| gone(), |ended| ended.err().unwrap_or_else(gone)));
        };
        handle.leading().await;
        let (mut started, control) = (Vec::new(), Arc::clone(&envs.control));
        for _ in 0..taskmanagers {
            let options = taskmanager::Options {
                id: None,
                slots,
                jobmanagers: vec![address.clone()],
                data_address: "127.0.0.1:0".to_owned(),
                advertised_host: None,
                network_bytes: Settings::default().network_bytes() as u64,
                identity,
            };
            let (envs, jobs, stop) = (envs.clone(), Arc::clone(&jobs), Flag::default());
            let runs = {
                let stop = stop.clone();
                async move { taskmanager::run(options, envs, jobs, stop, |_| {}).await }
            };
            started.push((stop, spawn(&control, "TaskManager", runs)));
        }
        Ok(Self { envs, handle, leader, taskmanagers: started })
    }

    /// Runs the job to its end.
    ///
    /// # Errors
    ///
    /// Why it failed.
    pub async fn run(&self) -> Result<(), Failure> {
        let job = self.submit("job".to_owned()).await?;
        match self.end_of(job).await? {
            (JobState::Finished, _) => Ok(()),
            (_, Some(failure)) => Err(Failure::new(failure.to_string())),
            (state, None) => Err(Failure::new(format!("the job is {state}"))),
        }
    }

    /// Takes a job.
    ///
    /// # Errors
    ///
    /// Why it is not taken.
    pub(crate) async fn submit(&self, name: String) -> Result<JobId, Failure> {
        let submitted_at = self.envs.control.wall().millis();
        let record = JobRecord { name, spec: JobSpec::default(), submitted_at };
        let taken = self.handle.call(move |lead: &mut Lead, answer| lead.submit(record, answer)).await;
        taken.map_err(|_| gone())?
    }

    /// Waits for the end of a job.
    ///
    /// # Errors
    ///
    /// The cluster has ended before.
    pub(crate) fn end_of(&self, job: JobId) -> BoxFuture<'static, Result<End, Failure>> {
        let handle = self.handle.clone();
        Box::pin(async move {
            let end = handle.call(move |lead: &mut Lead, answer| lead.tell_end(job, answer)).await;
            end.map_err(|_| gone())
        })
    }

    /// Orders something for a job, and waits for the answer.
    pub(crate) fn order(
        &self,
        job: JobId,
        order: impl FnOnce(RequestId) -> machine::Input + Send + 'static,
    ) -> BoxFuture<'static, Result<Option<u64>, String>> {
        let handle = self.handle.clone();
        Box::pin(async move {
            let call = move |lead: &mut Lead, answer| {
                let request = lead.request(answer);
                lead.step(Input::Job { job, input: order(request) });
            };
            handle.call(call).await.unwrap_or_else(|_| Err("the job has ended".to_owned()))
        })
    }

    /// Tells a job something.
    pub(crate) async fn tell(&self, job: JobId, input: machine::Input) {
        let call = move |lead: &mut Lead, answer: oneshot::Sender<()>| {
            lead.step(Input::Job { job, input });
            let _ = answer.send(()); // it is not waited for
        };
        let _ = self.handle.call(call).await; // whoever has ended needs to know nothing
    }

    /// Ready when a process of it has ended before it was told to, with why.
    pub(crate) fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        for (_, ended) in self.taskmanagers.iter_mut().chain([&mut self.leader]) {
            if let Poll::Ready(ended) = Pin::new(ended).poll(cx) {
                return Poll::Ready(ended.map_or_else(|_| gone(), |ended| ended.err().unwrap_or_else(gone)));
            }
        }
        Poll::Pending
    }

    /// Ends a TaskManager, as when its process is told to: what it runs is started elsewhere, if there are slots.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn lose(&self, taskmanager: usize) {
        self.taskmanagers[taskmanager].0.set();
    }

    /// Ends the cluster, and waits until nothing of it is left.
    ///
    /// # Errors
    ///
    /// Why one of its processes has ended otherwise.
    pub async fn stop(self) -> Result<(), Failure> {
        // The leader is the last, so that nobody is left without one.
        let mut ended = Vec::new();
        for parts in [self.taskmanagers, vec![self.leader]] {
            parts.iter().for_each(|(stop, _)| stop.set());
            ended.extend(join_all(parts.into_iter().map(|(_, ended)| ended)).await);
        }
        ended.into_iter().try_for_each(|ended| ended.unwrap_or(Ok(())))
    }
}

fn gone() -> Failure {
    Failure::new("the environment stopped before the job ended")
}

fn spawn(
    env: &Arc<dyn Env>,
    name: &str,
    runs: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> oneshot::Receiver<Result<(), Failure>> {
    let (sender, ended) = oneshot::channel();
    let runs = async move {
        let _ = sender.send(runs.await); // nobody may be waiting any more
    };
    env.spawn(name, Box::pin(runs));
    ended
}
