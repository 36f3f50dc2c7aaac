//! Process functions on two connected streams with a key, and how they are called.

use std::fmt::Display;

use millstream_core::{key::Key, record::Record};

use super::{Either, KeyedContext, KeyedProcessFunction, Sides, State, StateOf, Timer, either::EitherView};
use crate::{
    failure::{Failure, Location},
    operator::{OpenContext, Push},
};

/// A function on the records of two keyed streams, with state and timers for each key that both share: `#[process]` implements it for an impl block with
/// `on_left` and `on_right`. Each subtask works on a clone of its own.
pub trait KeyedCoProcessFunction: Clone + Send + 'static {
    /// What it takes of the stream in front of `.connect(..)`.
    type Left: Record;
    /// What it takes of the other.
    type Right: Record;
    /// The key of both.
    type Key: Key;
    /// What it keeps for each key; `()` if nothing.
    type State: State;
    /// What it puts out.
    type Out: Record;
    /// Its [side outputs](super::SideOutput), as a list; `()` if it has none.
    type Sides: Sides + Default + Clone;
    /// Why it may reject a record; [`Infallible`](std::convert::Infallible) if it never does.
    type Error: Display + Send + 'static;

    /// False if [`on_timer`](Self::on_timer) is left out: then a timer that fires fails the job.
    const HAS_ON_TIMER: bool;

    /// What messages, metrics and plans call it. Its state is found again by this name, unless the stream has a `.uid(..)`.
    fn name(&self) -> &'static str;

    /// Where it is written.
    fn location(&self) -> Option<Location> {
        None
    }

    /// Called once before the first record, on the subtask's own clone. Metrics are opened here.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        let _ = cx;
        Ok(())
    }

    /// Takes a record of the stream in front of `.connect(..)`, with the state of its key.
    ///
    /// # Errors
    ///
    /// An error rejects the record; what then happens is the operator's policy (fail, skip, divert). What was put out, written and registered before stays.
    fn on_left<N: Push<Self::Out>>(
        &mut self,
        record: <Self::Left as Record>::View<'_>,
        state: &mut StateOf<'_, '_, Self::State, Self::Key>,
        cx: &mut KeyedContext<'_, '_, Self::Key, Self::Out, N, Self::Sides>,
    ) -> Result<(), Self::Error>;

    /// Takes a record of the other stream, with the state of its key.
    ///
    /// # Errors
    ///
    /// As of [`on_left`](Self::on_left).
    fn on_right<N: Push<Self::Out>>(
        &mut self,
        record: <Self::Right as Record>::View<'_>,
        state: &mut StateOf<'_, '_, Self::State, Self::Key>,
        cx: &mut KeyedContext<'_, '_, Self::Key, Self::Out, N, Self::Sides>,
    ) -> Result<(), Self::Error>;

    /// A timer of the context's key has fired.
    ///
    /// # Errors
    ///
    /// An error fails the job: there is no record that could be skipped.
    fn on_timer<N: Push<Self::Out>>(
        &mut self,
        timer: Timer,
        state: &mut StateOf<'_, '_, Self::State, Self::Key>,
        cx: &mut KeyedContext<'_, '_, Self::Key, Self::Out, N, Self::Sides>,
    ) -> Result<(), Failure> {
        let _ = (timer, state, cx);
        Ok(())
    }

    /// A barrier passes: the state as it is then belongs to this checkpoint.
    fn on_snapshot(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// A checkpoint is complete. Not every checkpoint is told of, and what holds for one holds for those before it.
    fn on_complete(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// A checkpoint was given up.
    fn on_abort(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// Called once after the last record and timer of a job that ends well.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn close(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// A function on two streams as one on the records of either.
#[derive(Clone)]
pub struct OnEither<F>(pub(crate) F);

impl<F: KeyedCoProcessFunction> KeyedProcessFunction for OnEither<F> {
    type In = Either<F::Left, F::Right>;
    type Key = F::Key;
    type State = F::State;
    type Out = F::Out;
    type Sides = F::Sides;
    type Error = F::Error;

    const HAS_ON_TIMER: bool = F::HAS_ON_TIMER;

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn location(&self) -> Option<Location> {
        self.0.location()
    }

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.0.open(cx)
    }

    #[inline(always)]
    fn on_record<N: Push<F::Out>>(
        &mut self,
        record: EitherView<'_, F::Left, F::Right>,
        state: &mut StateOf<'_, '_, F::State, F::Key>,
        cx: &mut KeyedContext<'_, '_, F::Key, F::Out, N, F::Sides>,
    ) -> Result<(), F::Error> {
        match record {
            EitherView::Left(record) => self.0.on_left(record, state, cx),
            EitherView::Right(record) => self.0.on_right(record, state, cx),
        }
    }

    fn on_timer<N: Push<F::Out>>(
        &mut self,
        timer: Timer,
        state: &mut StateOf<'_, '_, F::State, F::Key>,
        cx: &mut KeyedContext<'_, '_, F::Key, F::Out, N, F::Sides>,
    ) -> Result<(), Failure> {
        self.0.on_timer(timer, state, cx)
    }

    fn on_snapshot(&mut self, checkpoint: u64) {
        self.0.on_snapshot(checkpoint);
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
