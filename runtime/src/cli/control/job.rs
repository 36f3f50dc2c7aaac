//! [`JobControl`]: what other processes may have a job do. A trait so that tests of the socket need no engine.

use std::future::Future;

use millstream_state::location::Location;

use crate::{
    local::{JobHandle, Savepoint},
    rest::submission::AfterSavepoint,
};

/// A job that can be steered. [`JobHandle`] says what the methods do.
pub(in crate::cli) trait JobControl: Send + Sync + 'static {
    fn checkpoint(&self) -> impl Future<Output = Result<u64, String>> + Send;
    fn stop(&self) -> impl Future<Output = Result<u64, String>> + Send;
    fn savepoint(
        &self,
        to: Option<Location>,
        then: AfterSavepoint,
    ) -> impl Future<Output = Result<Savepoint, String>> + Send;
    fn set(&self, key: &str, value: &str) -> impl Future<Output = Result<(), String>> + Send;
}

impl JobControl for JobHandle {
    fn checkpoint(&self) -> impl Future<Output = Result<u64, String>> + Send {
        Self::checkpoint(self)
    }
    fn stop(&self) -> impl Future<Output = Result<u64, String>> + Send {
        Self::stop(self)
    }
    async fn savepoint(&self, to: Option<Location>, then: AfterSavepoint) -> Result<Savepoint, String> {
        match then {
            AfterSavepoint::GoOn => Self::savepoint(self, to.as_ref()).await,
            AfterSavepoint::Stop => self.stop_with_savepoint(to.as_ref(), false).await,
            AfterSavepoint::Drain => self.stop_with_savepoint(to.as_ref(), true).await,
        }
    }
    fn set(&self, key: &str, value: &str) -> impl Future<Output = Result<(), String>> + Send {
        Self::set(self, key, value)
    }
}
