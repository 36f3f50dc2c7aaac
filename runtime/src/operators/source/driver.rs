//! [`Driver`]: the part of a source that is one per job. It makes the pool of splits, and fills it.

use std::{any::Any, pin::pin, sync::Arc};

use futures::future::Either;

use super::{
    FOUND_STATE, SPLITS_STATE,
    client::SplitClient,
    handle::PoolHandle,
    hosted::Hosted,
    pool::{Found, Holding, Pool},
    remote::Remote,
};
use crate::{
    checkpoint::restored::Restored,
    failure::Failure,
    graph::{HostedSplits, OperatorInfo, SourceDriver, Splits},
    source::{Boundedness, ConnectorContext, Discovered, Source, SourceContext, SplitEnumerator},
    task::flag::Flag,
};

/// The part of a source that is one per job.
pub(crate) struct Driver<S>(pub(crate) Arc<S>);

impl<S: Source> SourceDriver for Driver<S> {
    fn boundedness(&self) -> Boundedness {
        self.0.boundedness()
    }

    fn check(&self, cx: &ConnectorContext) -> Result<(), Failure> {
        self.0.check(cx)
    }

    fn start(&self, cx: &SourceContext, drain: Flag, restored: &Restored) -> Result<Splits, Failure> {
        let pool = self.pool(cx, restored)?;
        let handle = {
            let pool = Arc::clone(&pool);
            Box::new(move || Box::new(PoolHandle::Shared(Arc::clone(&pool))) as Box<dyn Any + Send>)
        };
        let discovery = Box::pin(discover(pool, cx.clone(), drain));
        Ok(Splits { handle, discovery })
    }

    fn host(
        &self,
        cx: &SourceContext,
        operator: &OperatorInfo,
        max_record_size: usize,
        restored: &Restored,
    ) -> Result<HostedSplits, Failure> {
        let pool = self.pool(cx, restored)?;
        let hosted = Hosted::new(Arc::clone(&pool), operator, cx.parallelism(), max_record_size);
        // Whoever hosts it drops the future where subtasks are drained.
        let discovery = Box::pin(discover(pool, cx.clone(), Flag::default()));
        Ok(HostedSplits { pool: Arc::new(hosted), discovery })
    }

    fn remote(&self, client: Arc<SplitClient>) -> Box<dyn Any + Send> {
        Box::new(PoolHandle::<S>::Remote(Remote::new(client, Holding::of(&*self.0))))
    }
}

impl<S: Source> Driver<S> {
    /// The pool, with the splits of the checkpoint.
    fn pool(&self, cx: &SourceContext, restored: &Restored) -> Result<Arc<Pool<S>>, Failure> {
        let mut enumerator = self.0.enumerator(cx)?;
        let found = restored.all::<Found<S>>(FOUND_STATE)?.pop();
        let complete = found.as_ref().is_some_and(|(_, complete)| *complete);
        let restored = found.as_ref().map(|_| restored.all::<S::Split>(SPLITS_STATE)).transpose()?;
        if let Some((found, _)) = found {
            enumerator.restore(found)?;
        }
        let pool = Arc::new(Pool::<S>::new(enumerator, Holding::of(&*self.0), cx.parallelism()));
        if let Some(splits) = restored {
            pool.restore(splits, complete);
        }
        Ok(pool)
    }
}

/// Looks for splits until there are no more to come.
async fn discover<S: Source>(pool: Arc<Pool<S>>, cx: SourceContext, drain: Flag) -> Result<(), Failure> {
    if pool.is_complete() {
        return Ok(()); // as the checkpoint says
    }
    let input_bytes = cx.gauge("input_bytes");
    let mut total = 0;
    loop {
        let mut enumerator = pool.lend();
        let found = match futures::future::select(pin!(enumerator.discover()), pin!(drain.wait())).await {
            Either::Left((found, _)) => found,
            Either::Right(_) => return Ok(()),
        };
        let Discovered { splits, bytes, again } = found?;
        total += bytes;
        input_bytes.set(i64::try_from(total).unwrap_or(i64::MAX));
        pool.add(enumerator, splits, again.is_none());
        let Some(again) = again else { return Ok(()) };
        let sleep = cx.env().sleep(again);
        futures::future::select(sleep, pin!(drain.wait())).await;
        if drain.is_set() {
            return Ok(());
        }
    }
}
