//! What is done with the result of an aggregate: it is put out as it is, or given to a window function.

use std::marker::PhantomData;

use millstream_core::{aggregate::Aggregate, key::Key, record::Record, time::Window};

use super::{All, Elements, WindowContext, WindowFunction};
use crate::{
    failure::Failure,
    operator::{OpenContext, Push},
};

/// What is done with a result of type `R`. Unlike a [`WindowFunction`] it gets a reference: a view cannot be put beside that of the key, since nobody knows
/// whether views may be shortened.
pub trait OnResult<R: Record>: Clone + Send + 'static {
    /// The key of the stream.
    type Key: Key;
    /// What is kept for each key and window.
    type State: Record + Default;
    /// What is put out.
    type Out: Record;

    /// Called once before the first record.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure>;
    /// The window has fired.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn on_result<N: Push<Self::Out>>(
        &mut self,
        result: &R,
        state: &mut Self::State,
        cx: &mut WindowContext<'_, '_, Self::Key, Self::Out, N>,
    ) -> Result<(), Failure>;
    /// The window ends for good.
    fn clear(&mut self, key: <Self::Key as Record>::View<'_>, window: Window, state: Self::State);
}

/// Puts out the result with its key and window.
pub struct PutOut<K>(PhantomData<fn() -> K>);

impl<K> Default for PutOut<K> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<K> Clone for PutOut<K> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<K: Key, R: Record> OnResult<R> for PutOut<K> {
    type Key = K;
    type State = ();
    type Out = (K, Window, R);

    fn open(&mut self, _: &OpenContext<'_>) -> Result<(), Failure> {
        Ok(())
    }

    #[inline(always)]
    fn on_result<N: Push<Self::Out>>(
        &mut self,
        result: &R,
        (): &mut (),
        cx: &mut WindowContext<'_, '_, K, Self::Out, N>,
    ) -> Result<(), Failure> {
        cx.emit((cx.key.view(), cx.window, result.view()));
        Ok(())
    }

    fn clear(&mut self, _: K::View<'_>, _: Window, (): ()) {}
}

/// Gives the result to a window function.
#[derive(Clone)]
pub struct Given<F>(pub(crate) F);

impl<R: Record, F: WindowFunction<In = R>> OnResult<R> for Given<F> {
    type Key = F::Key;
    type State = F::State;
    type Out = F::Out;

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.0.open(cx)
    }

    fn on_result<N: Push<F::Out>>(
        &mut self,
        result: &R,
        state: &mut F::State,
        cx: &mut WindowContext<'_, '_, F::Key, F::Out, N>,
    ) -> Result<(), Failure> {
        self.0.fire(result.view(), state, cx)
    }

    fn clear(&mut self, key: <F::Key as Record>::View<'_>, window: Window, state: F::State) {
        self.0.clear(key, window, state);
    }
}

/// Aggregates all elements when the window fires, where some may have been evicted meanwhile. If none is left there is no result.
pub struct Finished<A, F, T> {
    aggregate: A,
    then: F,
    record: PhantomData<fn(T)>,
}

impl<A, F, T> Finished<A, F, T> {
    pub(crate) fn new(aggregate: A, then: F) -> Self {
        Self { aggregate, then, record: PhantomData }
    }
}

impl<A: Clone, F: Clone, T> Clone for Finished<A, F, T> {
    fn clone(&self) -> Self {
        Self::new(self.aggregate.clone(), self.then.clone())
    }
}

impl<T: Record, A: Aggregate<T>, F: OnResult<A::Out>> WindowFunction for Finished<A, F, T> {
    type Key = F::Key;
    type In = All<T>;
    type State = F::State;
    type Out = F::Out;

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        self.then.open(cx)
    }

    fn fire<N: Push<F::Out>>(
        &mut self,
        elements: Elements<'_, T>,
        state: &mut F::State,
        cx: &mut WindowContext<'_, '_, F::Key, F::Out, N>,
    ) -> Result<(), Failure> {
        if elements.is_empty() {
            return Ok(());
        }
        let mut accumulator = self.aggregate.create();
        elements.with_times().for_each(|(element, at)| self.aggregate.add(&mut accumulator, element, at));
        self.then.on_result(&self.aggregate.finish(&accumulator), state, cx)
    }

    fn clear(&mut self, key: <F::Key as Record>::View<'_>, window: Window, state: F::State) {
        self.then.clear(key, window, state);
    }
}
