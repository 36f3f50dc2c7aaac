//! [`Written`]: where a stream ends that an async function writes out.

use std::marker::PhantomData;

use millstream_core::time::Timestamp;

use super::function::AsyncFunction;
use crate::{
    failure::Failure,
    sink::{NoCommit, Prepare, Prepared, Sink, SinkContext, SinkWriter},
    stream::Guarantee,
};

/// An async function that writes records: `#[async_sink]` implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an async function that gives records, and writes none",
    label = "not an async sink",
    note = "put `#[async_sink]` on an `async fn` that returns nothing, or a `Result<(), E>`; one that gives records goes to `.then_async(..)`"
)]
pub trait AsyncSink: AsyncFunction<Out = ()> {
    /// [`AtLeastOnce`](crate::stream::AtLeastOnce), since calls for records in flight are made again after a failure; or [`ExactlyOnce`](crate::stream::ExactlyOnce) if what is written
    /// again takes the place of what was there.
    type Guarantee: Guarantee;
}

/// Takes a token for each record that has been written, and does nothing more.
pub struct Written<F>(PhantomData<fn() -> F>);

impl<F> Default for Written<F> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<F: AsyncSink> Sink for Written<F> {
    type In = ();
    type Guarantee = F::Guarantee;
    type Committable = ();
    type Writer = Counts;
    type Committer = NoCommit;

    fn name(&self) -> String {
        F::NAME.to_owned()
    }

    fn writer(&self, _: &SinkContext, _: Vec<()>) -> Result<Counts, Failure> {
        Ok(Counts(0))
    }

    fn committer(&self, _: &SinkContext) -> Result<NoCommit, Failure> {
        Ok(NoCommit)
    }
}

/// Counts what has been written.
#[derive(Debug)]
pub struct Counts(u64);

impl SinkWriter for Counts {
    type In = ();
    type Committable = ();
    type State = ();

    // It never waits: what is not written is in the state of the operator in front.
    const INTERRUPTIBLE: bool = true;

    #[inline(always)]
    fn write(&mut self, (): (), _: Timestamp) -> Result<(), Failure> {
        self.0 += 1;
        Ok(())
    }

    fn is_full(&self) -> bool {
        false
    }

    fn records(&self) -> u64 {
        self.0
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn prepare(&mut self, _: Prepare) -> Result<Prepared<(), ()>, Failure> {
        Ok(Prepared::closed(Vec::new()))
    }
}
