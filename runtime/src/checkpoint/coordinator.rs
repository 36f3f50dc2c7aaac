//! [`Coordinator`]: decides when checkpoints are made and what becomes of them. Events in, commands out; it has no clock and does nothing itself.
//!
//! ```text
//! idle --Trigger--> running --all acknowledged: Store--> storing --Stored: Complete--> committing --Committed--> idle, or the end
//!   ^                  |                                     |
//!   +-- Abort: declined, timed out -- Abort: not stored -----+
//! ```
//!
//! - One checkpoint is under way at a time. A checkpoint that is asked for, and the last one of a job, wait until the present one has ended.
//! - The interval counts from the start of the last checkpoint, the pause from its end. Checkpoints that are asked for do not wait for either.
//! - The timeout counts until every subtask has acknowledged. After that only the store can say whether the checkpoint is durable, and to call it off would
//!   leave that open.
//! - When all sources are drained, a final checkpoint is made, and a stop asked for meanwhile is content with that. A final checkpoint or one to stop that
//!   fails is made again soon, as long as failures are tolerated.
//! - A savepoint is a checkpoint that is asked for as one: whoever wants just any checkpoint is content with it, but not the other way round.
//! - Failures count in a row, whatever the checkpoint was for; one that is stored begins a new row.

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, time::Duration};

use millstream_state::manifest::CheckpointKind;

use super::stats::{CheckpointHistory, CheckpointProgress, CheckpointStats, SubtaskReport};
use crate::{
    env::Instant,
    settings::{CheckpointSettings, show_duration},
};

/// So many may wait for a checkpoint that they have asked for.
pub(crate) const REQUESTS_LIMIT: usize = 64;
/// A final checkpoint or one to stop that has failed is not made again later than this: somebody waits for the end.
const RETRY_PAUSE_LIMIT: Duration = Duration::from_secs(10);

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// The time of the last [`Command::WakeAt`] has come. At another time it does no harm. The first input, so that there is a first timer.
    Timer,
    /// A subtask has passed the barrier on, and its state is written.
    Ack { checkpoint: u64, task: usize, report: SubtaskReport },
    /// A subtask cannot do its part.
    Declined { checkpoint: u64, task: usize, reason: String },
    /// A subtask of a source has come to the end of its input. It lives on to pass barriers.
    Drained { task: usize },
    /// The manifest is durable.
    Stored { checkpoint: u64 },
    /// The manifest is not durable; `deposed` if another process has taken the job over.
    StoreFailed { checkpoint: u64, reason: String, deposed: bool },
    /// All sinks have committed.
    Committed { checkpoint: u64 },
    /// Somebody wants a checkpoint, and waits for the answer.
    Request { id: u64 },
    /// Somebody wants a checkpoint to keep in a place of its own, and waits for the answer.
    Savepoint { id: u64 },
    /// Somebody wants the job to stop with a checkpoint, and waits for the answer.
    Stop { id: u64 },
    /// Other settings hold from now on.
    Changed(CheckpointSettings),
    /// The attempt ends for a reason from elsewhere: who waits is told.
    Closed { reason: String },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Send barriers from the sources.
    Trigger { checkpoint: u64, kind: CheckpointKind },
    /// Write the manifest.
    Store { checkpoint: u64, kind: CheckpointKind },
    /// Tell all tasks, and let sinks commit.
    Complete { checkpoint: u64 },
    /// Tell all tasks, and drop what there is of it.
    Abort { checkpoint: u64, reason: String },
    /// The attempt fails. Nothing follows.
    Fail { reason: String },
    /// The final checkpoint is committed, and sources may end. Nothing follows.
    Finish,
    /// The checkpoint to stop with is committed. Nothing follows.
    Stopped,
    /// Answer a request: with the number of a committed checkpoint, or why there is none.
    Answer { id: u64, result: Result<u64, String> },
    /// Give [`Input::Timer`] at this time; replaces the time said before.
    WakeAt(Instant),
}

