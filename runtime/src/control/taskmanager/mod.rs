//! [`TaskManager`]: whom a process with slots obeys, and which tasks it has. Events in, commands out.
//!
//! ```text
//! searching --Connected--> vacating --no task left--> registering --Registered--> serving
//!     ^                        |                           |                         |
//!     +----- closed, a higher epoch, the lease has ended, no answer: all tasks are cancelled
//! ```
//!
//! - It obeys one leader, over one connection. The highest epoch that it has ever seen is the lowest that it takes orders from.
//! - When it leaves a leader, it cancels what runs for it, and offers its slots to the next one only when nothing of that is left. A task that does not end
//!   in time ends the process: that frees its slots, too.
//! - Its lease ([`Lease`]) runs from when it sent the newest heartbeat that was answered.
//! - What it has to report is said again until the leader has noted it (the outbox).

pub(crate) mod outbox;
pub(crate) mod tasks;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use self::{
    outbox::{Kind, Outbox, RESEND_PAUSE, RESEND_PAUSE_LIMIT},
    tasks::{Cancelled, Tasks},
};
#[cfg(test)]
use super::ids::SlotIndex;
use super::{
    heartbeats::{HeartbeatSettings, Lease},
    ids::{ConnectionId, Epoch, JobId, TaskManagerId},
    message::{self, Deploy, Notification, Order, Report, TaskRef, ToJobManager, ToTaskManager},
};
use crate::{env::Instant, settings::show_duration};

/// How long a task may take to end when it is cancelled, unless the settings say otherwise.
pub(crate) const CANCEL_TIMEOUT: Duration = Duration::from_secs(180);

/// What a TaskManager is.
#[derive(Debug, Clone)]
pub(crate) struct TaskManagerSettings {
    /// Drawn anew by each process.
    pub(crate) id: TaskManagerId,
    /// How many slots it offers.
    pub(crate) slots: u32,
    /// Where it takes data connections.
    pub(crate) endpoint: Arc<str>,
    /// Until a leader says otherwise.
    pub(crate) heartbeats: HeartbeatSettings,
    /// How long a task may take to end when it is cancelled.
    pub(crate) cancel_timeout: Duration,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    /// The time of the last [`Command::WakeAt`] has come. The first input, so that there is a first command.
    Timer,
    /// There is a connection to the leader of this epoch.
    Connected { connection: ConnectionId, epoch: Epoch },
    /// A connection has been closed, by whomever.
    Closed { connection: ConnectionId },
    /// A leader has said something.
    Message { connection: ConnectionId, message: ToTaskManager },
    /// A task has said something; the last is whether it ended well, failed, or was cancelled.
    Report { job: JobId, task: TaskRef, report: Report },
    /// A subtask of a source wants a split.
    SplitRequest { job: JobId, task: TaskRef, request: u64, payload: Bytes },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Find the leader and connect to it, until that succeeds.
    Connect,
    /// Send a message.
    Send { connection: ConnectionId, message: ToJobManager },
    /// Close a connection.
    Disconnect { connection: ConnectionId, reason: String },
    /// Start all tasks of this.
    Start(Arc<Deploy>),
    /// Pass an order on to tasks. [`Order::Drain`] and [`Order::Finish`] may come again.
    Order { job: JobId, order: Order, tasks: Vec<TaskRef> },
    /// Give a task the answer to its request for a split.
    AssignSplit { job: JobId, task: TaskRef, request: u64, payload: Bytes },
    /// End the process: it has a task that cannot be stopped otherwise.
    Exit { reason: String },
    /// Give [`Input::Timer`] at this time; replaces the time said before.
    WakeAt(Instant),
}

#[derive(Debug, Clone, Copy)]
enum Link {
    Searching,
    Vacating { connection: ConnectionId },
    Registering { connection: ConnectionId, since: Instant, again: Instant, pause: Duration },
    Serving { connection: ConnectionId, lease: Lease, heartbeat: Instant },
}

