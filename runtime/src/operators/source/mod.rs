//! Sources: the plan of a chain that begins with one, the head that reads splits, and the pool of splits that the subtasks share.
//!
//! A pool is in the process of the subtasks, who take what they want from it (`pool.rs`), or it is hosted in another one, which subtasks exchange messages
//! with:
//!
//! ```text
//! SourceHead -> PoolHandle::Shared -> Pool <------------------------------- discovery
//! SourceHead -> PoolHandle::Remote -> SplitClient ~~ messages ~~ SplitPool: Hosted -> Pool <- discovery
//! ```

pub(crate) mod client;
mod driver;
mod handle;
mod head;
mod hosted;
mod message;
mod pool;
mod rejected;
mod remote;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub(crate) use self::{client::SplitClient, driver::Driver};
use self::{handle::PoolHandle, rejected::Rejected};
pub use self::{head::SourceHead, rejected::FailBad};
use super::fused::OnError;
use crate::{
    alignment::brake::Brake,
    bad_record::BadRecord,
    failure::Failure,
    operator::Push,
    source::Source,
    stream::Plan,
    task::{context::ChainContext, head::NoInput},
};

/// The state of a source that has its splits, each as it would have to be opened.
const SPLITS_STATE: &str = "splits";
/// The state of a source that says what discovery has found.
const FOUND_STATE: &str = "found";

/// The plan of a chain that begins with a source.
pub struct From<S, H = FailBad> {
    pub(crate) source: Arc<S>,
    pub(crate) index: usize,
    /// What becomes of bad records.
    pub(crate) on_bad: H,
}

impl<S: Source, H: OnError<BadRecord, ()>> Plan for From<S, H> {
    type In = NoInput;
    type Out = S::Out;
    type Chain<N: Push<S::Out>> = SourceHead<S, H::Handler, N>;

    fn chain<N: Push<S::Out>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<Self::Chain<N>, Failure> {
        let info = cx.operator(self.index);
        let blame = |failure: Failure| failure.at_operator(&info.to_string(), Some(info.location));
        let reader = self.source.reader(&cx.connector_context(&info)).map_err(blame)?;
        let pool = cx.splits.take().expect("the job driver starts the source of a source chain");
        let pool = pool.downcast::<PoolHandle<S>>().expect("the driver and the plan of a source have one type");
        let rejects = self.on_bad.open(cx, &info)?;
        Ok(SourceHead::new(head::Parts {
            reader,
            rejects: Rejected(rejects),
            pool: *pool,
            subtask: cx.task.subtask,
            access: cx.state(&info),
            info,
            metrics: cx.metrics.clone(),
            drain: cx.drain.clone(),
            brake: cx.member.clone().map(|member| Brake::new(member, Arc::clone(&cx.task.env))),
            next,
        }))
    }
}
