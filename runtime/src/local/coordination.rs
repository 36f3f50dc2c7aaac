//! One attempt while it runs: its tasks, its checkpoints, and what is asked of it from outside. Decisions are the [`Coordinator`]'s; here they are carried out.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use futures::{
    StreamExt,
    channel::{mpsc, oneshot},
    stream::FuturesUnordered,
};
use millstream_state::manifest::{CheckpointKind, Manifest, OperatorState};
use tracing::{Instrument, debug, info, warn};

use super::{Progress, Request, driver::Driver};
use crate::{
    attempt::{
        deploy::{Deployed, Task},
        report::{Gathered, Part, parallelism, stored},
        sinks::{JobSink, commit_checkpoint},
        store::JobStore,
    },
    checkpoint::{
        Barrier,
        coordinator::{Command, Coordinator, Input},
        inbox::{Inbox, Notice},
        stats::SubtaskReport,
        subtask::{Snapshot, TaskEvent},
    },
    env::{BoxFuture, Env, Instant},
    failure::Failure,
    graph::JobGraph,
    settings::Settings,
    task::{
        contain::{Contained, contain},
        flag::Flag,
    },
};

/// How an attempt ends if it does not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// All input has been read, and all output is committed.
    Finished,
    /// It was stopped with this checkpoint.
    Stopped(u64),
}

impl End {
    pub(super) fn stopped(self) -> Option<u64> {
        match self {
            Self::Finished => None,
            Self::Stopped(checkpoint) => Some(checkpoint),
        }
    }
}

/// Work of the driver that takes time, done beside the tasks.
enum Done {
    /// The rows of a subtask's snapshot are stored, or not.
    Uploaded {
        task: usize,
        checkpoint: u64,
        report: SubtaskReport,
        operators: Result<Vec<Part>, Failure>,
    },
    Stored {
        checkpoint: u64,
        result: Result<(), Failure>,
        deposed: bool,
    },
    Committed {
        checkpoint: u64,
        sinks: Vec<JobSink>,
        result: Result<(), Failure>,
    },
}

type Work = FuturesUnordered<BoxFuture<'static, Done>>;

pub(super) struct Coordination {
    job: String,
    run: u64,
    env: Arc<dyn Env>,
    cancel: Flag,
    stop: Flag,
    tasks: Vec<Task>,
    inboxes: Vec<Inbox>,
    sources: Vec<usize>,
    /// The parallelism of every operator, by its id.
    parallelism: BTreeMap<String, u32>,
    events: mpsc::Receiver<TaskEvent>,
    /// `None` without checkpoints.
    coordinator: Option<(Coordinator, Arc<JobStore>)>,
    progress: Progress,
    settings: Settings,
    /// The reports to the checkpoint under way.
    gathered: BTreeMap<u64, Gathered>,
    /// What is complete and has to be committed.
    committing: BTreeMap<u64, (CheckpointKind, Vec<OperatorState>)>,
    last_committed: u64,
    answers: BTreeMap<u64, oneshot::Sender<Result<u64, String>>>,
    next_answer: u64,
    wake_at: Option<Instant>,
    /// Where the sinks are, unless they commit.
    sinks: Vec<JobSink>,
    work: Work,
    end: Option<Result<End, Failure>>,
}

impl Coordination {
    pub(super) fn new(
        driver: &Driver,
        graph: &JobGraph,
        deployed: Deployed,
        stop: Flag,
        events: mpsc::Receiver<TaskEvent>,
        sinks: Vec<JobSink>,
    ) -> Self {
        let Deployed { tasks, inboxes, sources, .. } = deployed;
        let now = driver.env.now();
        let coordinator = driver.store.as_ref().map(|store| {
            let next = store.next_checkpoint();
            let sources = sources.iter().copied();
            let settings = graph.settings.checkpoints.clone();
            let history = driver.progress.status().checkpoints;
            (Coordinator::new(settings, inboxes.len(), sources, next, history, now), Arc::clone(store))
        });
        Self {
            job: graph.name.clone(),
            run: driver.run,
            env: Arc::clone(&driver.env),
            cancel: driver.cancel.clone(),
            stop,
            tasks,
            inboxes,
            sources,
            parallelism: parallelism(graph),
            events,
            coordinator,
            progress: driver.progress.clone(),
            settings: graph.settings.clone(),
            gathered: BTreeMap::new(),
            committing: BTreeMap::new(),
            last_committed: 0,
            answers: BTreeMap::new(),
            next_answer: 0,
            wake_at: None,
            sinks,
            work: FuturesUnordered::new(),
            end: None,
        }
    }

