//! [`Savepoints`]: who wants a checkpoint copied to a place of its own, and how far that is. The copy is made beside the job, which goes on meanwhile.

use std::sync::Arc;

use millstream_state::{location::Location, manifest::CheckpointKind};

use super::{
    super::{
        ids::{RequestId, TaskIndex},
        message::Order,
    },
    ending::{refuse, too_many},
    machine::{Command, JobMaster, Then, Work},
};
use crate::{
    checkpoint::coordinator::{Input as Event, REQUESTS_LIMIT},
    env::Instant,
};

/// The savepoints that are wanted.
#[derive(Debug, Default)]
pub(super) struct Savepoints(Vec<Wanted>);

#[derive(Debug)]
struct Wanted {
    request: RequestId,
    to: Arc<Location>,
    /// If the job does not go on, who asked is answered at the end.
    then: Then,
    stage: Stage,
}

/// How far a savepoint is. The number is that of its checkpoint.
#[derive(Debug)]
enum Stage {
    Waiting,
    Triggered(u64),
    Copying(u64),
    Written(u64),
    Failed(String),
}

impl Savepoints {
    /// A checkpoint begins: it is that of all that have been asked for by now, if it may be one of savepoints.
    pub(super) fn triggered(&mut self, checkpoint: u64, kind: CheckpointKind) {
        if kind == CheckpointKind::Periodic {
            return;
        }
        for wanted in &mut self.0 {
            if matches!(wanted.stage, Stage::Waiting | Stage::Triggered(_)) {
                wanted.stage = Stage::Triggered(checkpoint);
            }
        }
    }

    /// A checkpoint is in the log: gives where it is to be copied to.
    pub(super) fn stored(&mut self, checkpoint: u64) -> Vec<(RequestId, Arc<Location>)> {
        let of_it = self.0.iter_mut().filter(|wanted| matches!(wanted.stage, Stage::Triggered(of) if of == checkpoint));
        of_it
            .map(|wanted| {
                wanted.stage = Stage::Copying(checkpoint);
                (wanted.request, Arc::clone(&wanted.to))
            })
            .collect()
    }

    /// True while a copy is being made.
    pub(super) fn are_copied(&self) -> bool {
        self.0.iter().any(|wanted| matches!(wanted.stage, Stage::Copying(_)))
    }

    /// The savepoint of somebody who wanted the job to end with it: its checkpoint, or why it was not written. It is forgotten.
    pub(super) fn take(&mut self, request: RequestId) -> Option<Result<u64, String>> {
        match self.remove(request)?.stage {
            Stage::Written(checkpoint) => Some(Ok(checkpoint)),
            Stage::Failed(reason) => Some(Err(reason)),
            Stage::Waiting | Stage::Triggered(_) | Stage::Copying(_) => None,
        }
    }

    fn remove(&mut self, request: RequestId) -> Option<Wanted> {
        let at = self.0.iter().position(|wanted| wanted.request == request)?;
        Some(self.0.remove(at))
    }
}

impl JobMaster {
    pub(super) fn savepoint_requested(
        &mut self,
        now: Instant,
        random: u64,
        (request, to, then): (RequestId, Arc<Location>, Then),
        out: &mut Vec<Command>,
    ) {
        if let Some(reason) = self.refusal() {
            return refuse(request, reason, out);
        }
        if self.savepoints.0.len() >= REQUESTS_LIMIT || (then != Then::GoOn && self.at_end.len() >= REQUESTS_LIMIT) {
            return refuse(request, too_many(), out);
        }
        self.savepoints.0.push(Wanted { request, to, then, stage: Stage::Waiting });
        match then {
            Then::GoOn => self.give(now, random, Event::Savepoint { id: request.0 }, out),
            Then::Stop => {
                self.wait_for_stop(request);
                self.give(now, random, Event::Stop { id: request.0 }, out);
            }
            Then::Drain => {
                // The final checkpoint comes by itself when all sources have come to an end.
                self.wait_for_stop(request);
                self.draining = true;
                self.order_drain(out);
            }
        }
    }

    /// Lets sources that are to come to an end do so.
    pub(super) fn order_drain(&mut self, out: &mut Vec<Command>) {
        if self.draining {
            let reading = |task: &TaskIndex| !self.executions.get(*task).drained;
            let reading: Vec<_> = self.source_tasks().into_iter().filter(reading).collect();
            self.order(Order::Drain, reading, out);
        }
    }

    pub(super) fn savepoint_written(&mut self, request: RequestId, result: Result<(), String>, out: &mut Vec<Command>) {
        let is_it = |wanted: &&mut Wanted| wanted.request == request;
        let Some(wanted) = self.savepoints.0.iter_mut().find(is_it) else { return };
        let Stage::Copying(checkpoint) = wanted.stage else { return };
        if wanted.then != Then::GoOn {
            wanted.stage = result.map_or_else(Stage::Failed, |()| Stage::Written(checkpoint));
            return;
        }
        self.savepoints.remove(request);
        out.push(Command::Work(Work::Answer { request, result: result.map(|()| Some(checkpoint)) }));
    }

    /// The coordinator answers somebody. True if that was all: it is a savepoint that the job goes on after.
    pub(super) fn answer_savepoint(
        &mut self,
        request: RequestId,
        result: &Result<u64, String>,
        out: &mut Vec<Command>,
    ) -> bool {
        let is_it = |wanted: &&mut Wanted| wanted.request == request;
        let Some(wanted) = self.savepoints.0.iter_mut().find(is_it) else { return false };
        let is_stored = matches!(wanted.stage, Stage::Copying(_) | Stage::Written(_) | Stage::Failed(_));
        match (wanted.then != Then::GoOn, result) {
            // Told by whoever copies it.
            (false, _) if is_stored => true,
            (false, result) => {
                self.savepoints.remove(request);
                let too_late = |checkpoint| format!("the job has ended with checkpoint {checkpoint} meanwhile");
                refuse(request, result.clone().map_or_else(|reason| reason, too_late), out);
                true
            }
            (true, Ok(_)) => {
                if !is_stored {
                    wanted.stage = Stage::Failed("the checkpoint was complete when it was asked for".to_owned());
                }
                false
            }
            (true, Err(_)) => {
                self.savepoints.remove(request);
                false
            }
        }
    }

    /// The job is over: nobody waits any longer.
    pub(super) fn refuse_savepoints(&mut self, reason: &str, out: &mut Vec<Command>) {
        for wanted in std::mem::take(&mut self.savepoints.0) {
            refuse(wanted.request, reason.to_owned(), out);
        }
    }
}
