//! The ends of a chain whose records go on in several streams: `split` and `fork`.

use millstream_core::{record::Record, time::Timestamp};

use crate::{
    env::Instant,
    graph::OperatorInfo,
    operator::{Push, Signal, Stage, Wait, earliest},
    operators::outlet::Outlet,
    task::contain::Guard,
};

/// Sends each record to one of two outputs, by a predicate.
pub(crate) struct SplitTail<T: Record, F> {
    pub(crate) predicate: F,
    pub(crate) matching: Outlet<T>,
    pub(crate) rest: Outlet<T>,
    pub(crate) info: OperatorInfo,
}

impl<T: Record, F> Push<T> for SplitTail<T, F>
where
    F: for<'a> Fn(T::View<'a>) -> bool + Send + 'static,
{
    #[inline(always)]
    fn push(&mut self, record: T::View<'_>, at: Timestamp) {
        let guard = Guard::new(&self.info);
        let matches = (self.predicate)(record);
        guard.done();
        if matches { self.matching.push(record, at) } else { self.rest.push(record, at) }
    }
}

impl<T: Record, F: Send + 'static> Stage for SplitTail<T, F> {
    fn signal(&mut self, signal: Signal) {
        self.matching.signal(signal);
        self.rest.signal(signal);
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.matching.is_full() | self.rest.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        earliest(self.matching.flush(now), self.rest.flush(now))
    }

    fn idle(&mut self) {}

    fn ready(&mut self) -> Wait<'_> {
        Box::pin(async {
            self.matching.ready().await?;
            self.rest.ready().await
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            self.matching.finish().await?;
            self.rest.finish().await
        })
    }
}
