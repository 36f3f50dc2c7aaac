//! The tasks of an attempt that are in this process: builds the job's graph, connects them, runs them, and reports what becomes of them.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::Poll,
};

use bytes::Bytes;
use futures::{
    SinkExt, StreamExt,
    channel::{mpsc, oneshot},
    future::{Either, select, try_join_all},
    stream::FuturesUnordered,
};
use millstream_core::time::Timestamp;
use millstream_net::link::Link;
use millstream_state::{log::Body, manifest::Manifest, store::Access};
use tracing::{Instrument, debug, info};

use super::{
    Happening, aligning,
    peers::{BODY_BYTES_LIMIT, Peers},
    placed::{Placed, id_of, key},
};
use crate::{
    alignment::group::Elsewhere,
    attempt::{
        chain_names,
        deploy::{Connectors, Deployed, Deployment, Given, SplitsHandle, Task},
        report::{self, encode_output, encode_parts},
        savepoint,
        segments::Segments,
        store,
    },
    checkpoint::{
        Barrier, SubtaskReport,
        inbox::{Inbox, Notice},
        subtask::{Snapshot, TaskEvent},
    },
    cluster::{
        Envs,
        spec::{Jobs, StartInfo, StoreInfo, locked},
        wire::MESSAGE_BYTES_LIMIT,
    },
    control::{
        SubtaskId, TaskManagerId, Vertex as VertexNumber,
        job::failure::{FailureClass, JobFailure},
        message::{Deploy, Order, Report, TaskRef},
    },
    env::{BoxFuture, blocking},
    failure::Failure,
    graph::JobGraph,
    metrics::Registry,
    operators::{sink::Committables, source::client::SplitClient},
    task::{
        contain::{Contained, contain},
        flag::Flag,
        state_memory::StateMemory,
    },
};

/// How many reports of a subtask have room on their way here, besides the one that each always has.
const EVENTS_LIMIT: usize = 64;
/// The longest state that is acknowledged, in bytes: the rest of the message is short.
const STATE_BYTES_LIMIT: usize = MESSAGE_BYTES_LIMIT - (64 << 10);

/// What the attempts of a process share.
pub(crate) struct Host {
    pub(crate) me: TaskManagerId,
    pub(crate) envs: Envs,
    pub(crate) jobs: Arc<dyn Jobs>,
    pub(crate) peers: Arc<Peers>,
    /// Where what happens is told.
    pub(crate) happenings: mpsc::Sender<Happening>,
    /// Requests for splits on their way to the leader.
    pub(crate) asks: Arc<super::asks::Asks>,
}

/// An attempt that has tasks here, as orders reach it.
pub(crate) struct Running {
    stop: Flag,
    /// Lets its sources come to an end.
    drain: Flag,
    registry: Registry,
    elsewhere: OnceLock<Vec<Elsewhere>>,
    reached: OnceLock<BTreeMap<SubtaskId, Reached>>,
}

/// How a task is reached.
struct Reached {
    inbox: Inbox,
    splits: Option<Arc<SplitClient>>,
}

impl Running {
    /// The members of an alignment group that are in other processes have come so far.
    pub(crate) fn aligned(&self, group: &str, at: Option<i64>) {
        let of_group = self.elsewhere().iter().find(|elsewhere| elsewhere.group == group);
        if let Some(elsewhere) = of_group {
            elsewhere.others(at.map(Timestamp::from_millis));
        }
    }

    /// The alignment groups of its sources that have members in other processes; none before its tasks are there.
    pub(super) fn elsewhere(&self) -> &[Elsewhere] {
        self.elsewhere.get().map_or(&[], Vec::as_slice)
    }

    /// What its tasks measure.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Ends its tasks.
    pub(crate) fn stop(&self) {
        self.stop.set();
    }

