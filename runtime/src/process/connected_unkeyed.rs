//! Process functions on two connected streams without key, and how they are called.

use std::fmt::Display;

use millstream_core::record::Record;

use super::{Context, OnEither, OperatorState, ProcessFunction, Sides, either::Either, either::EitherView};
use crate::{
    failure::{Failure, Location},
    operator::{OpenContext, Push},
};

/// A function on the records of any two streams, with state of each subtask's own that both share: `#[process]` implements it for an impl block with `on_left` and
/// `on_right` whose functions take a [`Context`]. Each subtask works on a clone of its own.
pub trait CoProcessFunction: Clone + Send + 'static {
    /// What it takes of the stream in front of `.connect(..)`.
    type Left: Record;
    /// What it takes of the other.
    type Right: Record;
    /// What each subtask keeps; `()` if nothing.
    type State: OperatorState;
    /// What it puts out.
    type Out: Record;
    /// Its [side outputs](super::SideOutput), as a list; `()` if it has none.
    type Sides: Sides + Default + Clone;
    /// Why it may reject a record; [`Infallible`](std::convert::Infallible) if it never does.
    type Error: Display + Send + 'static;

    /// What messages, metrics and plans call it. Its state is found again by this name, unless the stream has a `.uid(..)`.
    fn name(&self) -> &'static str;

    /// Where it is written.
    fn location(&self) -> Option<Location> {
        None
    }

    /// Called once before the first record, on the subtask's own clone, with the state as it was restored, or else as it begins. Metrics are opened here.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn open(&mut self, state: &mut Self::State, cx: &OpenContext<'_>) -> Result<(), Failure> {
        let _ = (state, cx);
        Ok(())
    }

    /// Takes a record of the stream in front of `.connect(..)`.
    ///
    /// # Errors
    ///
    /// An error rejects the record; what then happens is the operator's policy (fail, skip, divert). What was put out and written before stays.
    fn on_left<N: Push<Self::Out>>(
        &mut self,
        record: <Self::Left as Record>::View<'_>,
        state: &mut Self::State,
        cx: &mut Context<'_, Self::Out, N, Self::Sides>,
    ) -> Result<(), Self::Error>;

    /// Takes a record of the other stream.
    ///
    /// # Errors
    ///
    /// As of [`on_left`](Self::on_left).
    fn on_right<N: Push<Self::Out>>(
        &mut self,
        record: <Self::Right as Record>::View<'_>,
        state: &mut Self::State,
        cx: &mut Context<'_, Self::Out, N, Self::Sides>,
    ) -> Result<(), Self::Error>;

    /// Both streams have come to their ends: the last chance to put something out. The context's time is [`Timestamp::MAX`](millstream_core::time::Timestamp::MAX).
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn on_end<N: Push<Self::Out>>(
        &mut self,
        state: &mut Self::State,
        cx: &mut Context<'_, Self::Out, N, Self::Sides>,
    ) -> Result<(), Failure> {
        let _ = (state, cx);
        Ok(())
    }

    /// A barrier passes: the state as it is then, with what is written here, belongs to this checkpoint.
    fn on_snapshot(&mut self, state: &mut Self::State, checkpoint: u64) {
        let _ = (state, checkpoint);
    }

    /// A checkpoint is complete. Not every checkpoint is told of, and what holds for one holds for those before it.
    fn on_complete(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// A checkpoint was given up.
    fn on_abort(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// Called once after the last record of a job that ends well.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn close(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<F: CoProcessFunction> ProcessFunction for OnEither<F> {
    type In = Either<F::Left, F::Right>;
    type State = F::State;
    type Out = F::Out;
    type Sides = F::Sides;
    type Error = F::Error;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn location(&self) -> Option<Location> {
        self.0.location()
    }

    fn open(&mut self, state: &mut F::State, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.0.open(state, cx)
    }

    #[inline(always)]
    fn on_record<N: Push<F::Out>>(
        &mut self,
        record: EitherView<'_, F::Left, F::Right>,
        state: &mut F::State,
        cx: &mut Context<'_, F::Out, N, F::Sides>,
    ) -> Result<(), F::Error> {
        match record {
            EitherView::Left(record) => self.0.on_left(record, state, cx),
            EitherView::Right(record) => self.0.on_right(record, state, cx),
        }
    }

    fn on_end<N: Push<F::Out>>(
        &mut self,
        state: &mut F::State,
        cx: &mut Context<'_, F::Out, N, F::Sides>,
    ) -> Result<(), Failure> {
        self.0.on_end(state, cx)
    }

    fn on_snapshot(&mut self, state: &mut F::State, checkpoint: u64) {
        self.0.on_snapshot(state, checkpoint);
    }

    fn on_complete(&mut self, checkpoint: u64) {
        self.0.on_complete(checkpoint);
    }

    fn on_abort(&mut self, checkpoint: u64) {
        self.0.on_abort(checkpoint);
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.0.close()
    }
}
