//! From the newest checkpoint to tasks that run: recover, find slots, deploy.

use std::collections::BTreeMap;

use millstream_state::manifest::CheckpointKind;

use super::{
    super::{
        ids::{AttemptId, RegionId, SlotIndex, SubtaskId, TaskIndex, TaskManagerId},
        message::{self, Deploy, Order, Placement},
        slots::{Grant, SlotStatus, Want},
    },
    attempt::ExecutionState,
    ending::Ending,
    failure::{FailureClass, JobFailure},
    lifecycle::JobState,
    machine::{Comeback, Command, Held, JobMaster, Phase, RESEND_PAUSE, Recovery, Restored, Step, Work, Working},
};
use crate::env::Instant;

impl JobMaster {
    /// Looks for the newest checkpoint.
    pub(super) fn recover(&mut self, out: &mut Vec<Command>) {
        let attempt = self.next_attempt();
        self.comeback = Some(Comeback::Recovering { attempt });
        self.working = Some(Working::Recovering(attempt));
        let down = self.down_regions();
        let vertices = down.iter().flat_map(|region| self.topology.vertices_of(*region)).copied().collect();
        out.push(Command::Work(Work::Recover { attempt, vertices }));
    }

    pub(super) fn recovered(
        &mut self,
        now: Instant,
        random: u64,
        attempt: AttemptId,
        result: Result<Recovery, JobFailure>,
        out: &mut Vec<Command>,
    ) {
        if self.working != Some(Working::Recovering(attempt)) {
            return;
        }
        self.working = None;
        if self.comeback != Some(Comeback::Recovering { attempt }) || self.ending.is_some() {
            return; // something has failed meanwhile, and it is done again
        }
        match result {
            Ok(Recovery { restored: Some(Restored { kind: CheckpointKind::Final, .. }), .. }) => {
                // The job had ended before: its output is complete.
                self.begin_to_end(now, Ending::Finished, "the job has ended", out);
            }
            Ok(Recovery { restored, next_checkpoint, payload }) => {
                self.payload = payload;
                self.has_run |= restored.is_some() && !self.settings.is_attended;
                self.next_checkpoint = self.next_checkpoint.max(next_checkpoint);
                self.comeback = Some(Comeback::Slots { restore: restored.map(|restored| restored.checkpoint) });
                self.enter(JobState::Waiting);
                self.request_slots(now, out);
            }
            Err(failure) => self.fail(now, random, self.down_regions().into_iter().collect(), failure, None, out),
        }
    }

    /// Wants the slots that it does not have, or goes on if it has all.
    pub(super) fn request_slots(&mut self, now: Instant, out: &mut Vec<Command>) {
        let wants = self.topology.slots().iter().filter_map(|slot| match self.slots.get(slot) {
            Some(held) if !held.lost => None,
            before => Some(Want { slot: *slot, prefers: before.map(|held| held.id) }),
        });
        let wants: Vec<_> = wants.collect();
        if wants.is_empty() {
            return self.granted(now, Vec::new(), out);
        }
        out.push(Command::RequestSlots { wants, timeout: self.settings.slot_timeout });
    }

    pub(super) fn granted(&mut self, now: Instant, grants: Vec<Grant>, out: &mut Vec<Command>) {
        let mut unwanted = Vec::new();
        for Grant { slot, id, endpoint } in grants {
            let is_wanted = self.topology.slots().binary_search(&slot).is_ok();
            if is_wanted && self.slots.get(&slot).is_none_or(|held| held.lost) {
                self.slots.insert(slot, Held { id, endpoint, lost: false });
            } else {
                unwanted.push(id);
            }
        }
        if !unwanted.is_empty() {
            out.push(Command::ReleaseSlots(unwanted));
        }
        let has_all = self.slots.len() == self.topology.slots().len() && self.slots.values().all(|held| !held.lost);
        if let Some(Comeback::Slots { restore }) = self.comeback
            && has_all
        {
            self.comeback = None;
            self.enter(JobState::Deploying);
            for region in self.down_regions() {
                self.deploy(region, restore, out);
            }
            self.resend = Some((now + RESEND_PAUSE, RESEND_PAUSE));
        }
    }

    pub(super) fn slots_overdue(&mut self, now: Instant, status: SlotStatus, out: &mut Vec<Command>) {
        if matches!(self.comeback, Some(Comeback::Slots { .. })) {
            let what = format!("the job has not got the slots that it needs: {status}");
            let failure = JobFailure::new(FailureClass::Environment, what).with_hint(
                "start more TaskManagers, give them more slots by `--slots`, or lower the job's parallelism",
            );
            self.fail_for_good(now, failure, None, out);
        }
    }

    fn down_regions(&self) -> Vec<RegionId> {
        let all = self.regions.iter().enumerate();
        all.filter(|(_, region)| region.phase == Phase::Down).map(|(number, _)| RegionId(number)).collect()
    }

