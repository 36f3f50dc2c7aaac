//! Checkpoints: the [`Coordinator`] decides when they are made; here its commands become messages to tasks and work of the driver.

use bytes::Bytes;
use millstream_state::manifest::CheckpointKind;

use super::{
    super::{
        ids::{RequestId, TaskIndex},
        message::{Order, TaskRef},
    },
    attempt::ExecutionState,
    ending::Ending,
    failure::{FailureClass, JobFailure},
    lifecycle::JobState,
    machine::{Command, JobMaster, Phase, Present, RESEND_PAUSE, Step, Work},
};
use crate::{
    checkpoint::{
        SubtaskReport,
        coordinator::{Command as Decided, Coordinator, Input as Event},
    },
    env::Instant,
    settings::CheckpointSettings,
};

impl JobMaster {
    /// All regions run: checkpoints are made from now on, if the job makes any.
    pub(super) fn coordinate(&mut self, now: Instant, random: u64, out: &mut Vec<Command>) {
        let Some(settings) = self.settings.checkpoints.clone() else { return };
        let is_reading = |task: &usize| !self.executions.get(TaskIndex(*task)).drained;
        let reading: Vec<_> = self.topology.sources().filter(is_reading).collect();
        let history = std::mem::take(&mut self.history);
        let tasks = self.topology.tasks();
        self.coordinator = Some(Coordinator::new(settings, tasks, reading, self.next_checkpoint, history, now));
        self.coordinator_wake = None;
        self.give(now, random, Event::Timer, out);
        self.order_drain(out);
    }

    pub(super) fn changed(&mut self, now: Instant, random: u64, settings: CheckpointSettings, out: &mut Vec<Command>) {
        if self.settings.checkpoints.is_some() {
            self.settings.checkpoints = Some(settings.clone());
            self.give(now, random, Event::Changed(settings), out);
        }
    }

    pub(super) fn coordinator_timer(&mut self, now: Instant, random: u64, out: &mut Vec<Command>) {
        self.coordinator_wake = None;
        self.give(now, random, Event::Timer, out);
    }

    /// Lets the coordinator decide, if there is one, and does what it says.
    pub(super) fn give(&mut self, now: Instant, random: u64, event: Event, out: &mut Vec<Command>) {
        let Some(coordinator) = &mut self.coordinator else { return };
        for decided in coordinator.handle(now, event) {
            self.obey(now, random, decided, out);
        }
    }

    fn obey(&mut self, now: Instant, random: u64, decided: Decided, out: &mut Vec<Command>) {
        match decided {
            Decided::Trigger { checkpoint, kind } => {
                self.next_checkpoint = checkpoint + 1;
                self.present = Some(Present { checkpoint, kind, step: Step::Running });
                self.gathered.clear();
                if matches!(kind, CheckpointKind::Stop | CheckpointKind::Final) {
                    self.enter(JobState::Stopping);
                }
                self.savepoints.triggered(checkpoint, kind);
                self.resend = Some((now + RESEND_PAUSE, RESEND_PAUSE));
                // Splits that are assigned from now on arrive behind the barrier, so they are still the pool's.
                out.push(Command::Work(Work::Begin { checkpoint, kind }));
                self.order(Order::Trigger { checkpoint, kind }, self.source_tasks(), out);
            }
            Decided::Store { checkpoint, kind } => {
                self.present = Some(Present { checkpoint, kind, step: Step::Storing });
                let states = std::mem::take(&mut self.gathered).into_values().collect();
                out.push(Command::Work(Work::Store { checkpoint, kind, states }));
            }
            Decided::Complete { .. } => self.complete(out),
            Decided::Abort { checkpoint, .. } => {
                self.abort(checkpoint, out);
                if self.state == JobState::Stopping {
                    self.enter(JobState::Running);
                }
            }
            Decided::Fail { reason } => {
                self.fail_all(now, random, JobFailure::new(FailureClass::Environment, reason), out);
            }
            Decided::Finish => {
                self.drop_coordinator();
                self.ending = Some(Ending::Finished);
                self.enter(JobState::Stopping);
                self.resend = Some((now + RESEND_PAUSE, RESEND_PAUSE));
                self.order(Order::Finish, self.source_tasks(), out);
            }
            Decided::Stopped => {
                self.drop_coordinator();
                self.stopped(now, out);
            }
            Decided::Answer { id, result } => self.answer_checkpoint(RequestId(id), result, out),
            Decided::WakeAt(at) => self.coordinator_wake = Some(at),
        }
    }

    /// The present checkpoint's entry exists.
    fn complete(&mut self, out: &mut Vec<Command>) {
        let Some(present) = &mut self.present else { return };
        present.step = Step::Committing;
        let Present { checkpoint, kind, .. } = *present;
        let savepoints = self.savepoints.stored(checkpoint);
        out.push(Command::Work(Work::Commit { checkpoint, kind, savepoints }));
        self.order(Order::Complete { checkpoint }, self.all_tasks(), out);
    }

