//! [`Tasks`]: the subtasks that a TaskManager has, and which slots they are in.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::super::{
    ids::{AttemptId, JobId, SlotIndex, SubtaskId},
    message::{Deploy, Report, TaskRef},
    timers::Timers,
};
use crate::env::Instant;

/// Of so many tasks that are over it is remembered that they are, so that an old message does not start them again.
pub(crate) const TOMBSTONES_LIMIT: usize = 1 << 16;

type Key = (JobId, SubtaskId);

#[derive(Debug)]
struct Task {
    attempt: AttemptId,
    state: State,
    /// The newest checkpoint whose barrier it was told to send.
    triggered: u64,
}

#[derive(Debug)]
enum State {
    Alive { slot: SlotIndex, cancelling: bool },
    Over(Report),
}

/// What has become of an order to cancel a task.
#[derive(Debug, PartialEq)]
pub(super) enum Cancelled {
    /// It has to be carried out.
    Now,
    /// It is being carried out, or is of no concern any more.
    Ignored,
    /// The task is over: this is to be reported, perhaps again.
    Over(Report),
}

#[derive(Debug)]
pub(super) struct Tasks {
    tasks: BTreeMap<Key, Task>,
    /// Which job has each slot, and for how many tasks.
    slots: Vec<Option<(JobId, u32)>>,
    alive: usize,
    /// Tasks that are over, the oldest first.
    over: VecDeque<(Key, AttemptId)>,
    /// By when a cancelled task has to have ended.
    cancelling: Timers<Key>,
    cancel_timeout: Duration,
}

impl Tasks {
    pub(super) fn new(slots: u32, cancel_timeout: Duration) -> Self {
        Self {
            tasks: BTreeMap::new(),
            slots: vec![None; slots as usize],
            alive: 0,
            over: VecDeque::new(),
            cancelling: Timers::new(),
            cancel_timeout,
        }
    }

    /// How many have not ended.
    pub(super) fn alive(&self) -> usize {
        self.alive
    }

    /// Takes tasks, all or none. True if they have to be started, false if they are known.
    pub(super) fn take(&mut self, deploy: &Arc<Deploy>) -> Result<bool, String> {
        let (job, attempt) = (deploy.job, deploy.attempt);
        let known = |subtask| self.tasks.get(&(job, subtask)).filter(|task| task.attempt >= attempt);
        if deploy.tasks.iter().any(|(subtask, _)| known(*subtask).is_some()) {
            // The same message again, or one that an order to cancel has overtaken. Never a part of it alone: all tasks of an attempt come together.
            for (subtask, _) in &deploy.tasks {
                self.bury(job, TaskRef { subtask: *subtask, attempt });
            }
            return Ok(false);
        }
        for (subtask, slot) in &deploy.tasks {
            if let Some(Task { attempt: before, state: State::Alive { .. }, .. }) = self.tasks.get(&(job, *subtask)) {
                return Err(format!("attempt {before} of {subtask} has not ended"));
            }
            match self.slots.get(slot.0 as usize) {
                None => return Err(format!("there are {} slots here, and no slot {}", self.slots.len(), slot.0)),
                Some(Some((other, _))) if *other != job => {
                    return Err(format!("slot {} is in use by job {other}", slot.0));
                }
                Some(_) => {}
            }
        }
        for (subtask, slot) in &deploy.tasks {
            let state = State::Alive { slot: *slot, cancelling: false };
            self.tasks.insert((job, *subtask), Task { attempt, state, triggered: 0 });
            self.slots[slot.0 as usize].get_or_insert((job, 0)).1 += 1;
        }
        self.alive += deploy.tasks.len();
        Ok(true)
    }

    /// Where a task was never heard of, remembers that it is not to be started.
    fn bury(&mut self, job: JobId, task: TaskRef) {
        let key = (job, task.subtask);
        let is_newer = self
            .tasks
            .get(&key)
            .is_none_or(|known| known.attempt < task.attempt && matches!(known.state, State::Over(_)));
        if is_newer {
            let state = State::Over(Report::Cancelled);
            self.tasks.insert(key, Task { attempt: task.attempt, state, triggered: 0 });
            self.remember(key, task.attempt);
        }
    }

