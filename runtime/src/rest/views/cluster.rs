//! The cluster as a whole: how it is, its TaskManagers, what its binary has to run, and its configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::JobState;

/// How the cluster is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ClusterOverview {
    /// The version of the leader's binary.
    pub(crate) version: String,
    /// The number of the leader's claim: a later leader has a higher one.
    pub(crate) leader_epoch: u64,
    /// For how long it has led.
    pub(crate) uptime_ms: u64,
    /// How many TaskManagers are registered.
    pub(crate) taskmanagers: u32,
    /// How many slots they have.
    pub(crate) slots_total: u32,
    /// How many of these nobody has.
    pub(crate) slots_free: u32,
    /// How many jobs are in which state. States without a job may be left out.
    #[schema(value_type = BTreeMap<String, u32>)]
    pub(crate) jobs: BTreeMap<JobState, u32>,
}

/// The TaskManagers of the cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct TaskManagers {
    /// One an entry.
    pub(crate) taskmanagers: Vec<TaskManagerInfo>,
}

/// A TaskManager.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct TaskManagerInfo {
    /// Drawn when its process started: one that comes back is another.
    pub(crate) id: String,
    /// Where it takes data connections.
    pub(crate) address: String,
    /// How many slots it has.
    pub(crate) slots: u32,
    /// How many of these nobody has.
    pub(crate) slots_free: u32,
    /// Since when it is registered, since the epoch.
    pub(crate) since_ms: i64,
    /// How long ago the leader has heard of it.
    pub(crate) heartbeat_age_ms: u64,
}

/// The jobs of the cluster's binary: what can be submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct BinaryJobs {
    /// One an entry, by name.
    pub(crate) jobs: Vec<BinaryJob>,
}

/// A job that can be submitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct BinaryJob {
    /// The name of its function.
    pub(crate) name: String,
    /// Its doc comment.
    pub(crate) doc: String,
    /// The file that it is written in.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: u32,
    /// The column, from 1.
    pub(crate) column: u32,
}

/// The configuration that jobs of the cluster start from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ClusterConfig {
    /// One setting an entry.
    pub(crate) settings: Vec<ConfigEntry>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ConfigEntry {
    /// Its name.
    pub(crate) key: String,
    /// What holds, as it may be written.
    pub(crate) value: String,
    /// What holds where nobody says anything.
    pub(crate) default: String,
    /// Where the value comes from, as `default`, `--memory`, `MILLSTREAM_MEMORY` or `millstream.toml:3`.
    pub(crate) origin: String,
    /// What it is for.
    pub(crate) doc: String,
    /// True if it may be set while a job runs.
    pub(crate) live: bool,
}
