//! [`JobMaster`]: decides what becomes of one job. Events in, commands out; it has no clock and does nothing itself.
//!
//! ```text
//!           +---------------------------------------------------------------------------------------------+
//!           v                                                                                             |
//! a comeback: Delayed --due, tasks dead, storage settled--> Recovering --Recovered--> Slots --Granted--> none
//!           ^                                                                                             |
//!           +--- a region failed, or was lost: its tasks are cancelled, all others go on -----------------+
//! ```
//!
//! A *region* is down, being deployed, running, being cancelled, or has ended. The job begins with all of them down, and each *comeback* deploys those that
//! are down, from the newest complete checkpoint in the log. Regions share no channel, so what runs on is not touched: its own past is no part of the other
//! region's. But they share the job's checkpoints, and one of them is a cut through all of them:
//!
//! - While a region is not running, there is no coordinator and no checkpoint is triggered. The one that was under way is given up, and its requests are refused.
//! - A checkpoint whose entry is being written when a region fails is waited for, as only the storage can say whether it exists. If it does, it is
//!   complete like any other: sinks commit it, and it is what the region comes back from.
//! - Acknowledgements count for a checkpoint only if they come from the attempts that run; a region that came back passes its barriers anew, with all others.
//!
//! So a manifest always holds one attempt of each region, all of whose subtasks have passed the same barrier, and what is committed never depends on what was
//! rolled back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use millstream_state::{location::Location, manifest::CheckpointKind};

use super::{
    super::{
        ids::{AttemptId, Epoch, JobId, RegionId, RequestId, SlotId, SubtaskId, TaskIndex, TaskManagerId, Vertex},
        message::{self, Order, Placement, Report, TaskRef},
        slots::{Grant, SlotStatus, Want},
        topology::{SharedSlot, Topology},
    },
    attempt::{ExecutionState, Executions},
    ending::{Ending, Waiter},
    failure::{Exceptions, FailureClass, JobFailure},
    lifecycle::JobState,
    savepoints::Savepoints,
};
use crate::{
    checkpoint::{CheckpointHistory, coordinator::Coordinator},
    env::Instant,
    restart::{RestartStrategy, Restarts},
    settings::CheckpointSettings,
};

/// The pause before an order that was not answered is given again for the first time; it doubles each time.
pub(crate) const RESEND_PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
pub(crate) const RESEND_PAUSE_LIMIT: Duration = Duration::from_secs(10);
/// How long a job waits for slots, unless its settings say otherwise.
pub(crate) const SLOT_TIMEOUT: Duration = Duration::from_secs(300);

/// How many subtasks a vertex is to have, for those that change.
pub(crate) type Parallelism = BTreeMap<Vertex, u32>;

/// What is set for a job.
#[derive(Debug, Clone)]
pub(crate) struct JobSettings {
    /// Whether it makes checkpoints, and how often.
    pub(crate) checkpoints: Option<CheckpointSettings>,
    pub(crate) restart: RestartStrategy,
    /// How long it waits for slots. Default [`SLOT_TIMEOUT`].
    pub(crate) slot_timeout: Duration,
    /// Somebody sits in front of it: what fails before it has run is told at once, whoever can do something about it.
    pub(crate) is_attended: bool,
}

/// The newest complete checkpoint of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Restored {
    pub(crate) checkpoint: u64,
    pub(crate) kind: CheckpointKind,
}

/// What a job goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recovery {
    /// The newest complete checkpoint, if there is one.
    pub(crate) restored: Option<Restored>,
    /// The number of the next one: greater than that of any before.
    pub(crate) next_checkpoint: u64,
    /// What TaskManagers need to start tasks from it; opaque to control.
    pub(crate) payload: Bytes,
}

#[cfg(test)]
impl Recovery {
    pub(crate) fn of(restored: Option<Restored>, next_checkpoint: u64) -> Self {
        Self { restored, next_checkpoint, payload: Bytes::new() }
    }
}

