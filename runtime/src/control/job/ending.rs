//! How a job ends, or is rescaled, and who waits for that.

use std::collections::BTreeMap;

use super::{
    super::{
        ids::RequestId,
        topology::{SharedSlot, Topology},
    },
    attempt::Executions,
    failure::JobFailure,
    lifecycle::JobState,
    machine::{Comeback, Command, Held, Input, JobMaster, Parallelism, Past, Work, Working, down},
    restart::AGAIN,
};
use crate::{
    checkpoint::coordinator::{Input as Event, REQUESTS_LIMIT},
    env::Instant,
};

/// Why a job without checkpoints cannot do what is asked of it.
const NO_CHECKPOINTS: &str = "the job makes no checkpoints: start it with `--checkpoint-dir`";

/// What a job comes to when all its tasks are dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Failed,
    Cancelled,
    /// All that it has to give is committed.
    Finished,
    /// It begins anew, with other numbers of subtasks.
    Rescaled,
}

/// Somebody who is answered when the job has ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    request: RequestId,
    /// What is wanted, and the checkpoint that was made for it.
    wanted: JobState,
    checkpoint: Option<u64>,
}

impl JobMaster {
    /// The job ends as soon as its tasks are dead and what is being written is written.
    pub(super) fn begin_to_end(&mut self, now: Instant, ending: Ending, reason: &str, out: &mut Vec<Command>) {
        self.ending = Some(ending);
        self.enter(match ending {
            Ending::Failed => JobState::Failing,
            Ending::Cancelled => JobState::Cancelling,
            Ending::Finished => JobState::Stopping,
            Ending::Rescaled => JobState::Restarting,
        });
        self.close_coordinator(now, reason, out);
        if matches!(self.comeback.take(), Some(Comeback::Slots { .. })) {
            out.push(Command::WithdrawSlots);
        }
        if ending != Ending::Rescaled {
            self.refuse_rescale(reason, out);
        }
        self.cancel_all(now, out);
    }

    /// All tasks are dead, and storage is settled.
    pub(super) fn end(&mut self, now: Instant, out: &mut Vec<Command>) {
        let (state, failure) = match self.ending {
            None => return,
            Some(Ending::Rescaled) => {
                if let Some((_, parallelism)) = &self.rescale {
                    self.working = Some(Working::Rebuilding);
                    return out.push(Command::Work(Work::Rebuild { parallelism: parallelism.clone() }));
                }
                return self.begin_anew(now);
            }
            Some(Ending::Failed) => (JobState::Failed, self.exceptions.root_cause().cloned()),
            Some(Ending::Cancelled) => (JobState::Cancelled, None),
            Some(Ending::Finished) => (JobState::Finished, None),
        };
        self.enter(state);
        release(std::mem::take(&mut self.slots), out);
        let past = Past { exceptions: self.exceptions.clone(), checkpoints: self.history().clone() };
        out.push(Command::Work(Work::Ended { state, failure, past: past.into() }));
        self.refuse_rescale("the job has ended", out);
        for Waiter { request, wanted, checkpoint } in std::mem::take(&mut self.at_end) {
            let result = match self.savepoints.take(request) {
                _ if state != wanted => Err(format!("the job is {state}")),
                Some(Ok(checkpoint)) => Ok(Some(checkpoint)),
                Some(Err(reason)) => Err(format!("the job has ended, but the savepoint was not written: {reason}")),
                None => Ok(checkpoint),
            };
            out.push(Command::Work(Work::Answer { request, result }));
        }
        self.refuse_savepoints(&format!("the job is {state}"), out);
    }

    /// All tasks of a job without checkpoints have ended well.
    pub(super) fn commit_output(&mut self, out: &mut Vec<Command>) {
        self.enter(JobState::Stopping);
        self.working = Some(Working::CommittingOutput);
        let outputs = std::mem::take(&mut self.outputs).into_values().collect();
        out.push(Command::Work(Work::CommitOutput { outputs }));
    }

    pub(super) fn output_committed(&mut self, now: Instant, result: Result<(), JobFailure>, out: &mut Vec<Command>) {
        if self.working == Some(Working::CommittingOutput) {
            self.working = None;
            match result {
                Ok(()) => self.ending = Some(Ending::Finished),
                Err(failure) => self.fail_for_good(now, failure, None, out),
            }
        }
    }

    /// The checkpoint to stop with is committed.
    pub(super) fn stopped(&mut self, now: Instant, out: &mut Vec<Command>) {
        let to_finish = self.at_end.iter().any(|waiter| waiter.wanted == JobState::Finished);
        let ending = if to_finish || self.rescale.is_none() { Ending::Finished } else { Ending::Rescaled };
        match ending {
            Ending::Finished => {
                self.ending = Some(ending);
                self.refuse_rescale("the job was stopped", out);
                self.cancel_all(now, out);
            }
            _ => self.begin_to_end(now, ending, "the job is rescaled", out),
        }
    }

    pub(super) fn rebuilt(&mut self, now: Instant, result: Result<Topology, String>, out: &mut Vec<Command>) {
        if self.working != Some(Working::Rebuilding) {
            return;
        }
        self.working = None;
        if self.ending != Some(Ending::Rescaled) {
            return;
        }
        match result {
            Ok(topology) => {
                let is_wanted = |slot: &SharedSlot| topology.slots().binary_search(slot).is_ok();
                let (kept, surplus) =
                    std::mem::take(&mut self.slots).into_iter().partition(|(slot, _)| is_wanted(slot));
                self.slots = kept;
                self.topology = topology.into();
                release(surplus, out);
            }
            Err(reason) => self.refuse_rescale(&reason, out),
        }
        self.begin_anew(now);
    }