impl Link {
    fn connection(&self) -> Option<ConnectionId> {
        match self {
            Self::Searching => None,
            Self::Vacating { connection } | Self::Registering { connection, .. } | Self::Serving { connection, .. } => {
                Some(*connection)
            }
        }
    }
}

/// The control logic of a process with slots.
#[derive(Debug)]
pub(crate) struct TaskManager {
    settings: TaskManagerSettings,
    /// The highest that it has seen: that of its leader, if it has one.
    epoch: Option<Epoch>,
    link: Link,
    tasks: Tasks,
    outbox: Outbox,
    armed: Option<Instant>,
    began: bool,
}

impl TaskManager {
    pub(crate) fn new(settings: TaskManagerSettings) -> Self {
        let tasks = Tasks::new(settings.slots, settings.cancel_timeout);
        Self { settings, epoch: None, link: Link::Searching, tasks, outbox: Outbox::new(), armed: None, began: false }
    }

    #[cfg(test)]
    pub(crate) fn id(&self) -> TaskManagerId {
        self.settings.id
    }

    /// The highest epoch that it has seen.
    #[cfg(test)]
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    /// True if a leader may give it tasks.
    pub(crate) fn is_registered(&self) -> bool {
        matches!(self.link, Link::Serving { .. })
    }

    /// The connection to its leader, and when its lease with that ends.
    #[cfg(test)]
    pub(super) fn lease(&self) -> Option<(ConnectionId, Instant)> {
        match &self.link {
            Link::Serving { connection, lease, .. } => Some((*connection, lease.ends())),
            _ => None,
        }
    }