/// What has happened.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    /// The time that [`JobMaster::deadline`] says has come. Also the first input.
    Timer,
    /// The answer to [`Work::Recover`].
    Recovered { attempt: AttemptId, result: Result<Recovery, JobFailure> },
    /// Slots, as wanted.
    Granted(Vec<Grant>),
    /// There were not enough slots for too long.
    SlotsOverdue(SlotStatus),
    /// A TaskManager has taken all tasks of an attempt that it was given, or none.
    Deployed { taskmanager: TaskManagerId, attempt: AttemptId, result: Result<(), String> },
    /// Something has become of a task.
    Report { taskmanager: TaskManagerId, task: TaskRef, report: Report },
    /// A subtask of a source wants a split.
    SplitRequest { taskmanager: TaskManagerId, task: TaskRef, request: u64, payload: Bytes },
    /// The answer to [`Work::AssignSplit`].
    SplitAssigned { task: TaskRef, request: u64, payload: Bytes },
    /// What finds the splits of a source, or hands them out, has failed.
    SourceFailed { vertex: Vertex, failure: JobFailure },
    /// A TaskManager does not work for this leader any more.
    TaskManagerLost { taskmanager: TaskManagerId, reason: String },
    /// The answer to [`Work::Store`]: the manifest is durable, or it is not and never will be.
    Stored { checkpoint: u64, result: Result<(), String> },
    /// The answer to [`Work::Commit`].
    Committed { checkpoint: u64, result: Result<(), JobFailure> },
    /// The answer to [`Work::CommitOutput`].
    OutputCommitted(Result<(), JobFailure>),
    /// The answer to [`Work::Rebuild`].
    Rebuilt(Result<Topology, String>),
    /// Checkpoints are to be made by other settings from now on. Nothing happens to a job that makes none.
    Changed(CheckpointSettings),
    /// Somebody wants a checkpoint.
    Checkpoint { request: RequestId },
    /// Somebody wants a checkpoint to be copied to a place of its own.
    Savepoint { request: RequestId, to: Arc<Location>, then: Then },
    /// What has become of a copy that [`Work::Commit`] has ordered.
    SavepointWritten { request: RequestId, result: Result<(), String> },
    /// Somebody wants the job to stop with a checkpoint.
    Stop { request: RequestId },
    /// Somebody wants the job to end at once.
    Cancel { request: RequestId },
    /// Somebody wants other numbers of subtasks.
    Rescale { request: RequestId, parallelism: Parallelism },
}

/// What becomes of a job of which a savepoint is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It goes on.
    GoOn,
    /// It stops there.
    Stop,
    /// Its sources end where they are and everything fires; then it has come to its end.
    Drain,
}

/// What has been of a job that has ended, under this leader.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Past {
    pub(crate) exceptions: Exceptions,
    pub(crate) checkpoints: CheckpointHistory,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Say something to a TaskManager.
    Send { to: TaskManagerId, body: message::Command },
    /// Slots are wanted; replaces what was wanted before.
    RequestSlots { wants: Vec<Want>, timeout: Duration },
    /// None are wanted any more.
    WithdrawSlots,
    /// These are not used any more.
    ReleaseSlots(Vec<SlotId>),
    /// For the driver.
    Work(Work),
}

/// What the driver does for a job: all that touches storage, sources and sinks, and whoever waits for an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Work {
    /// Read the newest checkpoint in the log, and let the sinks and split enumerators of these vertices recover by it. Those of others are in use.
    Recover { attempt: AttemptId, vertices: Vec<Vertex> },
    /// A checkpoint begins: keep what the sources' pools of splits hold now, before anything else is done. It is added to what [`Work::Store`] enters, and is of no
    /// use when the next one begins.
    Begin { checkpoint: u64, kind: CheckpointKind },
    /// Enter the manifest in the log, made of what every subtask has acknowledged, and of what the pools of splits held when the checkpoint began.
    Store { checkpoint: u64, kind: CheckpointKind, states: Vec<(TaskRef, Bytes)> },
    /// The entry exists: let all sinks commit what it holds. Copy it then to these places; each of these requests is answered by [`Input::SavepointWritten`].
    Commit { checkpoint: u64, kind: CheckpointKind, savepoints: Vec<(RequestId, Arc<Location>)> },
    /// All tasks of a job without checkpoints have ended well: let its sinks commit what they left.
    CommitOutput { outputs: Vec<(TaskRef, Bytes)> },
    /// Make the job's graph for other numbers of subtasks.
    Rebuild { parallelism: Parallelism },
    /// Let the pool of splits of a source answer, with [`Input::SplitAssigned`]: before anything else is done, or when there is something to say. `request`
    /// ascends for each task; the same is not asked twice.
    AssignSplit { task: TaskRef, request: u64, payload: Bytes },
    /// The job has ended; keep that, before those are told who wait for it. The output of one that makes no checkpoints and has not finished is to be removed.
    Ended { state: JobState, failure: Option<JobFailure>, past: Box<Past> },
    /// Answer a request, with the checkpoint that was made for it, if one was.
    Answer { request: RequestId, result: Result<Option<u64>, String> },
}

