//! [`Hosted`]: the pools of splits that subtasks in other processes draw from.

use std::{future::poll_fn, pin::pin, sync::Arc};

use futures::{
    SinkExt,
    channel::mpsc,
    future::{Either, select},
};

use super::super::Happening;
use crate::{
    control::{AttemptId, JobId, Vertex, job::failure::JobFailure},
    env::{BoxFuture, Env},
    failure::{Failure, Location},
    graph::SplitPool,
    task::{contain::Contained, flag::Flag},
};

/// A pool of splits, and what fills it.
pub(crate) struct Hosted {
    pub(crate) vertex: Vertex,
    pub(crate) pool: Arc<dyn SplitPool>,
    /// Ends what fills it.
    pub(crate) stop: Flag,
    /// What fills it, until that is run; and what its failures are blamed on.
    pub(super) discovery: Option<(BoxFuture<'static, Result<(), Failure>>, (String, Location))>,
}

impl Drop for Hosted {
    fn drop(&mut self) {
        self.stop.set();
    }
}

/// Fills a pool of splits, and tells when it has answers to requests that it kept.
pub(crate) fn attend(env: &Arc<dyn Env>, to: &mpsc::Sender<Happening>, job: JobId, of: AttemptId, hosted: &mut Hosted) {
    let (vertex, stop, mut tell) = (hosted.vertex, hosted.stop.clone(), to.clone());
    if let Some((discovery, (operator, location))) = hosted.discovery.take() {
        env.spawn(
            "discovery of splits",
            Box::pin(async move {
                let discovery = Contained::new(discovery);
                if let Either::Left((Err(failure), _)) = select(discovery, pin!(stop.wait())).await {
                    let failure = JobFailure::of(&failure.at_operator(&operator, Some(location)));
                    let _ = tell.send(Happening::SourceFailed { job, vertex, of, failure }).await; // the leader may be gone
                }
            }),
        );
    }
    let (pool, stop, mut tell) = (Arc::clone(&hosted.pool), hosted.stop.clone(), to.clone());
    env.spawn(
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
