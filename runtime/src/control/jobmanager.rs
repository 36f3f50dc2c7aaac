//! [`JobManager`]: the leader. Who is registered, who has which slots, and which job each message is for. Events in, commands out.
//!
//! ```text
//!   connections --Message, Closed--> +------------+ --Send, Disconnect--> connections
//!   people ----------Submit, Job---> | JobManager | --Job: Answer, Ended--> people
//!   storage, sinks --Job-----------> |            | --Job: Recover, Store, Commit, ..--> storage, sinks
//!   clock -----------Timer---------> +------------+ --WakeAt--> clock
//! ```
//!
//! - Everything that it says has its epoch. What is said to another epoch is ignored; if that is a higher one, there is a later leader, and this one stops:
//!   so it does when it can create no entry in the log any more ([`Input::Deposed`]). From then on it commands nobody and stores nothing.
//! - A TaskManager is registered over one connection. What comes over another one, or after its loss, is not from the TaskManager that is known: that
//!   connection is closed, so that whoever is there finds out and registers anew.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use super::{
    heartbeats::{HeartbeatSettings, Heartbeats},
    ids::{ConnectionId, Epoch, JobId, RequestId, TaskManagerId},
    job::machine::{self, JobMaster, JobSettings, Work},
    message::{self, Notification, Order, Report, ToJobManager, ToTaskManager},
    slots::{SlotStatus, Slots},
    timers::Timers,
    topology::Topology,
};
use crate::{env::Instant, settings::show_duration};

/// So many jobs may be there at a time that have not ended.
pub(crate) const JOBS_LIMIT: usize = 1024;
/// So many TaskManagers may be registered.
pub(crate) const TASKMANAGERS_LIMIT: usize = 10_000;
/// So many reports are noted from one heartbeat to the next; further ones will come again.
pub(crate) const NOTED_LIMIT: usize = 1 << 16;

/// What has happened.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// The time of the last [`Command::WakeAt`] has come. At another time it does no harm.
    Timer,
    /// A TaskManager has said something.
    Message { connection: ConnectionId, message: ToJobManager },
    /// A connection has been closed, by whomever. Nothing more comes over it, neither after this nor after [`Command::Disconnect`].
    Closed { connection: ConnectionId },
    /// There is a job to be run. Whoever submits one keeps its graph first, so that the next leader finds it. A job that is there already is left alone.
    Submit { job: JobId, topology: Topology, settings: Box<JobSettings> },
    /// Something for a job: an answer of the driver, or a request. What comes over connections is not given in this way.
    Job { job: JobId, input: machine::Input },
    /// Another process has claimed the log.
    Deposed,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Send a message.
    Send { connection: ConnectionId, message: ToTaskManager },
    /// Close a connection.
    Disconnect { connection: ConnectionId, reason: String },
    /// There are as many jobs as there may be: this one is not run.
    Refused { job: JobId, reason: String },
    /// Do something for a job.
    Job { job: JobId, work: Work },
    /// It is not the leader any more: close all connections, and forget what jobs have asked for. Nothing follows.
    Stop,
    /// Give [`Input::Timer`] at this time; replaces the time said before.
    WakeAt(Instant),
}

#[derive(Debug)]
struct Session {
    connection: ConnectionId,
    /// When it registered, and when it was heard of last.
    since: Instant,
    heard: Instant,
    /// Reports that have arrived since its last heartbeat.
    noted: Vec<u64>,
}

/// A TaskManager, as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: TaskManagerId,
    pub(crate) endpoint: Arc<str>,
    /// How many slots it has, and how many of these nobody has.
    pub(crate) slots: u32,
    pub(crate) free: u32,
    /// When it registered, and when it was heard of last.
    pub(crate) since: Instant,
    pub(crate) heard: Instant,
}

/// The leader.
#[derive(Debug)]
pub(crate) struct JobManager {
    epoch: Epoch,
    heartbeat_settings: HeartbeatSettings,
    heartbeats: Heartbeats,
    sessions: HashMap<TaskManagerId, Session>,
    connections: HashMap<ConnectionId, TaskManagerId>,
    slots: Slots,
    jobs: BTreeMap<JobId, JobMaster>,
    timers: Timers<JobId>,
    armed: Option<Instant>,
    deposed: bool,
}

