//! The contracts of process functions.

use std::fmt::Display;

use millstream_core::{key::Key, record::Record};

use super::{Context, KeyedContext, OperatorState, Sides, State, StateAccess, StateOf, Timer, ValuePart};
use crate::{
    failure::{Failure, Location},
    graph::StateInfo,
    operator::{OpenContext, Push},
};

/// A function on the records of a keyed stream, with state and timers for each key: `#[process]` implements it for an impl block whose functions take a
/// [`KeyedContext`]. Each subtask works on a clone of its own.
pub trait KeyedProcessFunction: Clone + Send + 'static {
    /// What it takes.
    type In: Record;
    /// The key of the stream.
    type Key: Key;
    /// What it keeps for each key; `()` if nothing.
    type State: State;
    /// What it puts out.
    type Out: Record;
    /// Its side outputs: a list, `(Side<Alerts>, (Side<Late>, ()))`; `()` if it has none.
    type Sides: Sides + Default + Clone;
    /// Why it may reject a record; [`Infallible`](std::convert::Infallible) if it never does.
    type Error: Display + Send + 'static;

    /// False if [`on_timer`](Self::on_timer) is left out: then a timer that fires fails the job.
    const HAS_ON_TIMER: bool;

    /// True if what arrives on the second port has no key and goes to [`on_unkeyed`](Self::on_unkeyed): of functions with broadcast state.
    #[doc(hidden)]
    const TAKES_UNKEYED: bool = false;

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

    /// Takes a record, with the state of its key.
    ///
    /// # Errors
    ///
    /// An error rejects the record; what then happens is the operator's policy (fail, skip, divert). What was put out, written and registered before stays.
    fn on_record<N: Push<Self::Out>>(
        &mut self,
        record: <Self::In as Record>::View<'_>,
        state: &mut StateOf<'_, '_, Self::State, Self::Key>,
        cx: &mut KeyedContext<'_, '_, Self::Key, Self::Out, N, Self::Sides>,
    ) -> Result<(), Self::Error>;

    /// Takes a record without key; see [`TAKES_UNKEYED`](Self::TAKES_UNKEYED).
    #[doc(hidden)]
    fn on_unkeyed<N: Push<Self::Out>>(
        &mut self,
        record: <Self::In as Record>::View<'_>,
        cx: &mut Context<'_, Self::Out, N, Self::Sides>,
    ) -> Result<(), Self::Error> {
        let _ = (record, cx);
        Ok(())
    }

    /// What it keeps besides the state of keys.
    #[doc(hidden)]
    fn unkeyed_states() -> Vec<StateInfo> {
        Vec::new()
    }

    /// Gets back what it kept besides the state of keys, before it is opened.
    #[doc(hidden)]
    fn restore_unkeyed(&mut self, access: &StateAccess) -> Result<(), Failure> {
        let _ = access;
        Ok(())
    }

    /// What it keeps besides the state of keys, for a checkpoint.
    #[doc(hidden)]
    fn snapshot_unkeyed(&self, access: &StateAccess) -> Result<Vec<ValuePart>, Failure> {
        let _ = access;
        Ok(Vec::new())
    }

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

/// A function on the records of any stream, with state of each subtask's own: `#[process]` implements it for an impl block whose functions take a
/// [`Context`]. Each subtask works on a clone of its own.
pub trait ProcessFunction: Clone + Send + 'static {
    /// What it takes.
    type In: Record;
    /// What each subtask keeps; `()` if nothing.
    type State: OperatorState;
    /// What it puts out.
    type Out: Record;
    /// Its side outputs: a list, `(Side<Alerts>, (Side<Late>, ()))`; `()` if it has none.
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

    /// Takes a record.
    ///
    /// # Errors
    ///
    /// An error rejects the record; what then happens is the operator's policy (fail, skip, divert). What was put out and written before stays.
    fn on_record<N: Push<Self::Out>>(
        &mut self,
        record: <Self::In as Record>::View<'_>,
        state: &mut Self::State,
        cx: &mut Context<'_, Self::Out, N, Self::Sides>,
    ) -> Result<(), Self::Error>;

    /// The input has come to its end: the last chance to put something out. The context's time is [`Timestamp::MAX`](millstream_core::time::Timestamp::MAX).
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
