//! What the REST interface shows, as JSON. Field names and their meaning are part of the interface: fields may be added, none is renamed or removed.
//!
//! Times are in the unit that the name ends with; `.._at_ms` is since the epoch. Sizes are in bytes, shares from 0 to 1. What is not known is `null`. Ids of jobs and
//! TaskManagers are 32 hex digits.

mod checkpoint;
mod cluster;
mod exception;
mod job;

use std::time::Duration;

use millstream_core::time::Timestamp;

#[allow(unused_imports, reason = "whoever fills the views has them by these names")]
pub(crate) use self::{
    checkpoint::{Checkpoint, CheckpointKind, CheckpointState, Checkpoints},
    cluster::{BinaryJob, BinaryJobs, ClusterConfig, ClusterOverview, ConfigEntry, TaskManagerInfo, TaskManagers},
    exception::{Exception, Exceptions, FailureClass},
    job::{JobDetail, JobState, JobSummary, Jobs, Subtask, SubtaskMetrics, SubtaskState, Vertex},
};
use crate::env::Instant;

/// The two clocks at one moment: points on the monotonic one are shown as times of day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// The monotonic clock.
    pub(crate) instant: Instant,
    /// The clock on the wall, at the same moment.
    pub(crate) wall: Timestamp,
}

impl Now {
    /// Milliseconds since the epoch, of a point on the monotonic clock.
    pub(crate) fn epoch_ms(self, at: Instant) -> i64 {
        let ago = i64::try_from(millis(self.instant.since(at))).unwrap_or(i64::MAX);
        self.wall.millis().saturating_sub(ago)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
