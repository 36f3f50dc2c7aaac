//! Requests of subtasks for splits, and the answers of the pools that are hosted here.

use bytes::Bytes;

use super::Lead;
use crate::control::{
    AttemptId, JobId, Vertex,
    job::{failure::JobFailure, machine},
    jobmanager::Input,
    message::TaskRef,
};

/// A request for a split that has to be answered.
pub(super) type Ask = (JobId, Asked);

pub(super) enum Asked {
    /// It has just come.
    New(TaskRef, u64, Bytes),
    /// It was kept, and may have an answer by now.
    Kept { vertex: Vertex, of: AttemptId, subtask: usize },
}

impl Lead {
    /// Answers requests for splits. Nothing comes between taking a split from its pool and sending it: a checkpoint has it either in the pool, or with its
    /// subtask.
    pub(super) fn answer_asks(&mut self) {
        while let Some((job, ask)) = self.asks.pop_front() {
            let Some(running) = self.running.get(&job) else { continue };
            let (vertex, answer, task) = match ask {
                Asked::New(task, request, payload) => {
                    (task.subtask.vertex, running.ask(task, request, &payload), Some(task))
                }
                Asked::Kept { vertex, of, subtask } => {
                    let task = self.machine.jobs().get(&job).and_then(|master| master.task_of(vertex, subtask));
                    (vertex, running.answer(vertex, of, subtask), task)
                }
            };
            let input = match (answer, task) {
                (Some(Ok((request, payload))), Some(task)) => machine::Input::SplitAssigned { task, request, payload },
                (Some(Err(failure)), _) => machine::Input::SourceFailed { vertex, failure },
                _ => continue,
            };
            self.step(Input::Job { job, input });
        }
    }

    pub(super) fn source_failed(&mut self, job: JobId, vertex: Vertex, of: AttemptId, failure: JobFailure) {
        if self.running.get(&job).is_some_and(|running| running.is_of(vertex, of)) {
            self.step(Input::Job { job, input: machine::Input::SourceFailed { vertex, failure } });
        }
    }
}