    /// Runs the tasks; when one fails the others are stopped. The first failure is the job's.
    pub(super) async fn run(
        mut self,
        requests: &mut mpsc::Receiver<Request>,
    ) -> (Result<End, Failure>, Vec<JobSink>, Settings) {
        let mut running = self.spawn();
        self.input(Input::Timer);
        while !running.is_empty() {
            match self.next(&mut running, requests).await {
                Happening::Ended(result) => self.ended(result),
                Happening::Cancelled => self.fail(Failure::cancelled()),
                Happening::Done(done) => self.done(done),
                Happening::Event(event) => self.event(event),
                Happening::Request(request) => self.request(request),
                Happening::Timer => {
                    self.wake_at = None;
                    self.input(Input::Timer);
                }
            }
        }
        self.settle().await
    }

    fn spawn(&mut self) -> Running {
        let env = Arc::clone(&self.env);
        let spawn = |Task { name, span, future }: Task| {
            let (sender, ended) = oneshot::channel();
            let task = Contained::new(future);
            let failing = name.clone();
            let task = async move {
                debug!("task starts");
                let result = task.await.map_err(|failure: Failure| failure.at_operator(&failing, None));
                match &result {
                    Err(failure) if !failure.is_cancelled() => info!(error = %failure, "task has failed"),
                    Err(_) => debug!("task was cancelled"),
                    Ok(()) => debug!("task has ended"),
                }
                let _ = sender.send(result); // the driver waits, unless it is gone with its environment
            };
            env.spawn(&name, Box::pin(task.instrument(span)));
            ended
        };
        self.tasks.drain(..).map(spawn).collect()
    }

