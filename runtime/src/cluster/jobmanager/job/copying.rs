//! [`Copying`]: a checkpoint is copied to where somebody wants a savepoint, beside everything else that is done for its job.

use std::sync::Arc;

use futures::{SinkExt, channel::mpsc};
use millstream_state::{location::Location, manifest::Manifest, savepoint};
use tracing::info;

use super::{super::Happening, Done};
use crate::{
    attempt::{
        savepoint::{create, in_place},
        sinks::COMMITTABLES_STATE,
        store::JobStore,
    },
    control::{JobId, RequestId},
    env::Env,
    failure::Failure,
    task::contain::Contained,
};

/// A savepoint that somebody waits for.
pub(super) struct Copying {
    pub(super) job: JobId,
    pub(super) request: RequestId,
    pub(super) place: Arc<Location>,
    pub(super) checkpoint: u64,
}

/// The checkpoint without what its sinks have committed: that is done, and elsewhere nobody would find it.
fn without_output(manifest: &Manifest) -> Manifest {
    let mut without = manifest.clone();
    for operator in &mut without.operators {
        operator.values.retain(|part| part.state != COMMITTABLES_STATE);
    }
    without
}

impl Copying {
    /// Keeps the checkpoint, which was entered last, and begins to copy it.
    pub(super) async fn start(self, store: &Arc<JobStore>, env: &Arc<dyn Env>, to: &mpsc::Sender<Happening>) {
        let Self { job, request, place, checkpoint } = self;
        let (pinned, from) = (store.pin(checkpoint).await, store.segments().checkpoints().clone());
        let reached_by = store.object_store().clone();
        let (spawner, env, mut to) = (Arc::clone(env), Arc::clone(env), to.clone());
        let copy = async move {
            let copied = Contained::new(async {
                let gone = || Failure::new(format!("checkpoint {checkpoint} is not there any more"));
                let (manifest, _pin) = pinned.ok_or_else(gone)?;
                let target = create(&place, &reached_by, &env).await?;
                savepoint::write(&from, &without_output(&manifest), &target)
                    .await
                    .map_err(|error| in_place(&place, error))?;
                info!(job = manifest.job, checkpoint, %place, "a savepoint was written");
                Ok(())
            });
            let result = copied.await.map_err(|failure| failure.to_string());
            // The leader may be gone.
            let _ = to.send(Happening::Done { job, done: Done::SavepointWritten { request, result } }).await;
        };
        spawner.spawn("savepoint", Box::pin(copy));
    }
}
