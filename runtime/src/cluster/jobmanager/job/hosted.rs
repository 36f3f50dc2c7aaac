//! [`Hosted`]: the pools of splits of a job's sources, which its subtasks draw from.

use std::{future::poll_fn, pin::pin, sync::Arc};

use futures::{
    SinkExt,
    channel::{mpsc, oneshot},
    future::{Either, select},
};

use super::super::Happening;
use crate::{
    cluster::Envs,
    control::{AttemptId, JobId, Vertex, job::failure::JobFailure},
    env::BoxFuture,
    failure::{Failure, Location},
    graph::SplitPool,
    task::{contain::Contained, flag::Flag},
};

/// A pool of splits, and what fills it.
pub(crate) struct Hosted {
    pub(crate) vertex: Vertex,
    /// Where subtasks ask for splits by messages, unless they draw from it directly.
    pub(crate) pool: Option<Arc<dyn SplitPool>>,
    /// Ends what fills it.
    pub(crate) stop: Flag,
    /// What fills it, until that is run; and what its failures are blamed on.
    discovery: Option<(BoxFuture<'static, Result<(), Failure>>, (String, Location))>,
    /// When that has ended.
    discovered: Option<oneshot::Receiver<()>>,
}

impl Hosted {
    pub(super) fn new(
        vertex: Vertex,
        pool: Option<Arc<dyn SplitPool>>,
        discovery: BoxFuture<'static, Result<(), Failure>>,
        blame: (String, Location),
    ) -> Self {
        Self { vertex, pool, stop: Flag::default(), discovery: Some((discovery, blame)), discovered: None }
    }

    /// Ends what fills it.
    pub(super) async fn end(mut self) {
        self.stop.set();
        if let Some(discovered) = self.discovered.take() {
            let _ = discovered.await; // it ends in any case
        }
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.stop.set();
    }
}

/// Fills a pool of splits, and tells when it has answers to requests that it kept.
pub(crate) fn attend(envs: &Envs, to: &mpsc::Sender<Happening>, job: JobId, of: AttemptId, hosted: &mut Hosted) {
    let (vertex, stop, mut tell) = (hosted.vertex, hosted.stop.clone(), to.clone());
    if let Some((discovery, (operator, location))) = hosted.discovery.take() {
        let (sender, discovered) = oneshot::channel::<()>();
        hosted.discovered = Some(discovered);
        envs.worker.spawn(
            "discovery of splits",
            Box::pin(async move {
                let discovery = Contained::new(discovery);
                if let Either::Left((Err(failure), _)) = select(discovery, pin!(stop.wait())).await {
                    let failure = JobFailure::of(&failure.at_operator(&operator, Some(location)));
                    let _ = tell.send(Happening::SourceFailed { job, vertex, of, failure }).await; // the leader may be gone
                }
                drop(sender);
            }),
        );
    }
    let Some(pool) = hosted.pool.clone() else { return };
    let (stop, mut tell) = (hosted.stop.clone(), to.clone());
    envs.control.spawn(
        "splits",
        Box::pin(async move {
            loop {
                let ready = poll_fn(|cx| pool.poll_ready(cx));
                let Either::Left((subtasks, _)) = select(ready, pin!(stop.wait())).await else { return };
                if tell.send(Happening::PoolReady { job, vertex, of, subtasks }).await.is_err() {
                    return;
                }
            }
        }),
    );
}