    /// Starts the tasks of a region that is down.
    fn deploy(&mut self, region: RegionId, restore: Option<u64>, out: &mut Vec<Command>) {
        let attempt = self.next_attempt();
        let tasks: Vec<TaskIndex> = self.topology.tasks_in(region).collect();
        let mut placement = Placement::default();
        let mut positions = BTreeMap::new();
        for task in &tasks {
            let held = &self.slots[&self.topology.slot_of(*task)];
            let position = *positions.entry(held.id.taskmanager).or_insert_with(|| {
                placement.taskmanagers.push((held.id.taskmanager, std::sync::Arc::clone(&held.endpoint)));
                placement.taskmanagers.len() as u32 - 1
            });
            self.executions.deploy(*task, attempt, held.id);
            self.outputs.remove(&task.0);
            placement.tasks.push((self.executions.get(*task).subtask, position));
        }
        let state = &mut self.regions[region.0];
        state.phase = Phase::Deploying;
        state.attempt = Some(attempt);
        state.restore = restore;
        state.payload = self.payload.clone();
        state.placement = placement.into();
        state.unanswered = positions.into_keys().collect();
        self.send_deployment(region, out);
    }

    /// Tells those who have not answered to start their tasks of a region.
    fn send_deployment(&self, region: RegionId, out: &mut Vec<Command>) {
        let state = &self.regions[region.0];
        let Some(attempt) = state.attempt else { return };
        let mut shares = BTreeMap::<TaskManagerId, Vec<(SubtaskId, SlotIndex)>>::new();
        for task in self.topology.tasks_in(region) {
            let execution = self.executions.get(task);
            if let Some((_, slot)) = execution.deployed
                && state.unanswered.contains(&slot.taskmanager)
            {
                shares.entry(slot.taskmanager).or_default().push((execution.subtask, slot.slot));
            }
        }
        for (to, tasks) in shares {
            let (job, restore, placement) = (self.id, state.restore, state.placement.clone());
            let deploy = Deploy { job, attempt, restore, payload: state.payload.clone(), tasks, placement };
            out.push(Command::Send { to, body: message::Command::Deploy(deploy.into()) });
        }
    }

    pub(super) fn deployed(
        &mut self,
        now: Instant,
        random: u64,
        taskmanager: TaskManagerId,
        attempt: AttemptId,
        result: Result<(), String>,
        out: &mut Vec<Command>,
    ) {
        let Some(number) = self.regions.iter().position(|region| region.attempt == Some(attempt)) else { return };
        let region = RegionId(number);
        let is_first = self.regions[number].unanswered.remove(&taskmanager);
        if let (Err(reason), true) = (result, is_first) {
            // None of them has begun.
            for task in self.executions.alive_on(taskmanager) {
                let execution = self.executions.get(task);
                if execution.deployed.is_some_and(|(of, _)| of == attempt) {
                    self.executions.set(task, ExecutionState::Cancelled);
                }
            }
            let what = format!("TaskManager {taskmanager} does not take its tasks: {reason}");
            let failure = JobFailure::new(FailureClass::Engine, what);
            self.fail(now, random, [region].into(), failure, None, out);
            self.has_gone_down(region);
        }
    }

    /// A task runs: perhaps the last of its region, and of the job.
    pub(super) fn has_come_up(&mut self, now: Instant, random: u64, region: RegionId, out: &mut Vec<Command>) {
        let counts = self.executions.region(region);
        let state = &mut self.regions[region.0];
        if state.phase != Phase::Deploying || counts.running + counts.ended < counts.tasks {
            return;
        }
        state.unanswered.clear(); // an answer that was lost, but tasks that run
        state.phase = if counts.ended == counts.tasks { Phase::Ended } else { Phase::Running };
        state.has_run = true;
        let all_run = self.regions.iter().all(|region| matches!(region.phase, Phase::Running | Phase::Ended));
        if all_run && self.ending.is_none() {
            self.has_run = true;
            self.enter(JobState::Running);
            self.answer_rescale(out);
            self.coordinate(now, random, out);
        }
    }

    /// True if something was ordered that has not been answered.
    pub(super) fn has_unanswered(&self) -> bool {
        self.executions.cancelling() > 0
            || self.draining && self.coordinator.is_some()
            || self.ending == Some(Ending::Finished) && self.executions.alive() > 0
            || self.present.is_some_and(|present| present.step == Step::Running)
            || self.regions.iter().any(|region| !region.unanswered.is_empty())
    }

    /// Orders what has been ordered and not been answered.
    pub(super) fn order_again(&mut self, out: &mut Vec<Command>) {
        for region in (0..self.regions.len()).map(RegionId) {
            if self.regions[region.0].phase == Phase::Deploying {
                self.send_deployment(region, out);
            }
        }
        let cancelling = |task: &TaskIndex| self.executions.get(*task).state == ExecutionState::Cancelling;
        let cancelled: Vec<_> = self.all_tasks().filter(cancelling).collect();
        self.order(Order::Cancel, cancelled, out);
        self.order_drain(out);
        if self.ending == Some(Ending::Finished) {
            self.order(Order::Finish, self.source_tasks(), out);
        }
        if let Some(present) = self.present.filter(|present| present.step == Step::Running) {
            let (checkpoint, kind) = (present.checkpoint, present.kind);
            let missing = self.source_tasks().into_iter().filter(|task| !self.gathered.contains_key(&task.0));
            let missing: Vec<_> = missing.collect();
            self.order(Order::Trigger { checkpoint, kind }, missing, out);
        }
    }
}
