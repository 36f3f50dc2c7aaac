//! [`Contents`]: what is kept of a window's elements, and what comes out when it fires.

use std::{convert::Infallible, fmt::Display, marker::PhantomData};

use millstream_core::{
    aggregate::Aggregate,
    key::Key,
    record::Record,
    time::{Timestamp, Window},
};

use super::{Elements, OnElements, OnResult, Unfired, WindowContext};
use crate::{
    failure::Failure,
    operator::{OpenContext, Push},
    windows::evictors::{Evicting, EvictionContext, Evictor},
};

/// What is kept of a window's elements, and what is done with it. A window may hold nothing: after it was purged, or once all elements are evicted.
pub trait Contents<T: Record>: Clone + Send + 'static {
    /// The key of the stream.
    type Key: Key;
    /// What is kept of the elements.
    type Kept: Record;
    /// What else is kept for each key and window, until it ends for good.
    type State: Record + Default;
    /// What is put out.
    type Out: Record;
    /// Why a window may be rejected; [`Infallible`] if it never is.
    type Error: Display + Send + 'static;

    /// Called once before the first record.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure>;
    /// Adds an element.
    fn add(&self, kept: &mut Option<Self::Kept>, record: T::View<'_>, at: Timestamp);
    /// Adds what another window holds.
    fn merge(&self, kept: &mut Option<Self::Kept>, other: Self::Kept);
    /// The window fires.
    ///
    /// # Errors
    ///
    /// A failure fails the job; what a function rejects has its policy.
    fn fire<N: Push<Self::Out>>(
        &mut self,
        kept: &mut Option<Self::Kept>,
        state: &mut Self::State,
        cx: &mut WindowContext<'_, '_, Self::Key, Self::Out, N>,
    ) -> Result<(), Unfired<Self::Error>>;
    /// The window ends for good.
    fn clear(&mut self, key: <Self::Key as Record>::View<'_>, window: Window, state: Self::State);
}

/// An aggregate's accumulator.
#[derive(Clone)]
pub struct Folded<A, F> {
    pub(crate) aggregate: A,
    pub(crate) then: F,
}

impl<T: Record, A: Aggregate<T>, F: OnResult<A::Out>> Contents<T> for Folded<A, F> {
    type Key = F::Key;
    type Kept = A::Acc;
    type State = F::State;
    type Out = F::Out;
    type Error = Infallible;

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.then.open(cx)
    }

    #[inline(always)]
    fn add(&self, kept: &mut Option<A::Acc>, record: T::View<'_>, at: Timestamp) {
        self.aggregate.add(kept.get_or_insert_with(|| self.aggregate.create()), record, at);
    }

    fn merge(&self, kept: &mut Option<A::Acc>, other: A::Acc) {
        match kept {
            Some(kept) => self.aggregate.merge(kept, other.view()),
            None => *kept = Some(other),
        }
    }

    #[inline(always)]
    fn fire<N: Push<F::Out>>(
        &mut self,
        kept: &mut Option<A::Acc>,
        state: &mut F::State,
        cx: &mut WindowContext<'_, '_, F::Key, F::Out, N>,
    ) -> Result<(), Unfired<Infallible>> {
        let Some(accumulator) = kept else { return Ok(()) };
        Ok(self.then.on_result(&self.aggregate.finish(accumulator), state, cx)?)
    }

    fn clear(&mut self, key: <F::Key as Record>::View<'_>, window: Window, state: F::State) {
        self.then.clear(key, window, state);
    }
}

/// All elements, with what evicts some of them.
pub struct Whole<T, E, F> {
    evictor: E,
    function: F,
    record: PhantomData<fn() -> T>,
}

impl<T, E, F> Whole<T, E, F> {
    pub(crate) fn new(evictor: E, function: F) -> Self {
        Self { evictor, function, record: PhantomData }
    }
}

impl<T, E: Clone, F: Clone> Clone for Whole<T, E, F> {
    fn clone(&self) -> Self {
        Self::new(self.evictor.clone(), self.function.clone())
    }
}

impl<T: Record, E: Evictor<T>, F: OnElements<T>> Contents<T> for Whole<T, E, F> {
    type Key = F::Key;
    type Kept = Vec<(Timestamp, T)>;
    type State = F::State;
    type Out = F::Out;
    type Error = F::Error;

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.function.open(cx)
    }

    #[inline(always)]
    fn add(&self, kept: &mut Option<Self::Kept>, record: T::View<'_>, at: Timestamp) {
        kept.get_or_insert_default().push((at, T::from_view(record)));
    }

    fn merge(&self, kept: &mut Option<Self::Kept>, other: Self::Kept) {
        kept.get_or_insert_default().extend(other);
    }

    fn fire<N: Push<F::Out>>(
        &mut self,
        kept: &mut Option<Self::Kept>,
        state: &mut F::State,
        cx: &mut WindowContext<'_, '_, F::Key, F::Out, N>,
    ) -> Result<(), Unfired<F::Error>> {
        let Some(elements) = kept else { return Ok(()) };
        let moment = EvictionContext::new(cx.window, cx.moment);
        self.evictor.before(&mut Evicting::new(elements), &moment);
        let fired = self.function.fire(Elements::new(elements), state, cx);
        self.evictor.after(&mut Evicting::new(elements), &moment);
        if elements.is_empty() {
            *kept = None;
        }
        fired
    }
    fn clear(&mut self, key: <F::Key as Record>::View<'_>, window: Window, state: F::State) {
        self.function.clear(key, window, state);
    }
}
