//! [`WithBroadcast`]: a function on a keyed stream and one that goes to every subtask, as one that the head of a process function calls.

use millstream_core::record::Record;

use super::{
    Context, Either, EitherView, KeyedBroadcastProcessFunction, KeyedContext, KeyedProcessFunction, OperatorState,
    StateAccess, StateOf, Timer, ValuePart,
};
use crate::{
    failure::{Failure, Location},
    graph::StateInfo,
    operator::{KeyFn, OpenContext, Push},
};

const NOT_BY_KEY: &str = "the head gives what has no key to `on_unkeyed`, and all else by its key";

/// A function together with the broadcast state of its subtask.
pub struct WithBroadcast<F: KeyedBroadcastProcessFunction> {
    function: F,
    broadcast: F::Broadcast,
}

impl<F: KeyedBroadcastProcessFunction> WithBroadcast<F> {
    /// With the state as it begins.
    pub(crate) fn new(function: F) -> Self {
        Self { function, broadcast: F::Broadcast::begin() }
    }
}

impl<F: KeyedBroadcastProcessFunction> Clone for WithBroadcast<F> {
    /// A clone has state of its own.
    fn clone(&self) -> Self {
        Self::new(self.function.clone())
    }
}

impl<F: KeyedBroadcastProcessFunction> KeyedProcessFunction for WithBroadcast<F> {
    type In = Either<F::Left, F::Right>;
    type Key = F::Key;
    type State = F::State;
    type Out = F::Out;
    type Sides = F::Sides;
    type Error = F::Error;

    const HAS_ON_TIMER: bool = F::HAS_ON_TIMER;
    const TAKES_UNKEYED: bool = true;

    fn name(&self) -> &'static str {
        self.function.name()
    }

    fn location(&self) -> Option<Location> {
        self.function.location()
    }

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.function.open(&mut self.broadcast, cx)
    }

    #[inline(always)]
    fn on_record<N: Push<F::Out>>(
        &mut self,
        record: EitherView<'_, F::Left, F::Right>,
        state: &mut StateOf<'_, '_, F::State, F::Key>,
        cx: &mut KeyedContext<'_, '_, F::Key, F::Out, N, F::Sides>,
    ) -> Result<(), F::Error> {
        match record {
            EitherView::Left(record) => self.function.on_left(record, state, &self.broadcast, cx),
            EitherView::Right(_) => unreachable!("{NOT_BY_KEY}"),
        }
    }

    fn on_timer<N: Push<F::Out>>(
        &mut self,
        timer: Timer,
        state: &mut StateOf<'_, '_, F::State, F::Key>,
        cx: &mut KeyedContext<'_, '_, F::Key, F::Out, N, F::Sides>,
    ) -> Result<(), Failure> {
        self.function.on_timer(timer, state, &self.broadcast, cx)
    }

    #[inline(always)]
    fn on_unkeyed<N: Push<F::Out>>(
        &mut self,
        record: EitherView<'_, F::Left, F::Right>,
        cx: &mut Context<'_, F::Out, N, F::Sides>,
    ) -> Result<(), F::Error> {
        match record {
            EitherView::Right(record) => self.function.on_right(record, &mut self.broadcast, cx),
            EitherView::Left(_) => unreachable!("{NOT_BY_KEY}"),
        }
    }

    fn unkeyed_states() -> Vec<StateInfo> {
        F::Broadcast::describe()
    }

    fn restore_unkeyed(&mut self, access: &StateAccess) -> Result<(), Failure> {
        self.broadcast.restore(access)
    }

    fn snapshot_unkeyed(&self, access: &StateAccess) -> Result<Vec<ValuePart>, Failure> {
        self.broadcast.snapshot(access)
    }

    fn on_snapshot(&mut self, checkpoint: u64) {
        self.function.on_snapshot(checkpoint);
    }

    fn on_complete(&mut self, checkpoint: u64) {
        self.function.on_complete(checkpoint);
    }

    fn on_abort(&mut self, checkpoint: u64) {
        self.function.on_abort(checkpoint);
    }

    fn close(&mut self) -> Result<(), Failure> {
        self.function.close()
    }
}

/// The key of the left of two streams, of which the right one has none.
#[derive(Clone)]
pub struct LeftKey<K>(pub(crate) K);

impl<L: Record, R: Record, K: KeyFn<L>> KeyFn<Either<L, R>> for LeftKey<K> {
    type Key = K::Key;

    #[inline(always)]
    fn with<T>(&self, record: EitherView<'_, L, R>, then: impl FnOnce(<K::Key as Record>::View<'_>) -> T) -> T {
        match record {
            EitherView::Left(record) => self.0.with(record, then),
            EitherView::Right(_) => unreachable!("{NOT_BY_KEY}"),
        }
    }
}
