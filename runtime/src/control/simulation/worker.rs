//! TaskManager processes, and the tasks that they run.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use millstream_state::manifest::CheckpointKind;

use super::{
    events::Event,
    invariants::{self, Seen},
    network::{Node, Packet},
    tasks::{Place, Step, Task},
    world::World,
};
use crate::{
    checkpoint::SubtaskReport,
    control::{
        heartbeats::HeartbeatSettings,
        ids::{ConnectionId, JobId, SubtaskId, TaskManagerId},
        job::failure::{FailureClass, JobFailure},
        message::{Order, Report, TaskRef, ToTaskManager},
        taskmanager::{Command, Input, TaskManager, TaskManagerSettings},
    },
};

/// So often a receiver that is not there is looked for, a few times a second.
const FLOW_TRIES_LIMIT: u32 = 50;

#[derive(Debug)]
pub(super) struct WorkerProcess {
    pub(super) life: u32,
    pub(super) up: bool,
    pub(super) machine: TaskManager,
    /// What runs in the process, whatever its machine believes.
    pub(super) tasks: BTreeMap<Place, Task>,
    wake: Option<u64>,
}

impl WorkerProcess {
    pub(super) fn new(id: u128, slots: u32) -> Self {
        let settings = TaskManagerSettings {
            id: TaskManagerId(id),
            slots,
            endpoint: format!("worker-{id}").into(),
            heartbeats: HeartbeatSettings::default(),
            cancel_timeout: Duration::from_secs(15),
        };
        Self { life: 0, up: true, machine: TaskManager::new(settings), tasks: BTreeMap::new(), wake: None }
    }
}

impl World {
    pub(super) fn worker(&self, node: Node) -> &WorkerProcess {
        let Node::Worker(index, _) = node else { unreachable!("it is a TaskManager") };
        &self.workers[index]
    }

    fn worker_mut(&mut self, node: Node) -> &mut WorkerProcess {
        let Node::Worker(index, _) = node else { unreachable!("it is a TaskManager") };
        &mut self.workers[index]
    }

    pub(super) fn worker_begins(&mut self, node: Node) {
        self.step_worker(node, Input::Timer);
    }

    pub(super) fn wake_worker(&mut self, node: Node, at: u64) {
        if self.is_up(node) && self.worker(node).wake == Some(at) {
            self.worker_mut(node).wake = None;
            self.step_worker(node, Input::Timer);
        }
    }

    /// Connects to the leader, or, while there are faults, now and then to one who only believes to be it.
    pub(super) fn find_leader(&mut self, node: Node) {
        if !self.is_up(node) {
            return;
        }
        let mut found = self.leader();
        if self.goes_wrong(6) {
            let index = self.random.below(self.managers.len() as u64) as usize;
            let other = Node::Manager(index, self.managers[index].life);
            found = Some(other).filter(|other| self.is_up(*other));
        }
        let through =
            |manager: &Node| !self.network.is_blocked(node, *manager) && !self.network.is_blocked(*manager, node);
        let epoch = |manager: Node| self.manager(manager).leader.as_ref().map(|leader| leader.epoch());
        let found = found.filter(through).and_then(|manager| Some((manager, epoch(manager)?)));
        match found {
            Some((manager, epoch)) => {
                let connection = self.network.connect(node, manager);
                self.step_worker(node, Input::Connected { connection, epoch });
            }
            None => {
                let after = self.random.millis(100, 500);
                self.later(after, Event::FindLeader(node));
            }
        }
    }

    pub(super) fn tell_worker(&mut self, connection: ConnectionId, node: Node, message: ToTaskManager) {
        self.step_worker(node, Input::Message { connection, message });
    }

    pub(super) fn worker_closed(&mut self, connection: ConnectionId, node: Node) {
        self.step_worker(node, Input::Closed { connection });
    }

    fn step_worker(&mut self, node: Node, input: Input) {
        let now = self.instant();
        for command in self.worker_mut(node).machine.step(now, input) {
            self.obey_worker(node, command);
        }
    }