/// Decides when checkpoints are made.
#[derive(Debug)]
pub(crate) struct Coordinator {
    settings: CheckpointSettings,
    tasks: usize,
    /// Subtasks of sources that are not at the end of their input.
    reading: BTreeSet<usize>,
    next: u64,
    phase: Phase,
    /// How many subtasks have not acknowledged the present checkpoint.
    missing: usize,
    /// When the last checkpoint was started, or at first the coordinator itself.
    last_start: Instant,
    last_end: Option<Instant>,
    /// A checkpoint that ends the job failed: the next is not made before.
    retry_at: Option<Instant>,
    /// Checkpoints that have failed in a row.
    failures: u32,
    /// Who waits for the next checkpoint, for the next savepoint, for the present one, and for the end.
    requests: Vec<u64>,
    savepoints: Vec<u64>,
    served: Vec<u64>,
    stops: Vec<u64>,
    armed: Option<Instant>,
    history: CheckpointHistory,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Running(Present),
    Storing(Present),
    Committing(Present),
    Ended,
}

/// The checkpoint that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Present {
    checkpoint: u64,
    kind: CheckpointKind,
    started: Instant,
}

impl Coordinator {
    /// For a job of so many subtasks, numbered from 0, of which those in `sources` read sources. The first checkpoint has the number `next_checkpoint`, and
    /// is due an interval from now. `history` is that of earlier attempts.
    pub(crate) fn new(
        settings: CheckpointSettings,
        tasks: usize,
        sources: impl IntoIterator<Item = usize>,
        next_checkpoint: u64,
        history: CheckpointHistory,
        now: Instant,
    ) -> Self {
        Self {
            settings,
            tasks,
            reading: sources.into_iter().collect(),
            next: next_checkpoint,
            phase: Phase::Idle,
            missing: 0,
            last_start: now,
            last_end: None,
            retry_at: None,
            failures: 0,
            requests: Vec::new(),
            savepoints: Vec::new(),
            served: Vec::new(),
            stops: Vec::new(),
            armed: None,
            history,
        }
    }

    /// The checkpoints so far, and the present one.
    pub(crate) fn history(&self) -> &CheckpointHistory {
        &self.history
    }

    /// Takes an event, and says what is to be done, in this order. What comes too late, twice or from nowhere is ignored.
    pub(crate) fn handle(&mut self, now: Instant, input: Input) -> Vec<Command> {
        let mut commands = Vec::new();
        match (input, self.phase) {
            (Input::Request { id } | Input::Savepoint { id } | Input::Stop { id }, Phase::Ended) => {
                commands.push(Command::Answer { id, result: Err("the job is ending".to_owned()) });
            }
            (_, Phase::Ended) => return commands,
            (Input::Timer, _) => self.armed = None,
            (Input::Ack { checkpoint, task, report }, Phase::Running(present)) if checkpoint == present.checkpoint => {
                self.acknowledge(present, task, report, &mut commands);
            }
            (Input::Declined { checkpoint, reason, .. }, Phase::Running(present))
                if checkpoint == present.checkpoint =>
            {
                self.fail(now, present, reason, &mut commands);
            }
            (Input::Stored { checkpoint }, Phase::Storing(present)) if checkpoint == present.checkpoint => {
                self.failures = 0;
                self.enter(Phase::Committing(present), CheckpointProgress::Committing);
                commands.push(Command::Complete { checkpoint });
            }
            (Input::StoreFailed { checkpoint, reason, deposed }, Phase::Storing(present))
                if checkpoint == present.checkpoint =>
            {
                if deposed {
                    self.abort(now, present, &reason, &mut commands);
                    self.give_up(reason, &mut commands);
                } else {
                    self.fail(now, present, reason, &mut commands);
                }
            }
            (Input::Committed { checkpoint }, Phase::Committing(present)) if checkpoint == present.checkpoint => {
                self.succeed(now, present, &mut commands);
            }
            (Input::Drained { task }, _) => {
                self.reading.remove(&task);
            }
            (Input::Request { id }, _) => queue(&mut self.requests, id, &mut commands),
            (Input::Savepoint { id }, _) => queue(&mut self.savepoints, id, &mut commands),
            (Input::Stop { id }, _) => queue(&mut self.stops, id, &mut commands),
            (Input::Changed(settings), _) => self.settings = settings,
            (Input::Closed { reason }, phase) => {
                // What is stored is there to go on from, whether or not sinks have committed.
                let failed = Some(reason.as_str()).filter(|_| !matches!(phase, Phase::Committing(_)));
                self.history.end(now, failed);
                self.refuse_all(&reason, &mut commands);
            }
            // Of a checkpoint that has failed meanwhile.
            (
                Input::Ack { .. }
                | Input::Declined { .. }
                | Input::Stored { .. }
                | Input::StoreFailed { .. }
                | Input::Committed { .. },
                _,
            ) => {}
        }
        self.proceed(now, &mut commands);
        commands
    }

