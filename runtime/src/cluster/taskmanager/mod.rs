//! The driver of a TaskManager: its loop, its connection to the leader, and the attempts that have tasks here.

mod aligning;
mod asks;
mod attempt;
mod find;
mod peers;
mod placed;

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use futures::{
    SinkExt, StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use tracing::{debug, error, info, warn};

use self::{
    asks::Asks,
    attempt::{Host, Running},
    peers::Peers,
};
use super::{
    Envs, Identity,
    connection::ControlConnection,
    draw,
    spec::Jobs,
    wake,
    wire::{Downward, Upward, WireError},
};
use crate::{
    control::{
        AttemptId, ConnectionId, Epoch, JobId, TaskManagerId,
        heartbeats::HeartbeatSettings,
        message::{Deploy, Report, TaskRef},
        taskmanager::{CANCEL_TIMEOUT, Command, Input, TaskManager, TaskManagerSettings},
    },
    env::Instant,
    failure::Failure,
    task::flag::Flag,
};

/// So many happenings may wait for the loop; who has more waits.
const HAPPENINGS_LIMIT: usize = 1024;
/// How often the leader is told what the tasks measure.
const MEASURE_INTERVAL: Duration = Duration::from_secs(2);
/// Of so many metrics of a job the leader is told.
const METRICS_TOLD_LIMIT: usize = 10_000;
/// How long tasks may take to end when the process is to end.
const GOODBYE_LIMIT: Duration = Duration::from_secs(5);

/// What a TaskManager is told when it starts.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// What it is called, if somebody has drawn that for it; no two processes may be called the same.
    pub(crate) id: Option<TaskManagerId>,
    /// How many slots it offers.
    pub(crate) slots: u32,
    /// Where JobManagers take control connections: one of them leads.
    pub(crate) jobmanagers: Vec<String>,
    /// Where it takes data connections: `host:port`, with port 0 for any.
    pub(crate) data_address: String,
    /// The host by which others reach it, if that is another.
    pub(crate) advertised_host: Option<String>,
    /// What buffers on their way from other processes may take, in bytes.
    pub(crate) network_bytes: u64,
    pub(crate) identity: Identity,
}

/// Something has happened.
pub(crate) enum Happening {
    /// There is a connection to a leader.
    Connected { connection: ConnectionId, epoch: Epoch, control: ControlConnection, leader: String },
    /// Something has come over a connection, or it has ended.
    Came { connection: ConnectionId, what: Result<Downward, WireError> },
    /// Something has become of a task.
    Report { job: JobId, task: TaskRef, report: Report },
    /// An attempt has no task here any more.
    Over { job: JobId, attempt: AttemptId },
    /// The leader is to be told what the tasks measure.
    Measure,
    /// The leader is to be told how far sources have come that others wait for.
    Aligned { job: JobId, attempt: AttemptId, group: String, members: u32, at: Option<i64> },
}

/// A TaskManager while it runs.
struct Driver {
    envs: Envs,
    options: Options,
    machine: TaskManager,
    host: Arc<Host>,
    running: HashMap<(JobId, AttemptId), Arc<Running>>,
    control: Option<(ConnectionId, ControlConnection)>,
    last_connection: u64,
    wake_at: Option<Instant>,
    /// Why the process has to end.
    exit: Option<String>,
}

