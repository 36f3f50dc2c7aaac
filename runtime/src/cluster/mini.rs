//! [`MiniCluster`]: a JobManager and TaskManagers within one process, for tests: what a cluster of processes runs, over the network of an environment.

use std::{sync::Arc, time::Duration};

use futures::{channel::oneshot, future::join_all};
use millstream_net::hello::Secret;

use super::{
    Envs, Identity,
    jobmanager::{self, Handle, JobRecord, Lead, RETAINED_JOBS},
    spec::{JobSpec, Jobs},
    taskmanager,
};
use crate::{
    control::{
        JobId,
        heartbeats::HeartbeatSettings,
        job::{lifecycle::JobState, machine::SLOT_TIMEOUT},
    },
    env::Env,
    failure::Failure,
    graph::{BuildError, JobGraph},
    settings::Settings,
    task::flag::Flag,
};

/// How often it is looked whether a job has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A cluster within this process, which runs one kind of job.
///
/// Its TaskManagers share nothing but the environment: records go from one to the other as they do between machines, encoded, and are looked at before they are
/// read. So a test of a job finds what a run in one process does not.
pub struct MiniCluster {
    env: Arc<dyn Env>,
    handle: Handle,
    leader: (Flag, oneshot::Receiver<Result<(), Failure>>),
    taskmanagers: Vec<(Flag, oneshot::Receiver<Result<(), Failure>>)>,
}

/// The one job.
struct OneJob<B>(B);

impl<B: Fn() -> Result<JobGraph, BuildError> + Send + Sync> Jobs for OneJob<B> {
    fn build(&self, _: &JobSpec) -> Result<JobGraph, String> {
        (self.0)().map_err(|error| error.to_string())
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
        let jobs: Arc<dyn Jobs> = Arc::new(OneJob(build));
        let identity = Identity { build: 0, secret: Secret([0; 32]) };
        let options = jobmanager::Options {
            control_address: "127.0.0.1:0".to_owned(),
            advertised_host: None,
            rest: None,
            storage: None,
            heartbeats: HeartbeatSettings::default(),
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
        let leader = (stop, spawn(&env, "JobManager", leads));
        let gone = |_| Failure::new("the environment has ended");
        let address = address.await.map_err(gone)?;
        let mut started = Vec::new();
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
            started.push((stop, spawn(&env, "TaskManager", runs)));
        }
        Ok(Self { env, handle, leader, taskmanagers: started })
    }

    /// Runs the job to its end.
    ///
    /// # Errors
    ///
    /// Why it failed.
    pub async fn run(&self) -> Result<(), Failure> {
        while !self.handle.is_leading() {
            self.env.sleep(LOOK_INTERVAL).await;
        }
        let gone = || Failure::new("the cluster has ended");
        let submitted_at = self.env.wall().millis();
        let record = JobRecord { name: "job".to_owned(), spec: JobSpec::default(), submitted_at };
        let taken = self.handle.call(move |lead: &mut Lead, answer| lead.submit(record, answer)).await;
        let id: JobId = taken.map_err(|_| gone())??;
        loop {
            self.env.sleep(LOOK_INTERVAL).await;
            let look = move |lead: &mut Lead, answer: oneshot::Sender<_>| drop(answer.send(lead.ended_with(id)));
            let Some((state, failure)) = self.handle.call(look).await.map_err(|_| gone())? else { continue };
            return match (state, failure) {
                (JobState::Finished, _) => Ok(()),
                (_, Some(failure)) => Err(Failure::new(failure.to_string())),
                (state, None) => Err(Failure::new(format!("the job is {state}"))),
            };
        }
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
        let all = std::iter::once(self.leader).chain(self.taskmanagers);
        let ends = all.map(|(stop, ended)| {
            stop.set();
            ended
        });
        let ended = join_all(ends.collect::<Vec<_>>()).await;
        ended.into_iter().try_for_each(|ended| ended.unwrap_or(Ok(())))
    }
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