/// What there is still to be done within a step.
struct Turn {
    now: Instant,
    random: u64,
    /// For which job is what.
    inputs: VecDeque<(JobId, machine::Input)>,
    commands: Vec<Command>,
}

impl JobManager {
    /// A leader whose claim has been entered in the log, with this number.
    pub(crate) fn new(epoch: Epoch, heartbeat_settings: HeartbeatSettings) -> Self {
        Self {
            epoch,
            heartbeat_settings,
            heartbeats: Heartbeats::new(heartbeat_settings),
            sessions: HashMap::new(),
            connections: HashMap::new(),
            slots: Slots::default(),
            jobs: BTreeMap::new(),
            timers: Timers::new(),
            armed: None,
            deposed: false,
        }
    }

    #[cfg(test)]
    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// True if another process is the leader.
    #[cfg(test)]
    pub(crate) fn is_deposed(&self) -> bool {
        self.deposed
    }

    /// The jobs that have not ended.
    pub(crate) fn jobs(&self) -> &BTreeMap<JobId, JobMaster> {
        &self.jobs
    }

    /// How many TaskManagers are registered.
    pub(crate) fn taskmanagers(&self) -> usize {
        self.sessions.len()
    }

    /// Those that are registered.
    pub(crate) fn members(&self) -> impl Iterator<Item = Member> {
        self.slots.members().filter_map(|(id, endpoint, slots, used)| {
            let Session { since, heard, .. } = *self.sessions.get(&id)?;
            Some(Member { id, endpoint: Arc::clone(endpoint), slots, free: slots - used, since, heard })
        })
    }

    /// How many slots are waited for beyond those that are free.
    pub(crate) fn missing_slots(&self) -> usize {
        self.slots.wanted().saturating_sub(self.slots.count().1)
    }

    /// How many slots there are, and how many of them are free.
    pub(crate) fn slots(&self) -> (usize, usize) {
        self.slots.count()
    }

    /// How things stand with a job that waits for slots.
    pub(crate) fn slot_status(&self, job: JobId) -> Option<SlotStatus> {
        self.slots.status(job)
    }

    /// Takes an event, and says what is to be done, in this order. `random` decides the jitter of restarts. What comes too late, twice or from nowhere is
    /// ignored.
    pub(crate) fn step(&mut self, now: Instant, random: u64, input: Input) -> Vec<Command> {
        if self.deposed {
            return Vec::new();
        }
        let mut turn = Turn { now, random, inputs: VecDeque::new(), commands: Vec::new() };
        match input {
            Input::Timer => {
                self.armed = None;
                self.on_timer(&mut turn);
            }
            Input::Message { connection, message } => self.message(connection, message, &mut turn),
            Input::Closed { connection } => {
                if let Some(taskmanager) = self.connections.get(&connection).copied() {
                    self.lose(taskmanager, "its connection was closed", &mut turn);
                }
            }
            Input::Submit { job, topology, settings } => {
                self.submit(job, topology, *settings, &mut turn);
            }
            Input::Job { job, input } => turn.inputs.push_back((job, input)),
            Input::Deposed => self.stop(&mut turn),
        }
        if !self.deposed {
            self.run(&mut turn);
            self.wake(&mut turn);
        }
        turn.commands
    }

    fn on_timer(&mut self, turn: &mut Turn) {
        while let Some(taskmanager) = self.heartbeats.pop_lost(turn.now) {
            let timeout = show_duration(self.heartbeat_settings.timeout);
            let connection = self.sessions.get(&taskmanager).map(|session| session.connection);
            let reason = format!("it has sent no heartbeat for {timeout}");
            self.lose(taskmanager, &reason, turn);
            turn.commands.extend(connection.map(|connection| Command::Disconnect { connection, reason }));
        }
        while let Some((job, status)) = self.slots.pop_overdue(turn.now) {
            turn.inputs.push_back((job, machine::Input::SlotsOverdue(status)));
        }
        while let Some(job) = self.timers.pop(turn.now) {
            turn.inputs.push_back((job, machine::Input::Timer));
        }
    }