/// Runs a TaskManager until it is told to stop. `ready` is told where it takes data connections.
///
/// # Errors
///
/// It cannot take data connections; or a task does not end, so that the process has to.
pub(crate) async fn run(
    options: Options,
    envs: Envs,
    jobs: Arc<dyn Jobs>,
    stop: Flag,
    ready: impl FnOnce(&str),
) -> Result<(), Failure> {
    let me = options.id.unwrap_or_else(|| TaskManagerId(draw(&*envs.control)));
    let listener = listen(&options, &envs).await?;
    let address = match &options.advertised_host {
        Some(host) => format!("{host}:{}", listener.address().rsplit(':').next().unwrap_or_default()),
        None => listener.address().to_owned(),
    };
    ready(listener.address());
    let peers = Peers::new(me, Arc::clone(&envs.data), options.identity, options.network_bytes);
    let accepts = Arc::clone(&peers).accept(listener, stop.clone());
    envs.data.spawn("data connections", Box::pin(accepts));
    let (happenings, mut happened) = mpsc::channel(HAPPENINGS_LIMIT);
    let settings = TaskManagerSettings {
        id: me,
        slots: options.slots,
        endpoint: address.as_str().into(),
        heartbeats: HeartbeatSettings::default(),
        cancel_timeout: CANCEL_TIMEOUT,
    };
    info!(taskmanager = %me, slots = options.slots, address, "TaskManager starts");
    let asks = Arc::<Asks>::default();
    let mut driver = Driver {
        host: Arc::new(Host { me, envs: envs.clone(), jobs, peers, happenings, asks: Arc::clone(&asks) }),
        envs,
        options,
        machine: TaskManager::new(settings),
        running: HashMap::new(),
        control: None,
        last_connection: 0,
        wake_at: None,
        exit: None,
    };
    let (mut tick, env, over) = (driver.host.happenings.clone(), Arc::clone(&driver.envs.control), stop.clone());
    let ticks = async move {
        while !over.is_set() && tick.send(Happening::Measure).await.is_ok() {
            select(env.sleep(MEASURE_INTERVAL), pin!(over.wait())).await;
        }
    };
    if driver.host.jobs.attendance().is_none() {
        driver.envs.control.spawn("measures", Box::pin(ticks));
    }
    driver.step(Input::Timer);
    while driver.exit.is_none() && !stop.is_set() {
        driver.turn(&mut happened, &asks, &stop).await;
    }
    driver.leave(&mut happened).await;
    driver.exit.map_or(Ok(()), |reason| Err(Failure::new(reason)))
}

/// Takes data connections.
async fn listen(options: &Options, envs: &Envs) -> Result<Box<dyn crate::env::Listener>, Failure> {
    // Where its connections are to be driven.
    let (sender, listener) = futures::channel::oneshot::channel();
    let (env, address) = (Arc::clone(&envs.data), options.data_address.clone());
    envs.data.spawn(
        "data connections, listening",
        Box::pin(async move {
            let _ = sender.send(env.network().listen(&address).await); // the TaskManager waits for it
        }),
    );
    let failed = |why: String| {
        Failure::new(format!("the TaskManager cannot take data connections at {}: {why}", options.data_address))
    };
    match listener.await {
        Ok(Ok(listener)) => Ok(listener),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed("its environment has ended".to_owned())),
    }
}

