//! The store of a job's checkpoints.
use crate::{env::Env, failure::Failure, graph::JobGraph};
use millstream_state::manifest::Manifest;
use std::sync::Arc;
pub(crate) struct JobStore {}
impl JobStore {
    pub(super) async fn open(_: &str, _: &crate::settings::CheckpointSettings, _: &Arc<dyn Env>) -> Result<Self, Failure> {
        Ok(Self {})
    }
    pub(super) async fn recover(&self, _: &dyn Env) -> Result<Option<Arc<Manifest>>, Failure> {
        Ok(None)
    }
    pub(super) async fn commit(&self, _: Manifest) -> (Result<(), Failure>, bool) {
        (Ok(()), false)
    }
    pub(super) async fn retain(&self, _: &dyn Env) {}
    pub(super) fn next_checkpoint(&self) -> u64 {
        1
    }
}