    fn message(&mut self, connection: ConnectionId, message: ToJobManager, turn: &mut Turn) {
        let ToJobManager { epoch, taskmanager, body } = message;
        if epoch > self.epoch {
            return self.stop(turn); // somebody has seen a later leader
        }
        if epoch < self.epoch {
            return;
        }
        if let Notification::Register { sent, slots, endpoint } = body {
            return self.register(connection, taskmanager, (sent, slots, endpoint), turn);
        }
        let Some(session) = self.sessions.get_mut(&taskmanager).filter(|session| session.connection == connection)
        else {
            let reason = "the TaskManager is not registered here".to_owned();
            return turn.commands.push(Command::Disconnect { connection, reason });
        };
        let (job, input) = match body {
            Notification::Register { .. } => unreachable!("it was handled above"),
            Notification::Heartbeat { sent } => {
                self.heartbeats.heard(turn.now, taskmanager);
                session.heard = turn.now;
                let noted = std::mem::take(&mut session.noted);
                let body = message::Command::HeartbeatAnswer { sent, noted };
                return self.send(connection, body, turn);
            }
            Notification::Deployed { job, attempt, result } => {
                (job, machine::Input::Deployed { taskmanager, attempt, result })
            }
            Notification::Report { seq, job, task, report } => {
                if session.noted.len() < NOTED_LIMIT {
                    session.noted.push(seq);
                }
                if !self.jobs.contains_key(&job) {
                    return self.refuse(connection, job, task, &report, turn);
                }
                (job, machine::Input::Report { taskmanager, task, report })
            }
            Notification::SplitRequest { job, task, request, payload } => {
                (job, machine::Input::SplitRequest { taskmanager, task, request, payload })
            }
        };
        turn.inputs.push_back((job, input));
    }

    /// A task of a job that there is not: it has ended, or another leader knew it.
    fn refuse(&self, connection: ConnectionId, job: JobId, task: message::TaskRef, report: &Report, turn: &mut Turn) {
        if !report.is_terminal() {
            self.send(connection, message::Command::Order { job, order: Order::Cancel, tasks: vec![task] }, turn);
        }
    }

    fn register(
        &mut self,
        connection: ConnectionId,
        taskmanager: TaskManagerId,
        (sent, slots, endpoint): (Instant, u32, Arc<str>),
        turn: &mut Turn,
    ) {
        let before = self.sessions.get(&taskmanager).map(|session| session.connection);
        if before != Some(connection) {
            if before.is_some_and(|before| before > connection) {
                return; // an old message, over a connection that is not used any more
            }
            if let Some(before) = before {
                let reason = "the TaskManager has registered over another connection";
                self.lose(taskmanager, reason, turn);
                turn.commands.push(Command::Disconnect { connection: before, reason: reason.to_owned() });
            }
            let refused = match self.sessions.len() < TASKMANAGERS_LIMIT {
                true => self.slots.add(taskmanager, slots, endpoint).err(),
                false => Some(format!("{TASKMANAGERS_LIMIT} TaskManagers are registered, and there may be no more")),
            };
            if let Some(reason) = refused {
                return turn.commands.push(Command::Disconnect { connection, reason });
            }
            let session = Session { connection, since: turn.now, heard: turn.now, noted: Vec::new() };
            self.sessions.insert(taskmanager, session);
            self.connections.insert(connection, taskmanager);
        }
        self.heartbeats.heard(turn.now, taskmanager);
        self.send(connection, message::Command::Registered { sent, heartbeats: self.heartbeat_settings }, turn);
    }

    /// A TaskManager does not work for this leader any more.
    fn lose(&mut self, taskmanager: TaskManagerId, reason: &str, turn: &mut Turn) {
        let Some(session) = self.sessions.remove(&taskmanager) else { return };
        self.connections.remove(&session.connection);
        self.heartbeats.forget(taskmanager);
        for job in self.slots.remove(taskmanager) {
            let reason = reason.to_owned();
            turn.inputs.push_back((job, machine::Input::TaskManagerLost { taskmanager, reason }));
        }
    }