/// What a region does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Down,
    Deploying,
    Running,
    Cancelling,
    Ended,
}

#[derive(Debug)]
pub(super) struct Region {
    pub(super) phase: Phase,
    /// All its tasks have run at some time.
    pub(super) has_run: bool,
    pub(super) attempt: Option<AttemptId>,
    pub(super) restore: Option<u64>,
    pub(super) payload: Bytes,
    pub(super) placement: Arc<Placement>,
    /// Who has not answered the order to deploy.
    pub(super) unanswered: BTreeSet<TaskManagerId>,
}

/// How far the regions that are down are on their way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comeback {
    Delayed { due: Instant },
    Recovering { attempt: AttemptId },
    Slots { restore: Option<u64> },
}

/// The checkpoint that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Present {
    pub(super) checkpoint: u64,
    pub(super) kind: CheckpointKind,
    pub(super) step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Running,
    Storing,
    Committing,
}

/// A slot of the job: where it is, or where it was last.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) id: SlotId,
    pub(super) endpoint: Arc<str>,
    pub(super) lost: bool,
}

/// Work that the driver has been given besides checkpoints. Nothing else begins before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Working {
    Recovering(AttemptId),
    CommittingOutput,
    Rebuilding,
}

/// One job.
#[derive(Debug)]
pub(crate) struct JobMaster {
    pub(super) id: JobId,
    pub(super) epoch: Epoch,
    pub(super) settings: JobSettings,
    pub(super) topology: Arc<Topology>,
    pub(super) state: JobState,
    pub(super) regions: Vec<Region>,
    pub(super) executions: Executions,
    pub(super) slots: BTreeMap<SharedSlot, Held>,
    pub(super) comeback: Option<Comeback>,
    pub(super) working: Option<Working>,
    /// What TaskManagers need to start tasks, as of the last recovery.
    pub(super) payload: Bytes,
    pub(super) last_attempt: u32,
    pub(super) restarts: Restarts,
    pub(super) exceptions: Exceptions,
    /// All its tasks have run at some time, or it has gone on from a checkpoint that tells as much.
    pub(super) has_run: bool,
    /// While all regions run, if the job makes checkpoints.
    pub(super) coordinator: Option<Coordinator>,
    pub(super) coordinator_wake: Option<Instant>,
    pub(super) history: CheckpointHistory,
    pub(super) present: Option<Present>,
    /// What has been acknowledged of the present checkpoint, by the number of the subtask.
    pub(super) gathered: BTreeMap<usize, (TaskRef, Bytes)>,
    pub(super) next_checkpoint: u64,
    /// What tasks of a job without checkpoints have left to commit.
    pub(super) outputs: BTreeMap<usize, (TaskRef, Bytes)>,
    pub(super) ending: Option<Ending>,
    pub(super) rescale: Option<(RequestId, Parallelism)>,
    pub(super) at_end: Vec<Waiter>,
    pub(super) savepoints: Savepoints,
    /// Its sources are to come to an end where they are.
    pub(super) draining: bool,
    /// When orders that were not answered are given again, and the pause before the next time.
    pub(super) resend: Option<(Instant, Duration)>,
}

impl JobMaster {
    /// A job that this leader has been given, or has found. [`Input::Timer`] is its first input.
    pub(crate) fn new(id: JobId, epoch: Epoch, topology: Topology, settings: JobSettings, now: Instant) -> Self {
        let executions = Executions::new(&topology);
        let restarts = Restarts::new(settings.restart.clone());
        Self {
            id,
            epoch,
            settings,
            regions: down(&topology),
            topology: Arc::new(topology),
            state: JobState::Created,
            executions,
            slots: BTreeMap::new(),
            comeback: Some(Comeback::Delayed { due: now }),
            working: None,
            payload: Bytes::new(),
            last_attempt: 0,
            restarts,
            exceptions: Exceptions::default(),
            has_run: false,
            coordinator: None,
            coordinator_wake: None,
            history: CheckpointHistory::default(),
            present: None,
            gathered: BTreeMap::new(),
            next_checkpoint: 1,
            outputs: BTreeMap::new(),
            ending: None,
            rescale: None,
            at_end: Vec::new(),
            savepoints: Savepoints::default(),
            draining: false,
            resend: None,
        }
    }