    /// Passes an order on.
    pub(crate) fn order(&self, order: Order, tasks: &[TaskRef]) {
        let notice = match order {
            // The tasks of an attempt live and die together.
            Order::Cancel => return self.stop.set(),
            Order::Trigger { checkpoint, kind } => Notice::Trigger(Barrier::new(checkpoint, kind)),
            Order::Complete { checkpoint } => Notice::Complete(checkpoint),
            Order::Abort { checkpoint } => Notice::Abort(checkpoint),
            Order::Drain => return self.drain.set(),
            Order::Finish => Notice::Finish,
        };
        let Some(reached) = self.reached.get() else { return };
        for task in tasks.iter().filter_map(|task| reached.get(&task.subtask)) {
            task.inbox.send(notice);
        }
    }

    /// Gives a task the answer to its request for a split.
    pub(crate) fn assign(&self, task: TaskRef, request: u64, payload: Bytes) {
        let reached = self.reached.get().and_then(|reached| reached.get(&task.subtask));
        if let Some(splits) = reached.and_then(|reached| reached.splits.as_ref()) {
            splits.assigned(request, payload);
        }
    }
}

/// Starts the tasks of an attempt.
pub(crate) fn start(host: &Arc<Host>, deploy: Arc<Deploy>) -> Arc<Running> {
    let attendance = host.jobs.attendance();
    let running = Arc::new(Running {
        stop: Flag::default(),
        drain: attendance.map(|attendance| attendance.drain.clone()).unwrap_or_default(),
        registry: attendance.map(|attendance| attendance.registry.clone()).unwrap_or_default(),
        elsewhere: OnceLock::new(),
        reached: OnceLock::new(),
    });
    let attempt = Attempt {
        host: Arc::clone(host),
        running: Arc::clone(&running),
        deploy,
        happenings: host.happenings.clone(),
        terminal: Vec::new(),
    };
    host.envs.worker.spawn("attempt", Box::pin(attempt.run()));
    running
}

struct Attempt {
    host: Arc<Host>,
    running: Arc<Running>,
    deploy: Arc<Deploy>,
    happenings: mpsc::Sender<Happening>,
    /// Which tasks have reported their end.
    terminal: Vec<SubtaskId>,
}

/// What is needed to run its tasks, and what they leave.
struct Started {
    deployed: Deployed,
    events: mpsc::Receiver<TaskEvent>,
    segments: Option<Arc<Segments>>,
    /// What the writers of the vertices leave at the end.
    committables: BTreeMap<u32, Committables>,
}

/// What happens while the tasks run.
enum Event {
    Ended(usize, Result<(), Failure>),
    Told(TaskEvent),
    Stored { task: usize, checkpoint: u64, stats: SubtaskReport, state: Result<Bytes, Failure> },
}

impl Attempt {
    async fn run(mut self) {
        let stop = self.running.stop.clone();
        let started = {
            let start = Contained::new(self.start());
            match select(pin!(start), pin!(stop.wait())).await {
                Either::Left((started, _)) => started,
                Either::Right(_) => Err(Failure::cancelled()),
            }
        };
        match started {
            Ok(started) => self.attend(started).await,
            Err(failure) => self.end_all(failure, None).await,
        }
        let (job, attempt) = (self.deploy.job, self.deploy.attempt);
        self.host.peers.arrivals().end(key(job, attempt));
        self.tell(Happening::Over { job, attempt }).await;
    }

    async fn tell(&mut self, happening: Happening) {
        let _ = self.happenings.send(happening).await; // the process is ending, if nobody listens
    }

    fn task(&self, subtask: SubtaskId) -> TaskRef {
        TaskRef { subtask, attempt: self.deploy.attempt }
    }

    async fn report(&mut self, subtask: SubtaskId, report: Report) {
        if report.is_terminal() {
            self.terminal.push(subtask);
        }
        let (job, task) = (self.deploy.job, self.task(subtask));
        self.tell(Happening::Report { job, task, report }).await;
    }

    /// None of its tasks will run any more: the first says why.
    async fn end_all(&mut self, failure: Failure, segments: Option<&Segments>) {
        let deploy = Arc::clone(&self.deploy);
        let mut report = ended_with(&failure, segments);
        for (subtask, _) in &deploy.tasks {
            if !self.terminal.contains(subtask) {
                self.report(*subtask, std::mem::replace(&mut report, Report::Cancelled)).await;
            }
        }
    }