    /// Waits for whatever happens next. What ends an attempt comes first.
    async fn next(&mut self, running: &mut Running, requests: &mut mpsc::Receiver<Request>) -> Happening {
        let mut sleep = self.wake_at.map(|at| self.env.sleep_until(at));
        let cancel = self.cancel.clone();
        let mut cancelled = pin!(cancel.wait());
        poll_fn(|cx| {
            if let Poll::Ready(Some(ended)) = running.poll_next_unpin(cx) {
                let ended = ended.unwrap_or_else(|_| Err(Failure::new("a task was dropped by its environment")));
                return Poll::Ready(Happening::Ended(ended));
            }
            if !self.stop.is_set() && cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Happening::Cancelled);
            }
            if let Poll::Ready(Some(done)) = self.work.poll_next_unpin(cx) {
                return Poll::Ready(Happening::Done(done));
            }
            if let Poll::Ready(Some(event)) = self.events.poll_next_unpin(cx) {
                return Poll::Ready(Happening::Event(event));
            }
            if let Poll::Ready(Some(request)) = requests.poll_next_unpin(cx) {
                return Poll::Ready(Happening::Request(request));
            }
            if sleep.as_mut().is_some_and(|sleep| sleep.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Happening::Timer);
            }
            Poll::Pending
        })
        .await
    }

    fn ended(&mut self, result: Result<(), Failure>) {
        if let Err(failure) = result {
            self.fail(failure);
        }
    }

    /// Stops all tasks. The first failure counts, unless it only says that the job was cancelled.
    fn fail(&mut self, failure: Failure) {
        self.stop.set();
        match &self.end {
            Some(Err(before)) if before.is_cancelled() && !failure.is_cancelled() => self.end = Some(Err(failure)),
            Some(_) => {}
            None => self.end = Some(Err(failure)),
        }
    }

    fn event(&mut self, event: TaskEvent) {
        match event {
            TaskEvent::Drained { task } => self.input(Input::Drained { task }),
            TaskEvent::Snapshot(snapshot) => self.snapshot(snapshot),
        }
    }

    /// Waits, beside the tasks, until the rows of a subtask's snapshot are stored.
    fn snapshot(&mut self, snapshot: Snapshot) {
        let Snapshot { task, checkpoint, operators, declined, alignment, sync } = snapshot;
        if let Some(failure) = declined {
            self.input(Input::Declined { checkpoint, task, reason: failure.to_string() });
            return;
        }
        let (env, began) = (Arc::clone(&self.env), self.env.now());
        self.work.push(Box::pin(async move {
            let operators = Contained::new(stored(operators)).await;
            let bytes = operators.iter().flatten().map(Part::bytes).sum();
            let background = env.now().since(began);
            let report = SubtaskReport { bytes, alignment, sync, background };
            Done::Uploaded { task, checkpoint, report, operators }
        }));
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Uploaded { task, checkpoint, operators: Err(failure), .. } => {
                self.input(Input::Declined { checkpoint, task, reason: failure.to_string() });
            }
            Done::Uploaded { task, checkpoint, report, operators: Ok(parts) } => {
                self.gathered.entry(checkpoint).or_default().add(parts, &self.parallelism);
                self.input(Input::Ack { checkpoint, task, report });
            }
            Done::Stored { checkpoint, result: Ok(()), .. } => self.input(Input::Stored { checkpoint }),
            Done::Stored { checkpoint, result: Err(failure), deposed } => {
                self.committing.remove(&checkpoint);
                self.input(Input::StoreFailed { checkpoint, reason: failure.to_string(), deposed });
            }
            Done::Committed { checkpoint, sinks, result } => {
                self.sinks = sinks;
                match result {
                    Ok(()) => {
                        self.last_committed = checkpoint;
                        self.progress.completed_one();
                        self.input(Input::Committed { checkpoint });
                    }
                    // What is not committed now is committed when the job goes on from this checkpoint.
                    Err(failure) => self.fail(failure),
                }
            }
        }
    }

    fn request(&mut self, request: Request) {
        let (make, answer): (fn(u64) -> Input, _) = match request {
            Request::Checkpoint(answer) => (|id| Input::Request { id }, answer),
            Request::Stop(answer) => (|id| Input::Stop { id }, answer),
            Request::Set { key, value, answer } => {
                let _ = answer.send(self.set(&key, &value)); // nobody may be waiting any more
                return;
            }
        };
        if self.coordinator.is_none() {
            let _ = answer.send(Err(NO_CHECKPOINTS.to_owned()));
            return;
        }
        let id = self.next_answer;
        self.next_answer += 1;
        self.answers.insert(id, answer);
        self.input(make(id));
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let mut settings = self.settings.clone();
        settings.set_while_running(key, value)?;
        settings.check()?;
        self.settings = settings;
        self.input(Input::Changed(self.settings.checkpoints.clone()));
        Ok(())
    }

    /// Lets the coordinator decide, and does what it says.
    fn input(&mut self, input: Input) {
        let Some((coordinator, _)) = &mut self.coordinator else { return };
        let closes = matches!(input, Input::Closed { .. } | Input::Committed { .. });
        let commands = coordinator.handle(self.env.now(), input);
        if !commands.is_empty() || closes {
            self.progress.checkpoints(coordinator.history());
        } else {
            self.progress.present(coordinator.history());
        }
        for command in commands {
            self.command(command);
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Trigger { checkpoint, kind } => {
                if let Err(failure) = contain(|| self.env.step("checkpoint begins")) {
                    return self.fail(failure);
                }
                let barrier = Barrier { checkpoint, kind };
                self.sources.iter().for_each(|source| self.inboxes[*source].send(Notice::Trigger(barrier)));
            }
            Command::Store { checkpoint, kind } => self.store(checkpoint, kind),
            Command::Complete { checkpoint } => {
                self.inboxes.iter().for_each(|inbox| inbox.send(Notice::Complete(checkpoint)));
                self.commit(checkpoint);
            }
            Command::Abort { checkpoint, reason } => {
                warn!(job = self.job, checkpoint, reason, "checkpoint was given up");
                self.gathered.remove(&checkpoint);
                self.inboxes.iter().for_each(|inbox| inbox.send(Notice::Abort(checkpoint)));
            }
            Command::Fail { reason } => self.fail(Failure::new(reason)),
            Command::Finish => self.sources.iter().for_each(|source| self.inboxes[*source].send(Notice::Finish)),
            Command::Stopped => {
                let checkpoint = self.last_committed;
                self.end.get_or_insert(Ok(End::Stopped(checkpoint)));
                self.stop.set();
            }
            Command::Answer { id, result } => {
                if let Some(answer) = self.answers.remove(&id) {
                    let _ = answer.send(result); // nobody may be waiting any more
                }
            }
            Command::WakeAt(at) => self.wake_at = Some(at),
        }
    }

    /// Makes the checkpoint's entry in the log: from then on it counts.
    fn store(&mut self, checkpoint: u64, kind: CheckpointKind) {
        let Some((_, store)) = &self.coordinator else { return };
        let operators = self.gathered.remove(&checkpoint).unwrap_or_default().into_operators();
        let at = self.env.wall().millis();
        self.committing.insert(checkpoint, (kind, operators.clone()));
        let manifest = Manifest { job: self.job.clone(), run: self.run, checkpoint, kind, at, operators };
        let store = Arc::clone(store);
        self.work.push(Box::pin(async move {
            let commit = Contained::new(async { Ok(store.commit(manifest).await) }).await;
            let (result, deposed) = commit.unwrap_or_else(|failure| (Err(failure), false));
            Done::Stored { checkpoint, result, deposed }
        }));
    }

    /// Commits what the sinks have for a checkpoint that is complete.
    fn commit(&mut self, checkpoint: u64) {
        let Some((kind, operators)) = self.committing.remove(&checkpoint) else { return };
        let Some((_, store)) = &self.coordinator else { return };
        let (mut sinks, env, store) = (std::mem::take(&mut self.sinks), Arc::clone(&self.env), Arc::clone(store));
        self.work.push(Box::pin(async move {
            let mut result = commit_checkpoint(&mut sinks, &operators, kind == CheckpointKind::Final, &*env).await;
            if result.is_ok() {
                let retained = async {
                    store.retain().await;
                    Ok(())
                };
                result = Contained::new(retained).await;
            }
            Done::Committed { checkpoint, sinks, result }
        }));
    }

    /// What is under way when all tasks have ended: what may have been entered in the log has to be known, and commits must not be left in the middle.
    async fn settle(mut self) -> (Result<End, Failure>, Vec<JobSink>, Settings) {
        self.input(Input::Closed { reason: "the attempt has ended".to_owned() });
        self.coordinator = None;
        let mut unfinished = std::mem::take(&mut self.work);
        while let Some(done) = unfinished.next().await {
            if let Done::Committed { sinks, result, .. } = done {
                self.sinks = sinks;
                if let Err(failure) = result {
                    self.fail(failure);
                }
            }
        }
        (self.end.unwrap_or(Ok(End::Finished)), self.sinks, self.settings)
    }
}

/// Why a job without checkpoints cannot do what is asked of it.
const NO_CHECKPOINTS: &str = "the job makes no checkpoints: start it with `--checkpoint-dir`";

type Running = FuturesUnordered<oneshot::Receiver<Result<(), Failure>>>;

/// What an attempt has to react to.
enum Happening {
    Ended(Result<(), Failure>),
    Cancelled,
    Done(Done),
    Event(TaskEvent),
    Request(Request),
    Timer,
}