    pub(crate) fn state(&self) -> JobState {
        self.state
    }

    pub(crate) fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    pub(crate) fn executions(&self) -> &Executions {
        &self.executions
    }

    pub(crate) fn exceptions(&self) -> &Exceptions {
        &self.exceptions
    }

    /// Its checkpoints under this leader.
    pub(crate) fn history(&self) -> &CheckpointHistory {
        self.coordinator.as_ref().map_or(&self.history, Coordinator::history)
    }

    /// True if this attempt of a subtask counts, and is alive.
    pub(crate) fn is_current(&self, task: TaskRef) -> bool {
        let index = self.topology.task(task.subtask);
        let execution = index.map(|index| self.executions.get(index));
        execution.is_some_and(|execution| execution.task() == Some(task) && execution.state.is_alive())
    }

    /// True if this is the newest attempt of a region.
    pub(crate) fn runs(&self, attempt: AttemptId) -> bool {
        self.regions.iter().any(|region| region.attempt == Some(attempt) && region.phase != Phase::Cancelling)
    }

    /// The newest attempt of a subtask, if there has been one.
    pub(crate) fn task_of(&self, vertex: Vertex, subtask: usize) -> Option<TaskRef> {
        let index = self.topology.task(SubtaskId { vertex, subtask: subtask as u32 })?;
        self.executions.get(index).task()
    }