    /// The tasks that have not ended, and where they are.
    #[cfg(test)]
    pub(super) fn alive(&self) -> impl Iterator<Item = (JobId, TaskRef, SlotIndex)> + '_ {
        self.tasks.all_alive()
    }

    /// Takes an event, and says what is to be done, in this order. What comes too late, twice or from nowhere is ignored.
    pub(crate) fn step(&mut self, now: Instant, input: Input) -> Vec<Command> {
        let mut commands = Vec::new();
        if !self.began {
            self.began = true;
            commands.push(Command::Connect);
        }
        // Whatever has come: after the end of the lease no order of that leader is carried out.
        self.expire(now, &mut commands);
        match input {
            Input::Timer => {
                self.armed = None;
                self.on_timer(now, &mut commands);
            }
            Input::Connected { connection, epoch } => self.connected(now, connection, epoch, &mut commands),
            Input::Closed { connection } if self.link.connection() == Some(connection) => {
                self.leave(now, None, &mut commands);
                commands.push(Command::Connect);
            }
            Input::Closed { .. } => {}
            Input::Message { connection, message } => self.message(now, connection, message, &mut commands),
            Input::Report { job, task, report } => self.report(now, job, task, report, &mut commands),
            Input::SplitRequest { job, task, request, payload } => {
                if self.tasks.is_active(job, task) && self.is_registered() {
                    let key = (job, task.subtask, Kind::Split);
                    let message = |_| Notification::SplitRequest { job, task, request, payload };
                    let message = self.outbox.push(now, key, message);
                    self.send(message, &mut commands);
                }
            }
        }
        self.wake(&mut commands);
        commands
    }

    fn on_timer(&mut self, now: Instant, commands: &mut Vec<Command>) {
        match &mut self.link {
            Link::Registering { again, pause, .. } if now >= *again => {
                *pause = (*pause * 2).min(RESEND_PAUSE_LIMIT);
                *again = now + *pause;
                self.register(now, commands);
            }
            Link::Serving { heartbeat, .. } if now >= *heartbeat => {
                *heartbeat = now + self.settings.heartbeats.interval;
                self.send(Notification::Heartbeat { sent: now }, commands);
            }
            _ => {}
        }
        while let Some(message) = self.outbox.pop_due(now) {
            self.send(message, commands);
        }
        let mut stuck = None;
        while let Some(found) = self.tasks.pop_stuck(now) {
            stuck = Some(found);
        }
        if let Some((job, subtask)) = stuck {
            let timeout = show_duration(self.settings.cancel_timeout);
            let reason = format!("{subtask} of job {job} was cancelled and has not ended within {timeout}");
            commands.push(Command::Exit { reason });
        }
    }

    /// Leaves a leader that does not answer.
    fn expire(&mut self, now: Instant, commands: &mut Vec<Command>) {
        let ends = match &self.link {
            Link::Registering { since, .. } => *since + self.settings.heartbeats.timeout,
            Link::Serving { lease, .. } => lease.ends(),
            Link::Searching | Link::Vacating { .. } => return,
        };
        if now >= ends {
            let timeout = show_duration(self.settings.heartbeats.timeout);
            self.leave(now, Some(format!("the JobManager has not answered for {timeout}")), commands);
            commands.push(Command::Connect);
        }
    }

    fn connected(&mut self, now: Instant, connection: ConnectionId, epoch: Epoch, commands: &mut Vec<Command>) {
        if self.epoch.is_some_and(|highest| epoch < highest) {
            let reason = "there is a later leader".to_owned();
            commands.push(Command::Disconnect { connection, reason });
            if matches!(self.link, Link::Searching) {
                commands.push(Command::Connect);
            }
            return;
        }
        self.leave(now, Some("there is another connection to the leader".to_owned()), commands);
        self.epoch = Some(epoch);
        self.link = Link::Vacating { connection };
        self.offer(now, commands);
    }

    /// Offers its slots, if nothing of before is in them.
    fn offer(&mut self, now: Instant, commands: &mut Vec<Command>) {
        let Link::Vacating { connection } = self.link else { return };
        if self.tasks.alive() == 0 {
            let pause = RESEND_PAUSE / 2;
            self.link = Link::Registering { connection, since: now, again: now + pause, pause };
            self.register(now, commands);
        }
    }

    fn register(&mut self, now: Instant, commands: &mut Vec<Command>) {
        let TaskManagerSettings { slots, endpoint, .. } = &self.settings;
        let message = Notification::Register { sent: now, slots: *slots, endpoint: Arc::clone(endpoint) };
        self.send(message, commands);
    }

    /// Has no leader any more. `disconnect` says why the connection is to be closed, unless it is.
    fn leave(&mut self, now: Instant, disconnect: Option<String>, commands: &mut Vec<Command>) {
        let Some(connection) = self.link.connection() else { return };
        self.link = Link::Searching;
        self.outbox.clear();
        let told = self.tasks.cancel_all(now).into_iter();
        commands.extend(told.map(|(job, tasks)| Command::Order { job, order: Order::Cancel, tasks }));
        commands.extend(disconnect.map(|reason| Command::Disconnect { connection, reason }));
    }

    fn message(&mut self, now: Instant, connection: ConnectionId, said: ToTaskManager, commands: &mut Vec<Command>) {
        if self.link.connection() != Some(connection) {
            return;
        }
        if self.epoch < Some(said.epoch) {
            // Whoever is at the other end has become leader anew, and knows nothing of what it had been before.
            self.leave(now, Some("the leader has another epoch".to_owned()), commands);
            self.epoch = Some(said.epoch);
            return commands.push(Command::Connect);
        }
        if self.epoch != Some(said.epoch) {
            return;
        }
        match (&mut self.link, said.body) {
            (Link::Registering { .. }, message::Command::Registered { sent, heartbeats }) => {
                self.settings.heartbeats = heartbeats;
                let lease = Lease::new(heartbeats, sent);
                self.link = Link::Serving { connection, lease, heartbeat: now + heartbeats.interval };
            }
            (Link::Serving { lease, .. }, message::Command::Registered { sent, .. }) => lease.answered(sent),
            (Link::Serving { lease, .. }, message::Command::HeartbeatAnswer { sent, noted }) => {
                lease.answered(sent);
                noted.into_iter().for_each(|seq| self.outbox.noted(seq));
            }
            (Link::Serving { .. }, message::Command::Deploy(deploy)) => self.deploy(deploy, commands),
            (Link::Serving { .. }, message::Command::Order { job, order, tasks }) => {
                self.order(now, job, order, tasks, commands);
            }
            (Link::Serving { .. }, message::Command::SplitAssignment { job, task, request, payload }) => {
                self.outbox.answered(job, task, request);
                if self.tasks.is_active(job, task) {
                    commands.push(Command::AssignSplit { job, task, request, payload });
                }
            }
            // It has come before the answer to the registration, and will be said again.
            (Link::Registering { .. } | Link::Vacating { .. } | Link::Searching, _) => {}
        }
    }

    fn deploy(&mut self, deploy: Arc<Deploy>, commands: &mut Vec<Command>) {
        let (job, attempt) = (deploy.job, deploy.attempt);
        let taken = self.tasks.take(&deploy);
        if taken == Ok(true) {
            commands.push(Command::Start(deploy));
        }
        self.send(Notification::Deployed { job, attempt, result: taken.map(drop) }, commands);
    }

    fn order(&mut self, now: Instant, job: JobId, order: Order, mut tasks: Vec<TaskRef>, commands: &mut Vec<Command>) {
        match order {
            Order::Cancel => tasks.retain(|task| match self.tasks.cancel(now, job, *task) {
                Cancelled::Now => true,
                Cancelled::Ignored => false,
                Cancelled::Over(report) => {
                    self.tell(now, job, *task, report, commands);
                    false
                }
            }),
            Order::Trigger { checkpoint, .. } => tasks.retain(|task| self.tasks.trigger(job, *task, checkpoint)),
            Order::Complete { .. } | Order::Abort { .. } | Order::Drain | Order::Finish => {
                tasks.retain(|task| self.tasks.is_active(job, *task));
            }
        }
        if !tasks.is_empty() {
            commands.push(Command::Order { job, order, tasks });
        }
    }

    fn report(&mut self, now: Instant, job: JobId, task: TaskRef, report: Report, commands: &mut Vec<Command>) {
        let (is_registered, is_terminal) = (self.is_registered(), report.is_terminal());
        if !self.tasks.is_alive(job, task) || !is_terminal && !self.tasks.is_active(job, task) {
            return;
        }
        if is_terminal {
            self.tasks.end(job, task, report.clone(), is_registered);
            self.outbox.remove((job, task.subtask, Kind::Split));
        }
        if is_registered {
            self.tell(now, job, task, report, commands);
        }
        self.offer(now, commands);
    }

    /// Tells the leader what has become of a task, until it has noted it.
    fn tell(&mut self, now: Instant, job: JobId, task: TaskRef, report: Report, commands: &mut Vec<Command>) {
        let key = (job, task.subtask, Kind::of(&report));
        let message = self.outbox.push(now, key, |seq| Notification::Report { seq, job, task, report });
        self.send(message, commands);
    }

    fn send(&self, body: Notification, commands: &mut Vec<Command>) {
        if let (Some(connection), Some(epoch)) = (self.link.connection(), self.epoch) {
            let message = ToJobManager { epoch, taskmanager: self.settings.id, body };
            commands.push(Command::Send { connection, message });
        }
    }

    /// Says when there is something to do next.
    fn wake(&mut self, commands: &mut Vec<Command>) {
        let (first, second) = match &self.link {
            Link::Searching | Link::Vacating { .. } => (None, None),
            Link::Registering { since, again, .. } => (Some(*again), Some(*since + self.settings.heartbeats.timeout)),
            Link::Serving { lease, heartbeat, .. } => (Some(*heartbeat), Some(lease.ends())),
        };
        let wake = [first, second, self.outbox.deadline(), self.tasks.cancel_deadline()].into_iter().flatten().min();
        if wake.is_some() && wake != self.armed {
            self.armed = wake;
            commands.extend(wake.map(Command::WakeAt));
        }
    }
}