    /// Builds and connects the tasks.
    async fn start(&self) -> Result<Started, Failure> {
        let Host { envs, jobs, me, peers, .. } = &*self.host;
        let info: StartInfo = postcard::from_bytes(&self.deploy.payload)
            .map_err(|error| Failure::new(format!("what a job is to be started from cannot be read: {error}")))?;
        let (jobs, spec) = (Arc::clone(jobs), info.spec.clone());
        let graph = blocking(&*envs.worker, move || contain(|| spec.build(&*jobs)).and_then(|graph| graph)).await?;
        let record_bytes = locked(&graph).settings.max_record_size;
        if record_bytes > BODY_BYTES_LIMIT / 2 && self.deploy.placement.taskmanagers.len() > 1 {
            let most = BODY_BYTES_LIMIT / 2;
            let what =
                format!("'max-record-size' is {record_bytes} bytes, and at most {most} go from process to process");
            return Err(Failure::new(what));
        }
        let restored = match &info.checkpoints {
            Some(store) => Some(self.open(store).await?),
            None => None,
        };
        let (segments, manifest) = restored.map_or((None, None), |(segments, manifest)| (Some(segments), manifest));
        let links = self.deploy.placement.taskmanagers.iter().filter(|(id, _)| id != me);
        let links = links.map(|(id, address)| async move { Ok((*id, peers.link(*id, address).await?)) });
        let links: BTreeMap<TaskManagerId, Link> = try_join_all(links).await?.into_iter().collect();
        // Whoever sits in front of a job has all of it in this process.
        let is_whole = self.host.jobs.attendance().is_some();
        let placement = Placed::new(*me, &self.deploy, links, Arc::clone(peers.arrivals()), is_whole);
        let deployed =
            contain(|| self.deploy(&locked(&graph), &info, &placement, segments.as_ref(), manifest.as_ref()));
        deployed.and_then(|deployed| deployed)
    }

    /// Opens the checkpoints of the job, and reads the one to go on from.
    async fn open(&self, store: &StoreInfo) -> Result<(Arc<Segments>, Option<Arc<Manifest>>), Failure> {
        let env = Arc::clone(&self.host.envs.worker);
        let (info, opening) = (store.clone(), Arc::clone(&env));
        let checkpoints =
            blocking(&*env, move || store::open(&info.location, Access::Shared, &info.object_store, &opening)).await?;
        let writer = format!("{}-{}-", self.host.me, self.deploy.attempt.number);
        let segments = Segments::new(checkpoints, store.location.clone(), store.claim, writer);
        segments.set_wants_full(store.wants_full);
        if let Some(from) = &store.from {
            let (origin, manifest) = savepoint::open(from, &store.object_store, &env).await?;
            if Some(manifest.checkpoint) != self.deploy.restore {
                let what = format!("the savepoint in {from} is not the one that is to be gone on from");
                return Err(Failure::new(what));
            }
            segments.set_origin(Some(origin));
            return Ok((Arc::new(segments), Some(Arc::new(manifest))));
        }
        let Some(number) = store.entry else { return Ok((Arc::new(segments), None)) };
        let entry = segments.checkpoints().entry(number).await;
        let entry = entry.map_err(|error| segments.failure(error).of_environment())?;
        match entry.body {
            Body::Checkpoint { manifest, .. } if Some(manifest.checkpoint) == self.deploy.restore => {
                Ok((Arc::new(segments), Some(Arc::new(manifest))))
            }
            _ => {
                Err(Failure::new(format!("entry {number} of the log is not the checkpoint that is to be gone on from")))
            }
        }
    }

