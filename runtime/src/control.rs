//! [`JobControl`]: what may be asked of a running job. The command line offers it to other processes, through a socket beside the checkpoints.

use std::future::Future;

use crate::{
    checkpoint::CheckpointHistory,
    local::JobHandle,
    settings::{CheckpointSettings, Setting},
};

/// A running job, for whoever watches and steers it.
pub trait JobControl: Clone + Send + Sync + 'static {
    /// Its restarts and checkpoints so far. Cheap enough to be asked several times a second.
    fn status(&self) -> Status;

    /// Makes a checkpoint, and waits until it is committed. Gives its number.
    ///
    /// # Errors
    ///
    /// Why there is none.
    ///
    /// # Cancel safety
    ///
    /// The checkpoint is made all the same.
    fn checkpoint(&self) -> impl Future<Output = Result<u64, String>> + Send;

    /// Stops the job with a checkpoint to go on from, and waits until that is committed. Gives its number.
    ///
    /// # Errors
    ///
    /// Why it could not be stopped; it runs on, or has failed.
    ///
    /// # Cancel safety
    ///
    /// The job is stopped all the same.
    fn stop(&self) -> impl Future<Output = Result<u64, String>> + Send;

    /// Gives another value to a setting that is [`live`](Setting::live), as it is written on the command line.
    ///
    /// # Errors
    ///
    /// Why it may not have this value, or why the job does not take it.
    fn set(&self, key: &'static Setting, value: &str) -> impl Future<Output = Result<(), String>> + Send;
}

/// How a job has fared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// The checkpoint that this process went on from, if it did not start anew.
    pub restored: Option<u64>,
    /// How often the job was restarted by this process.
    pub restarts: u64,
    /// True while it waits to be restarted.
    pub is_restarting: bool,
    /// Why it failed last.
    pub last_failure: Option<String>,
    /// What holds for its checkpoints now.
    pub settings: CheckpointSettings,
    /// Its checkpoints.
    pub checkpoints: CheckpointHistory,
}

impl JobControl for JobHandle {
    fn status(&self) -> Status {
        JobHandle::status(self)
    }

    async fn checkpoint(&self) -> Result<u64, String> {
        JobHandle::checkpoint(self).await
    }

    async fn stop(&self) -> Result<u64, String> {
        JobHandle::stop(self).await
    }

    async fn set(&self, key: &'static Setting, value: &str) -> Result<(), String> {
        JobHandle::set(self, key.name, value).await
    }
}