    /// The slots that it has.
    #[cfg(test)]
    pub(in super::super) fn held(&self) -> impl Iterator<Item = SlotId> + '_ {
        self.slots.values().filter(|held| !held.lost).map(|held| held.id)
    }

    /// Another leader has it: nothing is done for it here any more.
    pub(crate) fn suspend(&mut self) {
        if !self.state.is_terminal() {
            self.state = JobState::Suspended;
        }
    }

    /// Takes an event, and adds what is to be done, in this order. `random` decides the jitter of restarts. What comes too late, twice or from nowhere is
    /// ignored.
    pub(crate) fn step(&mut self, now: Instant, random: u64, input: Input, out: &mut Vec<Command>) {
        if self.state.is_terminal() {
            return self.after_the_end(input, out);
        }
        match input {
            Input::Timer => self.on_timer(now, random, out),
            Input::Recovered { attempt, result } => self.recovered(now, random, attempt, result, out),
            Input::Granted(grants) => self.granted(now, grants, out),
            Input::SlotsOverdue(status) => self.slots_overdue(now, status, out),
            Input::Deployed { taskmanager, attempt, result } => {
                self.deployed(now, random, taskmanager, attempt, result, out);
            }
            Input::Report { taskmanager, task, report } => self.report(now, random, taskmanager, task, report, out),
            Input::SplitRequest { taskmanager, task, request, payload } => {
                self.split_requested(taskmanager, task, request, payload, out);
            }
            Input::SplitAssigned { task, request, payload } => self.split_assigned(task, request, payload, out),
            Input::SourceFailed { vertex, failure } => {
                let region = self.topology.region_of(TaskIndex(self.topology.tasks_of(vertex).start));
                self.fail(now, random, BTreeSet::from([region]), failure, None, out);
            }
            Input::TaskManagerLost { taskmanager, reason } => self.lost(now, random, taskmanager, &reason, out),
            Input::Stored { checkpoint, result } => self.stored(now, random, checkpoint, result, out),
            Input::Committed { checkpoint, result } => self.committed(now, random, checkpoint, result, out),
            Input::OutputCommitted(result) => self.output_committed(now, result, out),
            Input::Rebuilt(result) => self.rebuilt(now, result, out),
            Input::Changed(settings) => self.changed(now, random, settings, out),
            Input::Checkpoint { request } => self.checkpoint_requested(now, random, request, out),
            Input::Savepoint { request, to, then } => self.savepoint_requested(now, random, (request, to, then), out),
            Input::SavepointWritten { request, result } => self.savepoint_written(request, result, out),
            Input::Stop { request } => self.stop_requested(now, random, request, out),
            Input::Cancel { request } => self.cancel_requested(now, request, out),
            Input::Rescale { request, parallelism } => self.rescale_requested(now, random, request, parallelism, out),
        }
        self.proceed(now, out);
        let unanswered = self.has_unanswered();
        match self.resend {
            None if unanswered => self.resend = Some((now + RESEND_PAUSE, RESEND_PAUSE)),
            Some(_) if !unanswered => self.resend = None,
            _ => {}
        }
    }

    /// When it is to be given [`Input::Timer`].
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.state.is_terminal() {
            return None;
        }
        let due = match self.comeback {
            // While something else is waited for, that is what it goes on with.
            Some(Comeback::Delayed { due }) if self.is_settled() && self.executions.cancelling() == 0 => Some(due),
            _ => None,
        };
        [due, self.coordinator_wake, self.resend.map(|(at, _)| at)].into_iter().flatten().min()
    }

    fn on_timer(&mut self, now: Instant, random: u64, out: &mut Vec<Command>) {
        if self.coordinator_wake.is_some_and(|at| now >= at) {
            self.coordinator_timer(now, random, out);
        }
        if let Some((at, pause)) = self.resend
            && now >= at
        {
            let pause = (pause * 2).min(RESEND_PAUSE_LIMIT);
            self.resend = Some((now + pause, pause));
            self.order_again(out);
            if self.ending == Some(Ending::Finished) && pause == RESEND_PAUSE_LIMIT {
                // It was told often enough to end by itself. All that it has to give is committed.
                self.cancel_all(now, out);
            }
        }
    }

    /// Goes on with whatever nothing has to be waited for any more.
    fn proceed(&mut self, now: Instant, out: &mut Vec<Command>) {
        if !self.is_settled() {
            return;
        }
        match (&self.ending, self.comeback) {
            (Some(Ending::Finished), _) if self.savepoints.are_copied() => {}
            (Some(_), _) if self.executions.alive() == 0 => self.end(now, out),
            (Some(_), _) => {}
            (None, Some(Comeback::Delayed { due })) if now >= due && self.executions.cancelling() == 0 => {
                self.recover(out);
            }
            (None, None) if self.regions.iter().all(|region| region.phase == Phase::Ended) => self.commit_output(out),
            _ => {}
        }
    }

    /// True if no answer of the driver is waited for: what is in the log is known, and no sink is at work.
    pub(super) fn is_settled(&self) -> bool {
        let storing = self.present.is_some_and(|present| present.step != Step::Running);
        self.working.is_none() && !storing
    }

    pub(super) fn enter(&mut self, state: JobState) {
        if self.state != state {
            assert!(self.state.may_become(state), "a job that is {} does not become {state}", self.state);
            self.state = state;
        }
    }

    pub(super) fn next_attempt(&mut self) -> AttemptId {
        self.last_attempt += 1;
        AttemptId { epoch: self.epoch, number: self.last_attempt }
    }

    /// Passes an order on to those of these subtasks that are alive.
    pub(super) fn order(&mut self, order: Order, tasks: impl IntoIterator<Item = TaskIndex>, out: &mut Vec<Command>) {
        for (to, tasks) in self.executions.grouped(tasks) {
            out.push(Command::Send { to, body: message::Command::Order { job: self.id, order, tasks } });
        }
    }

    pub(super) fn all_tasks(&self) -> impl Iterator<Item = TaskIndex> + use<> {
        (0..self.topology.tasks()).map(TaskIndex)
    }

    pub(super) fn source_tasks(&self) -> Vec<TaskIndex> {
        self.topology.sources().map(TaskIndex).collect()
    }

    /// The number of a subtask, if this is the attempt of it that counts, in this place, and it is alive.
    pub(super) fn current(&self, taskmanager: TaskManagerId, task: TaskRef) -> Option<TaskIndex> {
        let index = self.topology.task(task.subtask)?;
        let execution = self.executions.get(index);
        let (attempt, slot) = execution.deployed?;
        let is_it = attempt == task.attempt && slot.taskmanager == taskmanager && execution.state.is_alive();
        is_it.then_some(index)
    }

    /// Something has become of a task.
    fn report(
        &mut self,
        now: Instant,
        random: u64,
        taskmanager: TaskManagerId,
        task: TaskRef,
        report: Report,
        out: &mut Vec<Command>,
    ) {
        let Some(index) = self.current(taskmanager, task) else {
            if !report.is_terminal() {
                self.refuse(taskmanager, task, out);
            }
            return;
        };
        let region = self.topology.region_of(index);
        let cancelled = self.executions.get(index).state == ExecutionState::Cancelling;
        match report {
            Report::Running if cancelled => {}
            Report::Running => {
                self.executions.set(index, ExecutionState::Running);
                self.has_come_up(now, random, region, out);
            }
            Report::Drained => self.drained(now, random, index, out),
            Report::Ack { checkpoint, stats, state } => {
                self.acknowledged(now, random, index, (task, checkpoint, stats, state), out);
            }
            Report::Declined { checkpoint, reason } => self.declined(now, random, index, checkpoint, reason, out),
            Report::Ended { output } => {
                self.executions.set(index, ExecutionState::Ended);
                self.ended(now, random, index, (task, output), out);
            }
            Report::Failed(failure) => {
                self.executions.set(index, ExecutionState::Failed);
                self.fail(now, random, BTreeSet::from([region]), failure, Some(index), out);
            }
            Report::Cancelled => {
                self.executions.set(index, ExecutionState::Cancelled);
                if !cancelled {
                    let what = "its TaskManager has cancelled the task, and was not asked to";
                    let failure = JobFailure::new(FailureClass::Engine, what);
                    self.fail(now, random, BTreeSet::from([region]), failure, Some(index), out);
                }
            }
        }
        self.has_gone_down(region);
    }

    /// A region all of whose tasks are dead is down.
    pub(super) fn has_gone_down(&mut self, region: RegionId) {
        let is_dead = self.executions.region(region).alive == 0;
        let region = &mut self.regions[region.0];
        if is_dead && region.phase == Phase::Cancelling {
            region.phase = Phase::Down;
        }
    }

    /// A task that does not count still runs: it is not to.
    fn refuse(&self, to: TaskManagerId, task: TaskRef, out: &mut Vec<Command>) {
        let body = message::Command::Order { job: self.id, order: Order::Cancel, tasks: vec![task] };
        out.push(Command::Send { to, body });
    }

    fn split_requested(
        &mut self,
        taskmanager: TaskManagerId,
        task: TaskRef,
        request: u64,
        payload: Bytes,
        out: &mut Vec<Command>,
    ) {
        let Some(index) = self.current(taskmanager, task) else { return self.refuse(taskmanager, task, out) };
        let execution = self.executions.get_mut(index);
        match &execution.split {
            // The answer was lost. Another one would take a split that nobody reads.
            Some((asked, Some(payload))) if *asked == request => {
                let (job, payload) = (self.id, payload.clone());
                let body = message::Command::SplitAssignment { job, task, request, payload };
                out.push(Command::Send { to: taskmanager, body });
            }
            Some((asked, _)) if *asked >= request => {}
            _ => {
                execution.split = Some((request, None));
                out.push(Command::Work(Work::AssignSplit { task, request, payload }));
            }
        }
    }

    fn split_assigned(&mut self, task: TaskRef, request: u64, payload: Bytes, out: &mut Vec<Command>) {
        let Some(index) = self.topology.task(task.subtask) else { return };
        let execution = self.executions.get_mut(index);
        let Some((attempt, slot)) = execution.deployed else { return };
        if let Some((asked, answer @ None)) = &mut execution.split
            && (attempt, *asked) == (task.attempt, request)
            && execution.state.is_alive()
        {
            *answer = Some(payload.clone());
            let body = message::Command::SplitAssignment { job: self.id, task, request, payload };
            out.push(Command::Send { to: slot.taskmanager, body });
        }
    }
}

/// The regions of a job of which nothing runs.
pub(super) fn down(topology: &Topology) -> Vec<Region> {
    let region = || Region {
        phase: Phase::Down,
        has_run: false,
        attempt: None,
        restore: None,
        payload: Bytes::new(),
        placement: Arc::default(),
        unanswered: BTreeSet::new(),
    };
    (0..topology.regions()).map(|_| region()).collect()
}