    /// Gives up on a checkpoint that is overdue, starts one that is due, and says when there is something to do next.
    fn proceed(&mut self, now: Instant, commands: &mut Vec<Command>) {
        if let Phase::Running(present) = self.phase
            && now >= present.started + self.settings.timeout
        {
            let reason = self.overdue();
            self.fail(now, present, reason, commands);
        }
        if self.phase == Phase::Idle {
            let (kind, due) = self.due(now);
            if now >= due {
                self.trigger(now, kind, commands);
            }
        }
        let wake = match self.phase {
            Phase::Idle => Some(self.due(now).1),
            Phase::Running(present) => Some(present.started + self.settings.timeout),
            Phase::Storing(_) | Phase::Committing(_) | Phase::Ended => None,
        };
        if wake.is_some() && wake != self.armed {
            self.armed = wake;
            commands.extend(wake.map(Command::WakeAt));
        }
    }

    /// The next checkpoint, and when it is due.
    fn due(&self, now: Instant) -> (CheckpointKind, Instant) {
        let soon = self.retry_at.unwrap_or(now);
        if self.reading.is_empty() {
            (CheckpointKind::Final, soon)
        } else if !self.stops.is_empty() {
            (CheckpointKind::Stop, soon)
        } else if !self.savepoints.is_empty() {
            (CheckpointKind::Savepoint, now)
        } else if !self.requests.is_empty() {
            (CheckpointKind::Periodic, now)
        } else {
            let after_pause = self.last_end.map_or(now, |end| end + self.settings.min_pause);
            (CheckpointKind::Periodic, after_pause.max(self.last_start + self.settings.interval))
        }
    }

    fn trigger(&mut self, now: Instant, kind: CheckpointKind, commands: &mut Vec<Command>) {
        let checkpoint = self.next;
        self.next += 1;
        self.last_start = now;
        self.missing = self.tasks;
        self.served.append(&mut self.requests);
        if kind != CheckpointKind::Periodic {
            self.served.append(&mut self.savepoints);
        }
        self.phase = Phase::Running(Present { checkpoint, kind, started: now });
        self.history.present = Some(CheckpointStats::new(checkpoint, kind, now, self.tasks));
        commands.push(Command::Trigger { checkpoint, kind });
    }

    fn acknowledge(&mut self, present: Present, task: usize, report: SubtaskReport, commands: &mut Vec<Command>) {
        let stats = self.history.present.as_mut();
        let Some(slot @ None) = stats.and_then(|stats| stats.subtasks.get_mut(task)) else { return };
        *slot = Some(report);
        self.missing -= 1;
        if self.missing == 0 {
            self.enter(Phase::Storing(present), CheckpointProgress::Storing);
            commands.push(Command::Store { checkpoint: present.checkpoint, kind: present.kind });
        }
    }

    fn enter(&mut self, phase: Phase, progress: CheckpointProgress) {
        self.phase = phase;
        if let Some(stats) = &mut self.history.present {
            stats.progress = progress;
        }
    }