    fn obey_worker(&mut self, node: Node, command: Command) {
        match command {
            Command::Connect => {
                let after = self.random.millis(1, 100);
                self.later(after, Event::FindLeader(node));
            }
            Command::Send { connection, message } => self.send(connection, node, Packet::ToManager(message)),
            Command::Disconnect { connection, reason } => {
                if reason.contains("has not answered") {
                    self.seen.happened.insert(invariants::LEASE);
                }
                self.disconnect(connection, node);
            }
            Command::Start(deploy) => {
                let topology = Arc::clone(&self.topologies[&(deploy.job, deploy.attempt)]);
                for (subtask, _) in &deploy.tasks {
                    let place = (deploy.job, TaskRef { subtask: *subtask, attempt: deploy.attempt });
                    let task = Task::new(Arc::clone(&topology));
                    let before = self.worker_mut(node).tasks.insert(place, task);
                    assert!(before.is_none(), "a task is started twice: {place:?}");
                    self.begin_task(node, place);
                }
            }
            Command::Order { job, order, tasks } => {
                for task in tasks {
                    self.order_task(node, (job, task), order);
                }
            }
            Command::AssignSplit { .. } => {}
            Command::Exit { .. } => self.kill(node),
            Command::WakeAt(at) => {
                let at = at.nanos();
                assert!(at > self.now, "that is no time to come");
                self.worker_mut(node).wake = Some(at);
                self.at(at, Event::Wake(node, at));
            }
        }
    }

    fn task_later(&mut self, worker: Node, place: Place, (from, to): (u64, u64), step: Step) {
        let after = self.random.millis(from, to);
        self.later(after, Event::Task { worker, place, step });
    }

    /// Foretells what a task that has just been started will do of itself.
    fn begin_task(&mut self, worker: Node, place: Place) {
        let odds = self.odds.task;
        if self.goes_wrong(odds * 2) {
            return self.task_later(worker, place, (1, 500), Step::Fail);
        }
        self.task_later(worker, place, (1, 200), Step::Start);
        if self.goes_wrong(odds) {
            self.task_later(worker, place, (200, 15_000), Step::Fail);
        }
        let makes_checkpoints = self.log.jobs[&place.0].settings.checkpoints.is_some();
        let checkpoints = self.log.jobs[&place.0].settings.checkpoints.as_ref();
        // Where more checkpoints may fail, a task that hangs does so for ever.
        if checkpoints.is_some_and(|it| it.tolerated_failures < 10) && self.goes_wrong(odds * 2) {
            self.task_later(worker, place, (200, 15_000), Step::Stick);
        }
        let topology = &self.worker(worker).tasks[&place].topology;
        if topology.vertex(place.1.subtask.vertex).connected == 0 {
            // Two jobs of three come to their end.
            if !makes_checkpoints || place.0.0 % 3 != 1 || self.random.once_in(3) {
                let most = if self.is_calm() { 8_000 } else { 30_000 };
                self.task_later(worker, place, (500, most), Step::Drain);
            }
            self.task_later(worker, place, (200, 2_000), Step::AskForSplit);
        }
    }

    fn order_task(&mut self, worker: Node, place: Place, order: Order) {
        let Some(task) = self.worker_mut(worker).tasks.get_mut(&place) else { return };
        match order {
            Order::Cancel => {
                task.cancelled = true;
                let most = if self.goes_wrong(40) { 30_000 } else { 80 };
                self.task_later(worker, place, (1, most), Step::Stop);
            }
            Order::Trigger { checkpoint, kind } => {
                let slow = self.goes_wrong(30);
                let most = if slow { 5_000 } else { 60 };
                if self.goes_wrong(150) {
                    return self.task_later(worker, place, (1, 100), Step::Decline { checkpoint });
                }
                self.task_later(worker, place, (1, most), Step::Pass { checkpoint, kind });
            }
            Order::Drain => self.task_later(worker, place, (1, 500), Step::Drain),
            Order::Finish => {
                if !std::mem::replace(&mut task.finishing, true) {
                    self.task_later(worker, place, (1, 50), Step::End);
                }
            }
            Order::Complete { .. } | Order::Abort { .. } => {}
        }
    }

