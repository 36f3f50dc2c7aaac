//! The checkpoints of a job.

use millstream_state::manifest;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Now, millis, nanos};
use crate::checkpoint::{CheckpointHistory, CheckpointProgress, CheckpointStats};

/// The checkpoints of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Checkpoints {
    /// How many were completed.
    pub(crate) completed: u64,
    /// How many failed.
    pub(crate) failed: u64,
    /// How many are being made.
    pub(crate) in_progress: u64,
    /// The last that was completed, if it is remembered.
    pub(crate) latest_completed: Option<Checkpoint>,
    /// The last that failed, if it is remembered.
    pub(crate) latest_failed: Option<Checkpoint>,
    /// The last ones, the newest first.
    pub(crate) history: Vec<Checkpoint>,
}

impl Checkpoints {
    /// The checkpoints of a job, as they are shown.
    pub(crate) fn of(history: &CheckpointHistory, now: Now) -> Self {
        let newest_first = history.present.iter().chain(history.last.iter().rev());
        let shown: Vec<_> = newest_first.map(|stats| Checkpoint::of(stats, now)).collect();
        let latest = |state| shown.iter().find(|checkpoint| checkpoint.state == state).cloned();
        Self {
            completed: history.completed,
            failed: history.failed,
            in_progress: history.present.iter().count() as u64,
            latest_completed: latest(CheckpointState::Completed),
            latest_failed: latest(CheckpointState::Failed),
            history: shown,
        }
    }
}

/// What a checkpoint is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckpointKind {
    /// To go on from after a failure.
    Periodic,
    /// To be kept in a place of its own.
    Savepoint,
    /// To stop the job with.
    Stop,
    /// The end of a job whose input has ended.
    Final,
}

/// How far a checkpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckpointState {
    /// Subtasks write their state.
    Running,
    /// Every subtask has acknowledged it; its manifest is written.
    Storing,
    /// It is stored; sinks commit.
    Committing,
    /// Sinks have committed.
    Completed,
    /// It came to nothing.
    Failed,
}

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Checkpoint {
    /// Its number.
    pub(crate) id: u64,
    /// What it is made for.
    pub(crate) kind: CheckpointKind,
    /// How far it is.
    pub(crate) state: CheckpointState,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    /// When it was begun, since the epoch.
    pub(crate) triggered_at_ms: i64,
    /// How long it took, or has taken up to now.
    pub(crate) duration_ms: u64,
    /// What was written for it.
    pub(crate) bytes: u64,
    /// How much of that its barriers overtook on its way between tasks.
    pub(crate) channel_bytes: u64,
    /// True if any of them did.
    pub(crate) unaligned: bool,
    /// How many subtasks take part.
    pub(crate) subtasks: u32,
    /// How many of these have acknowledged it.
    pub(crate) acknowledged: u32,
    /// The longest that a subtask took from the first barrier to the last.
    pub(crate) alignment_ns: u64,
    /// The longest that a subtask stood still.
    pub(crate) sync_ns: u64,
    /// The longest that a subtask wrote in the background.
    pub(crate) background_ns: u64,
}

impl Checkpoint {
    /// A checkpoint, as it is shown.
    pub(crate) fn of(stats: &CheckpointStats, now: Now) -> Self {
        let (state, failure) = match &stats.progress {
            CheckpointProgress::Running => (CheckpointState::Running, None),
            CheckpointProgress::Storing => (CheckpointState::Storing, None),
            CheckpointProgress::Committing => (CheckpointState::Committing, None),
            CheckpointProgress::Completed => (CheckpointState::Completed, None),
            CheckpointProgress::Failed(reason) => (CheckpointState::Failed, Some(reason.clone())),
        };
        let longest = stats.longest();
        let count = |n| u32::try_from(n).unwrap_or(u32::MAX);
        Self {
            id: stats.checkpoint,
            kind: match stats.kind {
                manifest::CheckpointKind::Periodic => CheckpointKind::Periodic,
                manifest::CheckpointKind::Savepoint => CheckpointKind::Savepoint,
                manifest::CheckpointKind::Stop => CheckpointKind::Stop,
                manifest::CheckpointKind::Final => CheckpointKind::Final,
            },
            state,
            failure,
            triggered_at_ms: now.epoch_ms(stats.started),
            duration_ms: millis(stats.duration(now.instant)),
            bytes: stats.bytes(),
            channel_bytes: longest.channel_bytes,
            unaligned: longest.unaligned,
            subtasks: count(stats.subtasks.len()),
            acknowledged: count(stats.acknowledged()),
            alignment_ns: nanos(longest.alignment),
            sync_ns: nanos(longest.sync),
            background_ns: nanos(longest.background),
        }
    }
}