    /// Why a checkpoint has timed out.
    fn overdue(&self) -> String {
        let (missing, tasks, timeout) = (self.missing, self.tasks, show_duration(self.settings.timeout));
        format!(
            "{missing} of {tasks} subtasks have not acknowledged it within {timeout} (setting `checkpoint.timeout`)"
        )
    }

    fn abort(&mut self, now: Instant, present: Present, reason: &str, commands: &mut Vec<Command>) {
        self.phase = Phase::Idle;
        self.last_end = Some(now);
        self.history.end(now, Some(reason));
        commands.push(Command::Abort { checkpoint: present.checkpoint, reason: reason.to_owned() });
        for id in self.served.drain(..) {
            let result = Err(format!("checkpoint {} failed: {reason}", present.checkpoint));
            commands.push(Command::Answer { id, result });
        }
    }

    /// The present checkpoint has failed; so does the attempt, if there were too many.
    fn fail(&mut self, now: Instant, present: Present, reason: String, commands: &mut Vec<Command>) {
        self.abort(now, present, &reason, commands);
        self.failures = self.failures.saturating_add(1);
        if matches!(present.kind, CheckpointKind::Stop | CheckpointKind::Final) {
            self.retry_at = Some(present.started + self.settings.interval.min(RETRY_PAUSE_LIMIT));
        }
        let (failures, tolerated) = (self.failures, self.settings.tolerated_failures);
        if failures > tolerated {
            let checkpoint = present.checkpoint;
            let row = match failures {
                1 => format!("checkpoint {checkpoint} failed"),
                _ => format!("{failures} checkpoints in a row failed, the last ({checkpoint})"),
            };
            let reason = format!(
                "{row}: {reason} (so many may fail in a row: {tolerated}, setting `checkpoint.tolerated-failures`)"
            );
            self.give_up(reason, commands);
        }
    }

    fn give_up(&mut self, reason: String, commands: &mut Vec<Command>) {
        self.refuse_all(&reason, commands);
        commands.push(Command::Fail { reason });
    }

    /// There will be no checkpoint any more.
    fn refuse_all(&mut self, reason: &str, commands: &mut Vec<Command>) {
        self.phase = Phase::Ended;
        for id in self.waiting() {
            commands.push(Command::Answer { id, result: Err(reason.to_owned()) });
        }
    }

    /// The present checkpoint is committed.
    fn succeed(&mut self, now: Instant, present: Present, commands: &mut Vec<Command>) {
        let checkpoint = present.checkpoint;
        self.phase = Phase::Idle;
        self.last_end = Some(now);
        self.retry_at = None;
        self.history.end(now, None);
        let end = match present.kind {
            CheckpointKind::Periodic | CheckpointKind::Savepoint => None,
            CheckpointKind::Stop => Some(Command::Stopped),
            CheckpointKind::Final => Some(Command::Finish),
        };
        // Nothing comes after the last: it is what everybody gets.
        let served = if end.is_some() { self.waiting() } else { std::mem::take(&mut self.served) };
        commands.extend(served.into_iter().map(|id| Command::Answer { id, result: Ok(checkpoint) }));
        if let Some(end) = end {
            self.phase = Phase::Ended;
            commands.push(end);
        }
    }

    /// Everybody who waits, no longer.
    fn waiting(&mut self) -> Vec<u64> {
        [&mut self.served, &mut self.requests, &mut self.savepoints, &mut self.stops]
            .into_iter()
            .flat_map(std::mem::take)
            .collect()
    }
}

/// Lets somebody wait, unless too many do.
fn queue(ids: &mut Vec<u64>, id: u64, commands: &mut Vec<Command>) {
    if ids.len() < REQUESTS_LIMIT {
        ids.push(id);
    } else {
        let result = Err(format!("{REQUESTS_LIMIT} others wait for the same already: ask again later"));
        commands.push(Command::Answer { id, result });
    }
}