    pub(super) fn task_step(&mut self, worker: Node, place: Place, step: Step) {
        if !self.is_up(worker) {
            return;
        }
        let (job, task_ref) = place;
        let makes_checkpoints = self.log.jobs[&job].settings.checkpoints.is_some();
        let Some(task) = self.worker_mut(worker).tasks.get_mut(&place) else { return };
        if (task.stuck || task.cancelled) && !matches!(step, Step::Stop) {
            return;
        }
        let report = match step {
            Step::Start => {
                task.running = true;
                Report::Running
            }
            Step::Stick => {
                task.stuck = true;
                return;
            }
            Step::Drain if !makes_checkpoints => return self.task_step(worker, place, Step::End),
            Step::Drain => Report::Drained,
            Step::AskForSplit => {
                task.requests += 1;
                let (request, payload) = (task.requests, Bytes::from_static(b"split"));
                self.task_later(worker, place, (500, 5_000), Step::AskForSplit);
                return self.step_worker(worker, Input::SplitRequest { job, task: task_ref, request, payload });
            }
            Step::Barrier { from, checkpoint, kind } => {
                let arrived = task.barriers.entry(checkpoint).or_default();
                arrived.insert(from);
                let all = task.barriers[&checkpoint].len() == task.inputs(task_ref.subtask).len();
                if all {
                    self.task_later(worker, place, (1, 50), Step::Pass { checkpoint, kind });
                }
                return;
            }
            Step::Pass { checkpoint, kind } => return self.pass(worker, place, checkpoint, kind),
            Step::Decline { checkpoint } => Report::Declined { checkpoint, reason: "no room".to_owned() },
            Step::EndOf(other) => {
                task.ended.insert(other);
                if task.ended.len() == task.inputs(task_ref.subtask).len() {
                    self.task_later(worker, place, (1, 50), Step::End);
                }
                return;
            }
            Step::Fail => {
                let class = [FailureClass::User, FailureClass::Environment][self.random.below(2) as usize];
                Report::Failed(JobFailure::new(class, "the record is bad"))
            }
            Step::End => Report::Ended { output: Bytes::new() },
            Step::Stop => Report::Cancelled,
        };
        if report.is_terminal() {
            let task = self.worker_mut(worker).tasks.remove(&place).expect("it was there");
            if matches!(report, Report::Ended { .. }) {
                let from = task_ref.subtask;
                self.flow(job, task_ref, task.outputs(from), Step::EndOf(from));
            }
        }
        self.step_worker(worker, Input::Report { job, task: task_ref, report });
    }

    /// A task has seen the barrier on all inputs: it acknowledges, and passes it on.
    fn pass(&mut self, worker: Node, place: Place, checkpoint: u64, kind: CheckpointKind) {
        let (job, task_ref) = place;
        let from = task_ref.subtask;
        let task = &self.worker(worker).tasks[&place];
        let outputs = task.outputs(from);
        if !task.running {
            return self.task_later(worker, place, (50, 200), Step::Pass { checkpoint, kind });
        }
        Seen::once(&mut self.seen.passed, (job, task_ref, checkpoint), "a barrier is passed twice");
        self.flow(job, task_ref, outputs, Step::Barrier { from, checkpoint, kind });
        let (stats, state) = (SubtaskReport::default(), Bytes::new());
        self.step_worker(
            worker,
            Input::Report { job, task: task_ref, report: Report::Ack { checkpoint, stats, state } },
        );
    }

    /// Something goes over channels to tasks of the same attempt.
    fn flow(&mut self, job: JobId, task: TaskRef, to: Vec<SubtaskId>, step: Step) {
        for subtask in to {
            let place = (job, TaskRef { subtask, attempt: task.attempt });
            self.flow_to(place, step.clone(), FLOW_TRIES_LIMIT);
        }
    }

    /// A receiver that has not been started yet is waited for: it may be there a little later.
    pub(super) fn flow_to(&mut self, place: Place, step: Step, tries: u32) {
        let found = self.workers.iter().position(|worker| worker.up && worker.tasks.contains_key(&place));
        if let Some(index) = found {
            let worker = Node::Worker(index, self.workers[index].life);
            self.task_later(worker, place, (1, 30), step);
        } else if tries > 0 {
            let after = self.random.millis(200, 300);
            self.later(after, Event::Flow { place, step, tries: tries - 1 });
        }
    }
}
