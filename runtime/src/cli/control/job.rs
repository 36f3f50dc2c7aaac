//! [`JobControl`]: what other processes may have a job do. A trait so that tests of the socket need no engine.

use std::future::Future;

use crate::local::JobHandle;

/// A job that can be steered. [`JobHandle`] says what the methods do.
pub(in crate::cli) trait JobControl: Send + Sync + 'static {
    fn checkpoint(&self) -> impl Future<Output = Result<u64, String>> + Send;
    fn stop(&self) -> impl Future<Output = Result<u64, String>> + Send;
    fn set(&self, key: &str, value: &str) -> impl Future<Output = Result<(), String>> + Send;
}

impl JobControl for JobHandle {
    fn checkpoint(&self) -> impl Future<Output = Result<u64, String>> + Send {
        Self::checkpoint(self)
    }
    fn stop(&self) -> impl Future<Output = Result<u64, String>> + Send {
        Self::stop(self)
    }
    fn set(&self, key: &str, value: &str) -> impl Future<Output = Result<(), String>> + Send {
        Self::set(self, key, value)
    }
}