    fn abort(&mut self, checkpoint: u64, out: &mut Vec<Command>) {
        self.present = None;
        self.gathered.clear();
        self.order(Order::Abort { checkpoint }, self.all_tasks(), out);
    }

    /// There are no more checkpoints until all regions run again. One whose entry is being written is left to its fate.
    pub(super) fn close_coordinator(&mut self, now: Instant, reason: &str, out: &mut Vec<Command>) {
        let Some(mut coordinator) = self.coordinator.take() else { return };
        for decided in coordinator.handle(now, Event::Closed { reason: reason.to_owned() }) {
            if let Decided::Answer { id, result } = decided {
                self.answer_checkpoint(RequestId(id), result, out);
            }
        }
        self.coordinator = Some(coordinator);
        self.drop_coordinator();
        if let Some(Present { checkpoint, step: Step::Running, .. }) = self.present {
            self.abort(checkpoint, out);
        }
    }

    fn drop_coordinator(&mut self) {
        self.coordinator_wake = None;
        if let Some(coordinator) = self.coordinator.take() {
            self.history = coordinator.history().clone();
        }
    }

    pub(super) fn drained(&mut self, now: Instant, random: u64, task: TaskIndex, out: &mut Vec<Command>) {
        self.executions.get_mut(task).drained = true;
        self.give(now, random, Event::Drained { task: task.0 }, out);
    }

    pub(super) fn acknowledged(
        &mut self,
        now: Instant,
        random: u64,
        index: TaskIndex,
        (task, checkpoint, report, state): (TaskRef, u64, SubtaskReport, Bytes),
        out: &mut Vec<Command>,
    ) {
        let counts = self.present.is_some_and(|it| it.checkpoint == checkpoint && it.step == Step::Running);
        if counts && self.executions.get(index).state != ExecutionState::Cancelling {
            self.gathered.entry(index.0).or_insert((task, state));
            self.give(now, random, Event::Ack { checkpoint, task: index.0, report }, out);
        }
    }

    pub(super) fn declined(
        &mut self,
        now: Instant,
        random: u64,
        task: TaskIndex,
        checkpoint: u64,
        reason: String,
        out: &mut Vec<Command>,
    ) {
        self.give(now, random, Event::Declined { checkpoint, task: task.0, reason }, out);
    }

    pub(super) fn stored(
        &mut self,
        now: Instant,
        random: u64,
        checkpoint: u64,
        result: Result<(), String>,
        out: &mut Vec<Command>,
    ) {
        let is_it = |present: &Present| present.checkpoint == checkpoint && present.step == Step::Storing;
        if !self.present.as_ref().is_some_and(is_it) {
            return;
        }
        match (self.coordinator.is_some(), result) {
            (true, Ok(())) => self.give(now, random, Event::Stored { checkpoint }, out),
            (true, Err(reason)) => {
                self.give(now, random, Event::StoreFailed { checkpoint, reason, deposed: false }, out);
            }
            (false, Ok(())) => self.complete(out),
            (false, Err(_)) => self.abort(checkpoint, out),
        }
    }

    pub(super) fn committed(
        &mut self,
        now: Instant,
        random: u64,
        checkpoint: u64,
        result: Result<(), JobFailure>,
        out: &mut Vec<Command>,
    ) {
        let is_it = |present: &Present| present.checkpoint == checkpoint && present.step == Step::Committing;
        let Some(present) = self.present.filter(is_it) else { return };
        self.present = None;
        if let Err(failure) = result {
            // What is not committed now is committed when the job goes on from this checkpoint.
            return self.fail_all(now, random, failure, out);
        }
        self.restarts.on_stable();
        if self.coordinator.is_some() {
            self.give(now, random, Event::Committed { checkpoint }, out);
        } else if present.kind == CheckpointKind::Final && self.ending.is_none() {
            // A region failed when this was on its way already: nothing has to come back.
            self.begin_to_end(now, Ending::Finished, "the job has ended", out);
        }
    }

    /// A task has ended well.
    pub(super) fn ended(
        &mut self,
        now: Instant,
        random: u64,
        index: TaskIndex,
        left: (TaskRef, Bytes),
        out: &mut Vec<Command>,
    ) {
        let region = self.topology.region_of(index);
        let phase = self.regions[region.0].phase;
        if self.ending.is_some() || phase == Phase::Cancelling {
            return;
        }
        if self.settings.checkpoints.is_some() {
            let failure = JobFailure::new(FailureClass::Engine, "a task has ended before the job's final checkpoint");
            return self.fail(now, random, [region].into(), failure, Some(index), out);
        }
        self.outputs.insert(index.0, left);
        let counts = self.executions.region(region);
        if phase == Phase::Running && counts.ended == counts.tasks {
            self.regions[region.0].phase = Phase::Ended;
        }
        self.has_come_up(now, random, region, out);
    }
}