impl Driver {
    /// Waits for something to happen, and does what follows from it.
    async fn turn(&mut self, happened: &mut mpsc::Receiver<Happening>, asks: &Asks, stop: &Flag) {
        let (mut ask, mut stops) = (pin!(asks.next()), pin!(stop.wait()));
        let timer = wake(&self.envs.control, self.wake_at);
        match select(select(happened.next(), &mut ask), select(timer, &mut stops)).await {
            Either::Left((Either::Left((Some(happening), _)), _)) => self.take(happening),
            Either::Left((Either::Right((((job, task), (request, payload)), _)), _)) => {
                self.step(Input::SplitRequest { job, task, request, payload });
            }
            Either::Right((Either::Left(_), _)) => {
                self.wake_at = None;
                self.step(Input::Timer);
            }
            _ => {} // it is to stop
        }
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Connected { connection, epoch, control, leader } => {
                info!(leader, %epoch, "connected to the leader");
                self.control = Some((connection, control));
                self.step(Input::Connected { connection, epoch });
            }
            Happening::Came { connection, what } => {
                if self.control.as_ref().is_none_or(|(known, _)| *known != connection) {
                    return;
                }
                match what {
                    Ok(Downward::Control(message)) => self.step(Input::Message { connection, message }),
                    Ok(Downward::Aligned { job, attempt, group, at }) => {
                        if let Some(running) = self.running.get(&(job, attempt)) {
                            running.aligned(&group, at);
                        }
                    }
                    Ok(Downward::Leads { .. } | Downward::StandsBy { .. }) => {
                        self.close(connection);
                        self.step(Input::Closed { connection });
                    }
                    Err(error) => {
                        warn!(%error, "the connection to the leader has ended");
                        self.close(connection);
                        self.step(Input::Closed { connection });
                    }
                }
            }
            Happening::Report { job, task, report } => self.step(Input::Report { job, task, report }),
            Happening::Measure => self.measure(),
            Happening::Aligned { job, attempt, group, members, at } => {
                if let Some((_, control)) = &self.control {
                    // What cannot be sent now is told the next time.
                    let _ = control.send(&Upward::Aligned { job, attempt, group, members, at });
                }
            }
            Happening::Over { job, attempt } => {
                self.running.remove(&(job, attempt));
            }
        }
    }

    /// Lets the machine decide, and does what it says.
    fn step(&mut self, input: Input) {
        for command in self.machine.step(self.envs.control.now(), input) {
            self.obey(command);
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Connect => {
                self.last_connection += 1;
                let connection = ConnectionId(self.last_connection);
                let search = find::Search {
                    env: Arc::clone(&self.envs.control),
                    identity: self.options.identity,
                    me: self.host.me,
                    jobmanagers: self.options.jobmanagers.clone(),
                    connection,
                    happenings: self.host.happenings.clone(),
                };
                self.envs.control.spawn("looks for the leader", Box::pin(search.run()));
            }
            Command::Send { connection, message } => {
                let Some((_, control)) = self.control.as_ref().filter(|(known, _)| *known == connection) else {
                    return;
                };
                if let Err(error) = control.send(&Upward::Control(message)) {
                    // Nothing is lost: without its connection the leader gives this process up.
                    error!(?error, "the leader cannot be told");
                    self.close(connection);
                    self.step(Input::Closed { connection });
                }
            }
            Command::Disconnect { connection, reason } => {
                warn!(reason, "the connection to the leader is closed");
                self.close(connection);
            }
            Command::Start(deploy) => self.start(deploy),
            Command::Order { job, order, mut tasks } => {
                debug!(%job, ?order, tasks = tasks.len(), "order");
                tasks.sort_unstable_by_key(|task| task.attempt);
                for tasks in tasks.chunk_by(|a, b| a.attempt == b.attempt) {
                    if let Some(running) = self.running.get(&(job, tasks[0].attempt)) {
                        running.order(order, tasks);
                    }
                }
            }
            Command::AssignSplit { job, task, request, payload } => {
                if let Some(running) = self.running.get(&(job, task.attempt)) {
                    running.assign(task, request, payload);
                }
            }
            Command::Exit { reason } => self.exit = Some(reason),
            Command::WakeAt(at) => self.wake_at = Some(at),
        }
    }

    fn start(&mut self, deploy: Arc<Deploy>) {
        let key = (deploy.job, deploy.attempt);
        self.running.insert(key, attempt::start(&self.host, deploy));
    }

    /// Tells the leader what the tasks measure.
    fn measure(&mut self) {
        let Some((_, control)) = &self.control else { return };
        let mut jobs: Vec<JobId> = self.running.keys().map(|(job, _)| *job).collect();
        jobs.sort_unstable();
        jobs.dedup();
        for job in jobs {
            let of_job = self.running.iter().filter(|((of, _), _)| *of == job);
            let values = of_job.flat_map(|(_, running)| running.registry().values()).take(METRICS_TOLD_LIMIT);
            // What cannot be sent now is told the next time.
            let _ = control.send(&Upward::Metrics { job, values: values.collect() });
        }
    }

    fn close(&mut self, connection: ConnectionId) {
        if let Some((_, control)) = self.control.take_if(|(known, _)| *known == connection) {
            control.abort();
        }
    }

    /// Ends what runs here. Only then the leader sees the connection close, and has the tasks started elsewhere.
    async fn leave(&mut self, happened: &mut mpsc::Receiver<Happening>) {
        self.running.values().for_each(|running| running.stop());
        let mut late = self.envs.control.sleep(GOODBYE_LIMIT);
        while !self.running.is_empty() {
            match select(happened.next(), &mut late).await {
                Either::Left((Some(Happening::Over { job, attempt }), _)) => drop(self.running.remove(&(job, attempt))),
                Either::Left((Some(_), _)) => {}
                _ => break,
            }
        }
        if let Some((connection, _)) = &self.control {
            self.close(*connection);
        }
        self.host.peers.close();
        info!("TaskManager has ended");
    }
}