    /// Nothing of the job runs, and it comes back from its newest checkpoint.
    fn begin_anew(&mut self, now: Instant) {
        self.ending = None;
        self.regions = down(&self.topology);
        self.executions = Executions::new(&self.topology);
        self.comeback = Some(Comeback::Delayed { due: now });
    }

    pub(super) fn checkpoint_requested(
        &mut self,
        now: Instant,
        random: u64,
        request: RequestId,
        out: &mut Vec<Command>,
    ) {
        match self.refusal() {
            Some(reason) => refuse(request, reason, out),
            None => self.give(now, random, Event::Request { id: request.0 }, out),
        }
    }

    /// The job is to end by itself, and somebody waits for that.
    pub(super) fn wait_for_stop(&mut self, request: RequestId) {
        self.at_end.push(Waiter { request, wanted: JobState::Finished, checkpoint: None });
    }

    pub(super) fn stop_requested(&mut self, now: Instant, random: u64, request: RequestId, out: &mut Vec<Command>) {
        if let Some(reason) = self.refusal() {
            return refuse(request, reason, out);
        }
        if self.at_end.len() >= REQUESTS_LIMIT {
            return refuse(request, too_many(), out);
        }
        self.wait_for_stop(request);
        self.give(now, random, Event::Stop { id: request.0 }, out);
    }

    pub(super) fn rescale_requested(
        &mut self,
        now: Instant,
        random: u64,
        request: RequestId,
        parallelism: Parallelism,
        out: &mut Vec<Command>,
    ) {
        if let Some(reason) = self.refusal() {
            return refuse(request, reason, out);
        }
        if self.rescale.is_some() {
            return refuse(request, "the job is being rescaled already: ask again when that is done".to_owned(), out);
        }
        self.rescale = Some((request, parallelism));
        self.give(now, random, Event::Stop { id: request.0 }, out);
    }

    pub(super) fn cancel_requested(&mut self, now: Instant, request: RequestId, out: &mut Vec<Command>) {
        if self.at_end.len() >= REQUESTS_LIMIT {
            return refuse(request, too_many(), out);
        }
        self.at_end.push(Waiter { request, wanted: JobState::Cancelled, checkpoint: None });
        let too_late = self.working == Some(Working::CommittingOutput);
        if matches!(self.ending, None | Some(Ending::Rescaled)) && !too_late {
            self.begin_to_end(now, Ending::Cancelled, "the job was cancelled", out);
        }
    }

    /// Why no checkpoint can be made now, if none can.
    pub(super) fn refusal(&self) -> Option<String> {
        match (&self.settings.checkpoints, &self.coordinator) {
            (None, _) => Some(NO_CHECKPOINTS.to_owned()),
            (_, Some(_)) => None,
            _ if self.state == JobState::Restarting => Some(AGAIN.to_owned()),
            _ => Some(format!("the job is {}: ask again when it runs", self.state)),
        }
    }

    /// The coordinator answers who has asked for a checkpoint. Who wants the job to end is told when it has.
    pub(super) fn answer_checkpoint(
        &mut self,
        request: RequestId,
        result: Result<u64, String>,
        out: &mut Vec<Command>,
    ) {
        if self.answer_savepoint(request, &result, out) {
            return;
        }
        let is_rescale = self.rescale.as_ref().is_some_and(|(rescale, _)| *rescale == request);
        let stops = self.at_end.iter().position(|waiter| waiter.request == request);
        match (stops, result) {
            (Some(waiter), Ok(checkpoint)) => self.at_end[waiter].checkpoint = Some(checkpoint),
            (None, Ok(_)) if is_rescale => {}
            (stops, result) => {
                if is_rescale {
                    self.rescale = None;
                }
                stops.map(|waiter| self.at_end.swap_remove(waiter));
                out.push(Command::Work(Work::Answer { request, result: result.map(Some) }));
            }
        }
    }

    fn refuse_rescale(&mut self, reason: &str, out: &mut Vec<Command>) {
        if let Some((request, _)) = self.rescale.take() {
            refuse(request, reason.to_owned(), out);
        }
    }

    /// The job runs with the numbers of subtasks that were asked for.
    pub(super) fn answer_rescale(&mut self, out: &mut Vec<Command>) {
        if let Some((request, _)) = self.rescale.take() {
            let checkpoint = self.history.last_completed().map(|stats| stats.checkpoint);
            out.push(Command::Work(Work::Answer { request, result: Ok(checkpoint) }));
        }
    }

    /// Nothing happens any more, but whoever asks for something is answered.
    pub(super) fn after_the_end(&self, input: Input, out: &mut Vec<Command>) {
        match input {
            Input::Checkpoint { request }
            | Input::Savepoint { request, .. }
            | Input::Stop { request }
            | Input::Cancel { request }
            | Input::Rescale { request, .. } => refuse(request, format!("the job is {}", self.state), out),
            // What nobody uses any more.
            Input::Granted(grants) => {
                out.push(Command::ReleaseSlots(grants.into_iter().map(|grant| grant.id).collect()));
            }
            _ => {}
        }
    }
}

/// Gives back what is there of these slots.
fn release(slots: BTreeMap<SharedSlot, Held>, out: &mut Vec<Command>) {
    let there: Vec<_> = slots.into_values().filter(|held| !held.lost).map(|held| held.id).collect();
    if !there.is_empty() {
        out.push(Command::ReleaseSlots(there));
    }
}

pub(super) fn refuse(request: RequestId, reason: String, out: &mut Vec<Command>) {
    out.push(Command::Work(Work::Answer { request, result: Err(reason) }));
}

pub(super) fn too_many() -> String {
    format!("{REQUESTS_LIMIT} others wait for the end of the job already: ask again later")
}
