//! What is done about a failure: the regions that it hits are cancelled and come back, or the job fails.

use std::{collections::BTreeSet, time::Duration};

use super::{
    super::{
        ids::{RegionId, TaskIndex, TaskManagerId},
        message::Order,
    },
    attempt::ExecutionState,
    ending::Ending,
    failure::{Exception, FailureClass, JobFailure},
    lifecycle::JobState,
    machine::{Comeback, Command, JobMaster, Phase, RESEND_PAUSE},
};
use crate::{env::Instant, restart::Decision};

/// What is said to those who ask for something that takes a job that runs.
pub(super) const AGAIN: &str = "the job has failed and is about to be started again: ask again then";

impl JobMaster {
    /// Regions have failed, because of `task` if one is known.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        random: u64,
        regions: BTreeSet<RegionId>,
        failure: JobFailure,
        task: Option<TaskIndex>,
        out: &mut Vec<Command>,
    ) {
        if self.ending == Some(Ending::Finished) {
            // All that it has to give is committed. Who waits for the task that failed would wait for ever.
            self.exceptions.followed();
            return self.cancel_all(now, out);
        }
        let recovering = matches!(self.comeback, Some(Comeback::Recovering { .. }));
        let is_hit = |region: &RegionId| match self.regions[region.0].phase {
            Phase::Deploying | Phase::Running => true,
            Phase::Down => recovering && task.is_none(),
            Phase::Cancelling | Phase::Ended => false,
        };
        let hit: Vec<_> = regions.into_iter().filter(is_hit).collect();
        if self.ending.is_some() || hit.is_empty() {
            return self.exceptions.followed();
        }
        let has_run = self.has_run || hit.iter().all(|region| self.regions[region.0].has_run);
        let is_mistake = failure.class == FailureClass::User || self.settings.is_attended;
        let decision = match () {
            // Not for the restart strategy to decide: each checkpoint that is kept is tried once at most.
            () if failure.rejects => Decision::RestartAfter(Duration::ZERO),
            // What cannot even be begun is a mistake to be told at once.
            () if is_mistake && !has_run => Decision::GiveUp(String::new()),
            () => self.restarts.on_failure(now, random),
        };
        match decision {
            Decision::GiveUp(why) => {
                // Whoever sits in front of it knows how often it was started again.
                let more =
                    if why.is_empty() || self.settings.is_attended { String::new() } else { format!(" ({why})") };
                let message = format!("{}{more}", failure.message);
                self.fail_for_good(now, JobFailure { message, ..failure }, task, out);
            }
            Decision::RestartAfter(delay) => {
                self.remember(now, failure, task, &hit);
                self.close_coordinator(now, AGAIN, out);
                if matches!(self.comeback, Some(Comeback::Slots { .. })) {
                    out.push(Command::WithdrawSlots);
                }
                let due = now + delay;
                self.comeback = Some(Comeback::Delayed {
                    due: match self.comeback {
                        Some(Comeback::Delayed { due: before }) => due.max(before),
                        _ => due,
                    },
                });
                self.enter(JobState::Restarting);
                hit.into_iter().for_each(|region| self.cancel_region(now, region, out));
            }
        }
    }

    /// The job fails, whatever its restart strategy says.
    pub(super) fn fail_for_good(
        &mut self,
        now: Instant,
        failure: JobFailure,
        task: Option<TaskIndex>,
        out: &mut Vec<Command>,
    ) {
        self.remember(now, failure, task, &[]);
        self.begin_to_end(now, Ending::Failed, "the job has failed", out);
    }

    fn remember(&mut self, at: Instant, failure: JobFailure, task: Option<TaskIndex>, regions: &[RegionId]) {
        let task = task.map(|task| {
            let subtask = self.executions.get(task).subtask;
            (subtask, self.topology.vertex(subtask.vertex).name.clone())
        });
        let regions = regions.to_vec();
        self.exceptions.push(Exception { at, failure, task, regions, followed_by: 0 });
    }

    /// All regions fail together.
    pub(super) fn fail_all(&mut self, now: Instant, random: u64, failure: JobFailure, out: &mut Vec<Command>) {
        let all = (0..self.regions.len()).map(RegionId).collect();
        self.fail(now, random, all, failure, None, out);
    }

    /// Tells all tasks of a region that are alive to end.
    pub(super) fn cancel_region(&mut self, now: Instant, region: RegionId, out: &mut Vec<Command>) {
        let state = &mut self.regions[region.0];
        if !matches!(state.phase, Phase::Deploying | Phase::Running) {
            return;
        }
        state.phase = Phase::Cancelling;
        state.unanswered.clear();
        let alive = |task: &TaskIndex| self.executions.get(*task).state.is_alive();
        let tasks: Vec<_> = self.topology.tasks_in(region).filter(alive).collect();
        for task in &tasks {
            self.executions.set(*task, ExecutionState::Cancelling);
        }
        self.order(Order::Cancel, tasks, out);
        self.resend = Some((now + RESEND_PAUSE, RESEND_PAUSE));
        self.has_gone_down(region);
    }

    pub(super) fn cancel_all(&mut self, now: Instant, out: &mut Vec<Command>) {
        for region in (0..self.regions.len()).map(RegionId) {
            self.cancel_region(now, region, out);
        }
    }

    /// A TaskManager is lost: its tasks count as dead, and their regions have failed.
    pub(super) fn lost(
        &mut self,
        now: Instant,
        random: u64,
        taskmanager: TaskManagerId,
        reason: &str,
        out: &mut Vec<Command>,
    ) {
        let mut slot_lost = false;
        for held in self.slots.values_mut().filter(|held| held.id.taskmanager == taskmanager) {
            slot_lost |= !held.lost;
            held.lost = true;
        }
        let tasks = self.executions.alive_on(taskmanager);
        let regions: BTreeSet<_> = tasks.iter().map(|task| self.topology.region_of(*task)).collect();
        for task in &tasks {
            self.executions.set(*task, ExecutionState::Lost);
        }
        if !tasks.is_empty() {
            let failure = JobFailure::new(
                FailureClass::Environment,
                format!("TaskManager {taskmanager} is lost with {} of the job's tasks: {reason}", tasks.len()),
            );
            self.fail(now, random, regions.clone(), failure, tasks.first().copied(), out);
        }
        regions.into_iter().for_each(|region| self.has_gone_down(region));
        if slot_lost && matches!(self.comeback, Some(Comeback::Slots { .. })) {
            self.request_slots(now, out);
        }
    }
}
