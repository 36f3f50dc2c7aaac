//! What is told of checkpoints: the last ones, each with what its subtasks took, and how many there were.

use std::{collections::VecDeque, time::Duration};

use millstream_state::manifest::CheckpointKind;
use serde::{Deserialize, Serialize};

use crate::env::Instant;

/// Of so many checkpoints more is remembered than that they were.
pub const HISTORY_LIMIT: usize = 16;

/// What a subtask reports of its part of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SubtaskReport {
    /// What it wrote for it, in bytes; what is taken over from an earlier checkpoint is not counted.
    pub bytes: u64,
    /// How much of that its barrier has overtaken on its way between tasks.
    pub channel_bytes: u64,
    /// Its barrier has overtaken what was in front of it.
    pub unaligned: bool,
    /// From the first barrier to the last, or until it overtook.
    pub alignment: Duration,
    /// For so long it stood still to freeze its state.
    pub sync: Duration,
    /// For so long its state was written while it went on.
    pub background: Duration,
}

/// How far a checkpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointProgress {
    /// Barriers flow, and subtasks write their state.
    Running,
    /// Every subtask has acknowledged it; its manifest is written.
    Storing,
    /// It is stored; sinks commit.
    Committing,
    /// Sinks have committed.
    Completed,
    /// It came to nothing, for this reason.
    Failed(String),
}

/// A checkpoint, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckpointStats {
    /// Its number.
    pub checkpoint: u64,
    /// What it is made for.
    pub kind: CheckpointKind,
    /// How far it is.
    pub progress: CheckpointProgress,
    /// When its barriers were sent.
    pub started: Instant,
    /// When it was completed or had failed.
    pub ended: Option<Instant>,
    /// What subtasks reported, by number; `None` for those that have not acknowledged it.
    pub subtasks: Vec<Option<SubtaskReport>>,
}

impl CheckpointStats {
    pub(crate) fn new(checkpoint: u64, kind: CheckpointKind, started: Instant, subtasks: usize) -> Self {
        let (progress, subtasks) = (CheckpointProgress::Running, vec![None; subtasks]);
        Self { checkpoint, kind, progress, started, ended: None, subtasks }
    }

    /// How long it took, or has taken up to now.
    pub fn duration(&self, now: Instant) -> Duration {
        self.ended.unwrap_or(now).since(self.started)
    }

    /// How many subtasks have acknowledged it.
    pub fn acknowledged(&self) -> usize {
        self.reports().count()
    }

    /// What was written for it, in bytes.
    pub fn bytes(&self) -> u64 {
        self.reports().map(|report| report.bytes).sum()
    }

    /// The longest that a subtask took, phase by phase, what all of them wrote, and whether any barrier overtook.
    pub fn longest(&self) -> SubtaskReport {
        self.reports().fold(SubtaskReport::default(), |longest, report| SubtaskReport {
            bytes: longest.bytes + report.bytes,
            channel_bytes: longest.channel_bytes + report.channel_bytes,
            unaligned: longest.unaligned || report.unaligned,
            alignment: longest.alignment.max(report.alignment),
            sync: longest.sync.max(report.sync),
            background: longest.background.max(report.background),
        })
    }

    fn reports(&self) -> impl Iterator<Item = &SubtaskReport> {
        self.subtasks.iter().flatten()
    }
}

/// The checkpoints of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckpointHistory {
    /// How many were completed.
    pub completed: u64,
    /// How many failed.
    pub failed: u64,
    /// The last [`HISTORY_LIMIT`] that have ended, the oldest first.
    pub last: VecDeque<CheckpointStats>,
    /// The one that is being made.
    pub present: Option<CheckpointStats>,
}

impl CheckpointHistory {
    /// The last one that was completed, if it is among those that are remembered.
    pub fn last_completed(&self) -> Option<&CheckpointStats> {
        self.last.iter().rev().find(|stats| stats.progress == CheckpointProgress::Completed)
    }

    /// The present one has ended: well, or for a reason.
    pub(crate) fn end(&mut self, now: Instant, failed: Option<&str>) {
        let Some(mut stats) = self.present.take() else { return };
        stats.ended = Some(now);
        stats.progress = match failed {
            Some(reason) => CheckpointProgress::Failed(reason.to_owned()),
            None => CheckpointProgress::Completed,
        };
        *(if failed.is_some() { &mut self.failed } else { &mut self.completed }) += 1;
        if self.last.len() == HISTORY_LIMIT {
            self.last.pop_front();
        }
        self.last.push_back(stats);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: u64 = 1_000_000;

    #[test]
    fn phases_are_told_by_the_slowest_subtask_and_bytes_by_all() {
        let millis = Duration::from_millis;
        let mut stats = CheckpointStats::new(7, CheckpointKind::Periodic, Instant::from_nanos(MILLI), 3);
        let report = |bytes, alignment, sync, background| SubtaskReport {
            bytes,
            channel_bytes: bytes / 2,
            unaligned: bytes > 10,
            alignment: millis(alignment),
            sync: millis(sync),
            background: millis(background),
        };
        (stats.subtasks[0], stats.subtasks[2]) = (Some(report(10, 5, 1, 2)), Some(report(20, 3, 4, 1)));
        assert_eq!(stats.longest(), report(30, 5, 4, 2));
        assert_eq!((stats.bytes(), stats.acknowledged()), (30, 2));
        assert_eq!(stats.duration(Instant::from_nanos(9 * MILLI)), millis(8));
    }

    #[test]
    fn only_the_last_are_remembered_and_all_are_counted() {
        let mut history = CheckpointHistory::default();
        for n in 1..=40 {
            history.present = Some(CheckpointStats::new(n, CheckpointKind::Periodic, Instant::from_nanos(n), 1));
            history.end(Instant::from_nanos(n + 1), (n > 38).then_some("out of luck"));
        }
        history.end(Instant::from_nanos(99), None); // there is none
        assert_eq!((history.completed, history.failed, history.last.len()), (38, 2, HISTORY_LIMIT));
        assert_eq!(history.last_completed().map(|stats| stats.checkpoint), Some(38));
        let last = history.last.back().expect("there are some");
        assert_eq!(last.progress, CheckpointProgress::Failed("out of luck".to_owned()));
        assert_eq!(last.duration(Instant::from_nanos(1_000)), Duration::from_nanos(1));
    }
}