    /// True if the task is there and has not ended.
    pub(super) fn is_alive(&self, job: JobId, task: TaskRef) -> bool {
        let found = self.tasks.get(&(job, task.subtask));
        found.is_some_and(|found| found.attempt == task.attempt && matches!(found.state, State::Alive { .. }))
    }

    /// True if the task is there and goes on.
    pub(super) fn is_active(&self, job: JobId, task: TaskRef) -> bool {
        let found = self.tasks.get(&(job, task.subtask)).filter(|found| found.attempt == task.attempt);
        found.is_some_and(|found| matches!(found.state, State::Alive { cancelling: false, .. }))
    }

    /// True the first time that a task is to send the barrier of a checkpoint.
    pub(super) fn trigger(&mut self, job: JobId, task: TaskRef, checkpoint: u64) -> bool {
        let is_active = self.is_active(job, task);
        let found = self.tasks.get_mut(&(job, task.subtask)).filter(|found| is_active && found.triggered < checkpoint);
        found.map(|found| found.triggered = checkpoint).is_some()
    }

    pub(super) fn cancel(&mut self, now: Instant, job: JobId, task: TaskRef) -> Cancelled {
        self.bury(job, task);
        let key = (job, task.subtask);
        match self.tasks.get_mut(&key) {
            Some(found) if found.attempt == task.attempt => match &mut found.state {
                State::Over(report) => Cancelled::Over(report.clone()),
                State::Alive { cancelling: true, .. } => Cancelled::Ignored,
                State::Alive { cancelling, .. } => {
                    *cancelling = true;
                    self.cancelling.set(key, Some(now + self.cancel_timeout));
                    Cancelled::Now
                }
            },
            _ => Cancelled::Ignored,
        }
    }

    /// Cancels all that have not ended, and forgets the others. Gives those that have to be told.
    pub(super) fn cancel_all(&mut self, now: Instant) -> BTreeMap<JobId, Vec<TaskRef>> {
        self.over.clear();
        self.tasks.retain(|_, task| matches!(task.state, State::Alive { .. }));
        let mut told = BTreeMap::<_, Vec<_>>::new();
        for (key, task) in &mut self.tasks {
            if let State::Alive { cancelling: cancelling @ false, .. } = &mut task.state {
                *cancelling = true;
                self.cancelling.set(*key, Some(now + self.cancel_timeout));
                told.entry(key.0).or_default().push(TaskRef { subtask: key.1, attempt: task.attempt });
            }
        }
        told
    }

    /// A task has ended. `remembered` if there is a leader who may ask for it again.
    pub(super) fn end(&mut self, job: JobId, task: TaskRef, report: Report, remembered: bool) {
        let key = (job, task.subtask);
        let Some(found) = self.tasks.get_mut(&key) else { return };
        let State::Alive { slot, .. } = found.state else { return };
        found.state = State::Over(report);
        self.alive -= 1;
        self.cancelling.set(key, None);
        if let Some(Some((_, count))) = self.slots.get_mut(slot.0 as usize) {
            *count -= 1;
            if *count == 0 {
                self.slots[slot.0 as usize] = None;
            }
        }
        if remembered {
            self.remember(key, task.attempt);
        } else {
            self.tasks.remove(&key);
        }
    }

    fn remember(&mut self, key: Key, attempt: AttemptId) {
        self.over.push_back((key, attempt));
        if self.over.len() > TOMBSTONES_LIMIT
            && let Some((key, attempt)) = self.over.pop_front()
            && self.tasks.get(&key).is_some_and(|task| task.attempt == attempt && matches!(task.state, State::Over(_)))
        {
            self.tasks.remove(&key);
        }
    }

    /// By when the next cancelled task has to have ended.
    pub(super) fn cancel_deadline(&self) -> Option<Instant> {
        self.cancelling.earliest()
    }

    /// A cancelled task that has not ended in time.
    pub(super) fn pop_stuck(&mut self, now: Instant) -> Option<(JobId, SubtaskId)> {
        self.cancelling.pop(now)
    }

    /// What has not ended, and where it is.
    #[cfg(test)]
    pub(super) fn all_alive(&self) -> impl Iterator<Item = (JobId, TaskRef, SlotIndex)> + '_ {
        self.tasks.iter().filter_map(|((job, subtask), task)| match task.state {
            State::Alive { slot, .. } => Some((*job, TaskRef { subtask: *subtask, attempt: task.attempt }, slot)),
            State::Over(_) => None,
        })
    }
}