    fn deploy(
        &self,
        graph: &JobGraph,
        info: &StartInfo,
        placement: &Placed,
        segments: Option<&Arc<Segments>>,
        manifest: Option<&Arc<Manifest>>,
    ) -> Result<Started, Failure> {
        let (sender, events) = mpsc::channel(EVENTS_LIMIT);
        let attendance = self.host.jobs.attendance();
        let names = chain_names(graph);
        let new = || Arc::new(StateMemory::new(graph.settings.state_bytes()));
        let state = attendance.map_or_else(new, |attendance| Arc::clone(attendance.state.get_or_init(new)));
        let env = &self.host.envs.worker;
        let connectors = Connectors { env, registry: &self.running.registry, run: info.run, attempt: info.attempt };
        let deployment = Deployment {
            graph,
            names: &names,
            connectors,
            placement,
            state: &state,
            stop: &self.running.stop,
            drain: &self.running.drain,
            restored: manifest,
            events: segments.map(|_| &sender),
            segments,
        };
        let clients: Arc<Mutex<BTreeMap<SubtaskId, Arc<SplitClient>>>> = Arc::default();
        let mut committables = BTreeMap::new();
        let mut deployed = deployment.deploy(|id, vertex| {
            let mut given = Given::default();
            if vertex.sink.is_some() {
                committables.insert(id.0 as u32, Arc::clone(&given.committables));
            }
            if let Some(attendance) = attendance {
                let handle = attendance.splits.lock().unwrap_or_else(PoisonError::into_inner).remove(&id.0);
                given.splits = handle.map(|handle| Box::new(move |_: usize, _: &Inbox| handle()) as SplitsHandle<'_>);
            } else if let Some(source) = &vertex.source {
                let (clients, host) = (Arc::clone(&clients), Arc::clone(&self.host));
                let (job, attempt) = (self.deploy.job, self.deploy.attempt);
                given.splits = Some(Box::new(move |subtask, inbox| {
                    let subtask = SubtaskId { vertex: VertexNumber(id.0 as u32), subtask: subtask as u32 };
                    let (task, asks) = (TaskRef { subtask, attempt }, Arc::clone(&host.asks));
                    let send = move |request, payload| asks.put(job, task, request, payload);
                    let client = Arc::new(SplitClient::new(send, inbox.clone()));
                    clients.lock().unwrap_or_else(PoisonError::into_inner).insert(subtask, Arc::clone(&client));
                    source.remote(client)
                }));
            }
            Ok(given)
        })?;
        let mut clients = std::mem::take(&mut *clients.lock().unwrap_or_else(PoisonError::into_inner));
        let reached = deployed.subtasks.iter().zip(&deployed.inboxes).map(|(subtask, inbox)| {
            let subtask = id_of(*subtask);
            (subtask, Reached { inbox: inbox.clone(), splits: clients.remove(&subtask) })
        });
        let _ = self.running.reached.set(reached.collect()); // it is set here alone
        let _ = self.running.elsewhere.set(std::mem::take(&mut deployed.elsewhere)); // and so is this
        Ok(Started { deployed, events, segments: segments.cloned(), committables })
    }

    /// Runs the tasks to their ends; when one fails the others are stopped.
    async fn attend(&mut self, started: Started) {
        let Started { deployed, mut events, segments, committables } = started;
        let subtasks: Vec<_> = deployed.subtasks.iter().copied().map(id_of).collect();
        info!(job = %self.deploy.job, attempt = %self.deploy.attempt, tasks = subtasks.len(), "tasks are deployed");
        for subtask in &subtasks {
            self.report(*subtask, Report::Running).await;
        }
        let over = Flag::default();
        aligning::tell(&self.running, &self.host, (self.deploy.job, self.deploy.attempt), &over);
        let mut running: FuturesUnordered<_> = self.spawn(deployed.tasks).into_iter().enumerate().map(ended).collect();
        let mut storing = FuturesUnordered::<BoxFuture<'static, Event>>::new();
        while !running.is_empty() {
            let event = poll_fn(|cx| {
                if let Poll::Ready(Some(event)) = storing.poll_next_unpin(cx) {
                    return Poll::Ready(event);
                }
                if let Poll::Ready(Some(event)) = events.poll_next_unpin(cx) {
                    return Poll::Ready(Event::Told(event));
                }
                match running.poll_next_unpin(cx) {
                    Poll::Ready(Some(event)) => Poll::Ready(event),
                    _ => Poll::Pending,
                }
            })
            .await;
            match event {
                Event::Ended(task, Ok(())) => {
                    let output = left(&committables);
                    self.report(subtasks[task], Report::Ended { output }).await;
                }
                Event::Ended(task, Err(failure)) => {
                    self.running.stop.set();
                    self.report(subtasks[task], ended_with(&failure, segments.as_deref())).await;
                }
                Event::Told(TaskEvent::Drained { task }) => self.report(subtasks[task], Report::Drained).await,
                Event::Told(TaskEvent::Snapshot(snapshot)) => {
                    let (task, checkpoint) = (snapshot.task, snapshot.checkpoint);
                    match &snapshot.declined {
                        Some(failure) => {
                            let reason = failure.to_string();
                            self.report(subtasks[task], Report::Declined { checkpoint, reason }).await;
                        }
                        None => storing.push(self.store(snapshot)),
                    }
                }
                Event::Stored { task, checkpoint, stats, state: Ok(state) } => {
                    self.report(subtasks[task], Report::Ack { checkpoint, stats, state }).await;
                }
                Event::Stored { task, checkpoint, state: Err(failure), .. } => {
                    let reason = failure.to_string();
                    self.report(subtasks[task], Report::Declined { checkpoint, reason }).await;
                }
            }
        }
        over.set();
    }

    fn spawn(&self, tasks: Vec<Task>) -> Vec<oneshot::Receiver<Result<(), Failure>>> {
        let spawn = |Task { name, span, future }: Task| {
            let (sender, ended) = oneshot::channel();
            let (task, failing) = (Contained::new(future), name.clone());
            let task = async move {
                let result = task.await.map_err(|failure: Failure| failure.at_operator(&failing, None));
                match &result {
                    Err(failure) if !failure.is_cancelled() => info!(error = %failure, "task has failed"),
                    Err(_) => debug!("task was cancelled"),
                    Ok(()) => debug!("task has ended"),
                }
                let _ = sender.send(result); // the attempt waits, unless the process is ending
            };
            self.host.envs.worker.spawn(&name, Box::pin(task.instrument(span)));
            ended
        };
        tasks.into_iter().map(spawn).collect()
    }

    /// Waits, beside the tasks, until the rows of a snapshot are stored.
    fn store(&self, snapshot: Snapshot) -> BoxFuture<'static, Event> {
        let Snapshot { task, checkpoint, operators, channels, unaligned, alignment, sync, .. } = snapshot;
        let env = Arc::clone(&self.host.envs.worker);
        Box::pin(async move {
            let began = env.now();
            let parts = Contained::new(report::stored(operators, channels)).await;
            let bytes = parts.as_ref().map_or(0, report::Parts::bytes);
            let channel_bytes = parts.as_ref().map_or(0, report::Parts::channel_bytes);
            let background = env.now().since(began);
            let stats = SubtaskReport { bytes, channel_bytes, unaligned, alignment, sync, background };
            let state = parts.map(|parts| encode_parts(&parts)).and_then(|state| match state.len() {
                0..=STATE_BYTES_LIMIT => Ok(state),
                bytes => Err(Failure::new(format!(
                    "the subtask has {bytes} bytes of state besides rows, more than {STATE_BYTES_LIMIT}"
                ))),
            });
            Event::Stored { task, checkpoint, stats, state }
        })
    }
}

/// Waits for the end of a task.
async fn ended((task, end): (usize, oneshot::Receiver<Result<(), Failure>>)) -> Event {
    let lost = |_| Err(Failure::new("a task was dropped by its environment"));
    Event::Ended(task, end.await.unwrap_or_else(lost))
}

/// What is reported of a task that has not ended well.
fn ended_with(failure: &Failure, segments: Option<&Segments>) -> Report {
    if failure.is_cancelled() {
        return Report::Cancelled;
    }
    let mut told = JobFailure::of(failure);
    if segments.is_some_and(|segments| segments.take_rejected().is_some()) {
        (told.rejects, told.class) = (true, FailureClass::Environment);
    }
    Report::Failed(told)
}

/// What writers have left by now, for whoever commits it.
fn left(committables: &BTreeMap<u32, Committables>) -> Bytes {
    let taken = committables
        .iter()
        .map(|(vertex, left)| (*vertex, std::mem::take(&mut *left.lock().unwrap_or_else(PoisonError::into_inner))));
    let taken: Vec<_> = taken.filter(|(_, parts)| !parts.is_empty()).collect();
    if taken.is_empty() { Bytes::new() } else { encode_output(&taken) }
}