    fn submit(&mut self, job: JobId, topology: Topology, settings: JobSettings, turn: &mut Turn) {
        if self.jobs.contains_key(&job) {
            return;
        }
        if self.jobs.len() >= JOBS_LIMIT {
            let reason = format!("{JOBS_LIMIT} jobs run or wait, and there may be no more: wait until one has ended");
            return turn.commands.push(Command::Refused { job, reason });
        }
        let master = JobMaster::new(job, self.epoch, topology, settings, turn.now);
        self.jobs.insert(job, master);
        turn.inputs.push_back((job, machine::Input::Timer));
    }

    /// Another process is the leader.
    fn stop(&mut self, turn: &mut Turn) {
        self.deposed = true;
        self.jobs.values_mut().for_each(JobMaster::suspend);
        turn.inputs.clear();
        turn.commands.push(Command::Stop);
    }

    /// Gives jobs what is for them, and slots to those who wait for some, until nothing follows from that.
    fn run(&mut self, turn: &mut Turn) {
        let mut out = Vec::new();
        loop {
            while let Some((job, grants)) = self.slots.grant() {
                turn.inputs.push_back((job, machine::Input::Granted(grants)));
            }
            let Some((job, input)) = turn.inputs.pop_front() else { return };
            let Some(master) = self.jobs.get_mut(&job) else {
                if let machine::Input::Granted(grants) = &input {
                    self.slots.release(job, grants.iter().map(|grant| grant.id));
                }
                if let Some(request) = requester(&input) {
                    let work = Work::Answer { request, result: Err(format!("there is no job {job}")) };
                    turn.commands.push(Command::Job { job, work });
                }
                continue;
            };
            master.step(turn.now, turn.random, input, &mut out);
            let (deadline, has_ended) = (master.deadline(), master.state().is_terminal());
            self.timers.set(job, deadline);
            for command in out.drain(..) {
                self.obey(job, command, turn);
            }
            if has_ended {
                self.jobs.remove(&job);
            }
        }
    }

    fn obey(&mut self, job: JobId, command: machine::Command, turn: &mut Turn) {
        match command {
            machine::Command::Send { to, body } => {
                if let Some(session) = self.sessions.get(&to) {
                    self.send(session.connection, body, turn);
                }
            }
            machine::Command::RequestSlots { wants, timeout } => self.slots.request(turn.now, job, wants, timeout),
            machine::Command::WithdrawSlots => self.slots.withdraw(job),
            machine::Command::ReleaseSlots(slots) => self.slots.release(job, slots),
            machine::Command::Work(work) => turn.commands.push(Command::Job { job, work }),
        }
    }

    fn send(&self, connection: ConnectionId, body: message::Command, turn: &mut Turn) {
        let message = ToTaskManager { epoch: self.epoch, body };
        turn.commands.push(Command::Send { connection, message });
    }

    /// Says when there is something to do next.
    fn wake(&mut self, turn: &mut Turn) {
        let deadlines = [self.heartbeats.deadline(), self.slots.deadline(), self.timers.earliest()];
        let wake = deadlines.into_iter().flatten().min();
        if wake.is_some() && wake != self.armed {
            self.armed = wake;
            turn.commands.extend(wake.map(Command::WakeAt));
        }
    }

    /// The connection over which a TaskManager is registered.
    #[cfg(test)]
    pub(super) fn session(&self, taskmanager: TaskManagerId) -> Option<ConnectionId> {
        self.sessions.get(&taskmanager).map(|session| session.connection)
    }

    /// The table of slots.
    #[cfg(test)]
    pub(super) fn table(&self) -> &Slots {
        &self.slots
    }

    /// How far a job is, if it has not ended.
    #[cfg(test)]
    pub(crate) fn state(&self, job: JobId) -> Option<super::job::lifecycle::JobState> {
        self.jobs.get(&job).map(JobMaster::state)
    }
}

/// Who waits for an answer to this.
fn requester(input: &machine::Input) -> Option<RequestId> {
    match input {
        machine::Input::Checkpoint { request }
        | machine::Input::Savepoint { request, .. }
        | machine::Input::Stop { request }
        | machine::Input::Cancel { request }
        | machine::Input::Rescale { request, .. } => Some(*request),
        _ => None,
    }
}
