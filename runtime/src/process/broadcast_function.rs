//! [`KeyedBroadcastProcessFunction`]: the contract of functions on a keyed stream and one that goes to every subtask.

use std::fmt::Display;

use millstream_core::{key::Key, record::Record};

use super::{Context, KeyedContext, OperatorState, Sides, State, StateOf, Timer};
use crate::{
    failure::{Failure, Location},
    operator::{OpenContext, Push},
};

/// A function on the records of a keyed stream, with state and timers for each key, and on those of a stream that goes to every subtask: `#[process]` implements it
/// for an impl block whose `on_left` takes a [`KeyedContext`] and whose `on_right` takes a [`Context`]. Each subtask works on a clone of its own.
///
/// What comes on the right is remembered in the *broadcast state*, of which each subtask has all, and so all have the same. That is why only what every subtask gets may
/// write it: [`on_right`](Self::on_right) has it as `&mut`, what works for a key as `&`. What `on_right` does with it must depend on the record and the state alone; subtasks
/// may get records in another order if several subtasks send them.
///
/// Semantics: Apache Flink, DataStream API, "The Broadcast State Pattern"; without visits to the state of all keys (`applyToKeyedState`).
pub trait KeyedBroadcastProcessFunction: Clone + Send + 'static {
    /// What it takes of the keyed stream.
    type Left: Record;
    /// What it takes of the stream that is broadcast.
    type Right: Record;
    /// The key of the keyed stream.
    type Key: Key;
    /// What it keeps for each key; `()` if nothing.
    type State: State;
    /// What every subtask remembers of the stream that is broadcast; `()` if nothing.
    type Broadcast: BroadcastState;
    /// What it puts out.
    type Out: Record;
    /// Its side outputs: a list, `(Side<Alerts>, (Side<Late>, ()))`; `()` if it has none.
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

    /// Called once before the first record, on the subtask's own clone, with the broadcast state as it was restored, or else as it begins. Metrics are opened here.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn open(&mut self, broadcast: &mut Self::Broadcast, cx: &OpenContext<'_>) -> Result<(), Failure> {
        let _ = (broadcast, cx);
        Ok(())
    }

    /// Takes a record of the keyed stream, with the state of its key.
    ///
    /// # Errors
    ///
    /// An error rejects the record; what then happens is the operator's policy (fail, skip, divert). What was put out, written and registered before stays.
    fn on_left<N: Push<Self::Out>>(
        &mut self,
        record: <Self::Left as Record>::View<'_>,
        state: &mut StateOf<'_, '_, Self::State, Self::Key>,
        broadcast: &Self::Broadcast,
        cx: &mut KeyedContext<'_, '_, Self::Key, Self::Out, N, Self::Sides>,
    ) -> Result<(), Self::Error>;

    /// Takes a record that every subtask gets.
    ///
    /// # Errors
    ///
    /// As for [`on_left`](Self::on_left); where the policy is to go on, each subtask rejects the record.
    fn on_right<N: Push<Self::Out>>(
        &mut self,
        record: <Self::Right as Record>::View<'_>,
        broadcast: &mut Self::Broadcast,
        cx: &mut Context<'_, Self::Out, N, Self::Sides>,
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
        broadcast: &Self::Broadcast,
        cx: &mut KeyedContext<'_, '_, Self::Key, Self::Out, N, Self::Sides>,
    ) -> Result<(), Failure> {
        let _ = (timer, state, broadcast, cx);
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

/// State of which every subtask has all: `#[derive(OperatorState)]` implements it for a struct whose fields are all `#[state(broadcast)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not broadcast state, which is the same in every subtask",
    label = "not broadcast state",
    note = "put `#[derive(OperatorState)]` on the struct, and `#[state(broadcast)]` on each of its fields: `list` and `union` are for what subtasks have of their own"
)]
pub trait BroadcastState: OperatorState {}

/// No state.
impl BroadcastState for () {}
