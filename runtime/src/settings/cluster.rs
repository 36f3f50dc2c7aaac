//! [`ClusterSettings`]: what may be set for a process of a cluster, with defaults and bounds; [`CLUSTER_KEYS`] is the table of names by which it is given.

mod given;
pub(crate) mod host;
mod key;
mod rules;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

pub(crate) use self::{
    given::ClusterGiven,
    key::{CLUSTER_KEYS, ClusterKey, Role, VARIABLE_PREFIX, nearest},
};
use super::{Location, ObjectStoreSettings, Settings};
use crate::{
    cluster::jobmanager::RETAINED_JOBS,
    control::{heartbeats::HeartbeatSettings, job::machine::SLOT_TIMEOUT, provision::ProvisionSettings},
};

/// What may be set for a process of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClusterSettings {
    /// The host whose addresses it takes, without brackets. Default 127.0.0.1.
    pub(crate) host: String,
    /// The host by which others reach it, if that is another.
    pub(crate) advertised_host: Option<String>,
    /// Where a JobManager takes control connections; 0 for any. Default 6123.
    pub(crate) port: u16,
    /// Where a JobManager answers over HTTP; 0 for any. Default 8081.
    pub(crate) rest_port: u16,
    /// Where a TaskManager takes data connections; 0 for any, which is the default.
    pub(crate) data_port: u16,
    /// Where a JobManager keeps jobs and checkpoints. Without it, nothing outlives the process.
    pub(crate) storage: Option<Location>,
    /// How the object store is reached, if that is in one.
    pub(crate) object_store: ObjectStoreSettings,
    /// Where the JobManagers are that a TaskManager may work for, as `host:port`. Default: one on this machine.
    pub(crate) jobmanagers: Vec<String>,
    /// How many slots a TaskManager offers. Default: the number of processors.
    pub(crate) slots: u32,
    /// The memory of a TaskManager, in bytes. Default 256 MiB.
    pub(crate) memory_bytes: u64,
    /// What a JobManager tells TaskManagers.
    pub(crate) heartbeats: HeartbeatSettings,
    /// A JobManager starts TaskManagers on this machine when jobs wait for slots.
    pub(crate) is_provider: bool,
    /// How many slots each of these has, how many there may be, and after how long without work they are stopped.
    pub(crate) provision: ProvisionSettings,
    /// How many subtasks chains have where nobody says anything. Default: the number of processors.
    pub(crate) parallelism: u32,
    /// How long a job waits for slots. Default 5 min.
    pub(crate) slot_timeout: Duration,
    /// Of how many jobs that have ended it is remembered how. Default 100.
    pub(crate) retained_jobs: usize,
    /// The file with what the processes of the cluster share.
    pub(crate) secret_file: Option<PathBuf>,
    /// The file with what requests over HTTP have to bear.
    pub(crate) token_file: Option<PathBuf>,
    /// The file with the certificate of the CA.
    pub(crate) tls_ca: Option<PathBuf>,
    /// The file with the certificate of the process.
    pub(crate) tls_cert: Option<PathBuf>,
    /// The file with its private key.
    pub(crate) tls_key: Option<PathBuf>,
    /// Connections may leave the machine though nothing protects them.
    pub(crate) insecure: bool,
}

/// Where JobManagers take control connections, unless they are told otherwise.
pub(crate) const CONTROL_PORT: u16 = 6123;
/// Where they answer over HTTP.
pub(crate) const REST_PORT: u16 = 8081;
/// How many TaskManagers are started on demand at most.
const PROVIDER_MOST: u32 = 16;
/// After how long without work these are stopped.
const PROVIDER_IDLE: Duration = Duration::from_secs(60);
/// The most slots of a TaskManager.
const SLOTS_LIMIT: u32 = 1024;

impl Default for ClusterSettings {
    fn default() -> Self {
        let of_jobs = Settings::default();
        let slots = std::thread::available_parallelism().map_or(1, |n| n.get() as u32).min(SLOTS_LIMIT);
        Self {
            host: "127.0.0.1".to_owned(),
            advertised_host: None,
            port: CONTROL_PORT,
            rest_port: REST_PORT,
            data_port: 0,
            storage: None,
            object_store: ObjectStoreSettings::default(),
            jobmanagers: vec![format!("127.0.0.1:{CONTROL_PORT}")],
            slots,
            memory_bytes: of_jobs.memory_bytes as u64,
            heartbeats: HeartbeatSettings::default(),
            is_provider: false,
            provision: ProvisionSettings { slots, most: PROVIDER_MOST, idle_timeout: PROVIDER_IDLE },
            parallelism: of_jobs.parallelism as u32,
            slot_timeout: SLOT_TIMEOUT,
            retained_jobs: RETAINED_JOBS,
            secret_file: None,
            token_file: None,
            tls_ca: None,
            tls_cert: None,
            tls_key: None,
            insecure: false,
        }
    }
}

impl ClusterSettings {
    /// The share of the memory for buffers on their way from other processes: a quarter.
    pub(crate) fn network_bytes(&self) -> u64 {
        self.memory_bytes / 4
    }

    /// The address of a port of this process, to listen at.
    pub(crate) fn address(&self, port: u16) -> String {
        host::authority(&self.host, port)
    }

    /// The host by which others reach it, as it stands in addresses. None if that is the address it listens at.
    pub(crate) fn reached_at(&self) -> Option<String> {
        // A name stays a name: its address may not be in the certificate.
        let by_name = || Some(&self.host).filter(|host| host::ip(host).is_none());
        self.advertised_host.as_ref().or_else(by_name).map(|host| host::bracketed(host).into_owned())
    }
}
