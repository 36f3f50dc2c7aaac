//! [`WindowFunction`]: what comes out of a window when it fires.

use std::{convert::Infallible, fmt::Display, marker::PhantomData};

use millstream_core::{
    key::Key,
    outcome::Several,
    record::Record,
    time::{Timestamp, Window},
};

use super::{All, Elements, Unfired, WindowInput};
use crate::{
    failure::Failure,
    operator::{OpenContext, Push, Shippable},
    process::Moment,
};

/// A function on what a window holds, with state for each key and window: on all elements in `.apply_with(..)`, on the result of an aggregate in
/// `.aggregate_with(..)`. Each subtask works on a clone of its own.
///
/// ```
/// use millstream_core::record::Record;
/// use millstream_runtime::{
///     failure::Failure,
///     operator::Push,
///     windows::{WindowContext, WindowFunction},
/// };
///
/// /// Numbers the results of a window: the first time it fires it is 1.
/// #[derive(Clone)]
/// struct Numbered;
///
/// impl WindowFunction for Numbered {
///     type Key = u64;
///     type In = i64;
///     type State = u32;
///     type Out = (u64, u32, i64);
///
///     fn fire<N: Push<Self::Out>>(
///         &mut self,
///         sum: i64,
///         firings: &mut u32,
///         cx: &mut WindowContext<'_, '_, u64, Self::Out, N>,
///     ) -> Result<(), Failure> {
///         *firings += 1;
///         cx.emit((cx.key(), *firings, sum));
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a window function",
    label = "not a window function",
    note = "a closure goes to `.apply(|key, window, elements| ..)`; `.apply_with(..)` and `.aggregate_with(..)` take a type that implements `WindowFunction`"
)]
pub trait WindowFunction: Clone + Send + 'static {
    /// The key of the stream.
    type Key: Key;
    /// [`All`] elements, or the result of an aggregate.
    type In: WindowInput;
    /// What is kept for each key and window until the window ends for good; `()` if nothing. It begins as its default. A window that merges with others has none.
    type State: Record + Default;
    /// What it puts out.
    type Out: Record;

    /// Called once before the first record, on the subtask's own clone.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        let _ = cx;
        Ok(())
    }

    /// The window fires.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn fire<N: Push<Self::Out>>(
        &mut self,
        contents: <Self::In as WindowInput>::View<'_>,
        state: &mut Self::State,
        cx: &mut WindowContext<'_, '_, Self::Key, Self::Out, N>,
    ) -> Result<(), Failure>;

    /// The window ends for good, and with it this state.
    fn clear(&mut self, key: <Self::Key as Record>::View<'_>, window: Window, state: Self::State) {
        let _ = (key, window, state);
    }
}

/// What a window function may ask and do.
pub struct WindowContext<'a, 'k, K: Key, Out: Record, N> {
    pub(super) key: &'k K,
    pub(super) window: Window,
    pub(super) moment: Moment,
    pub(super) next: &'a mut N,
    pub(super) out: PhantomData<fn(Out)>,
}

impl<'k, K: Key, Out: Record, N: Push<Out>> WindowContext<'_, 'k, K, Out, N> {
    /// The key.
    #[inline(always)]
    pub fn key(&self) -> K::View<'k> {
        self.key.view()
    }

    /// The window.
    #[inline(always)]
    pub fn window(&self) -> Window {
        self.window
    }

    /// How far event time has come: while windows fire it is the watermark that they fire by.
    #[inline(always)]
    pub fn watermark(&self) -> Timestamp {
        self.moment.watermark
    }

    /// Processing time: the clock on the wall, as of the beginning of this step of the task.
    #[inline(always)]
    pub fn wall(&self) -> Timestamp {
        self.moment.wall
    }

    /// Puts out a record, with the window's last millisecond as its time.
    #[inline(always)]
    pub fn emit(&mut self, record: Out::View<'_>) {
        self.next.push(record, self.window.max_timestamp());
    }
}

/// A function on all elements, which may reject a window: a [`WindowFunction`], which does not, or a closure.
pub trait OnElements<T: Record>: Clone + Send + 'static {
    /// The key of the stream.
    type Key: Key;
    /// What is kept for each key and window.
    type State: Record + Default;
    /// What it puts out.
    type Out: Record;
    /// Why it may reject a window.
    type Error: Display + Send + 'static;

    /// Called once before the first record.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure>;
    /// The window fires.
    ///
    /// # Errors
    ///
    /// A failure fails the job; what is rejected has its policy.
    fn fire<N: Push<Self::Out>>(
        &mut self,
        elements: Elements<'_, T>,
        state: &mut Self::State,
        cx: &mut WindowContext<'_, '_, Self::Key, Self::Out, N>,
    ) -> Result<(), Unfired<Self::Error>>;
    /// The window ends for good.
    fn clear(&mut self, key: <Self::Key as Record>::View<'_>, window: Window, state: Self::State);
}

impl<T: Record, F: WindowFunction<In = All<T>>> OnElements<T> for F {
    type Key = F::Key;
    type State = F::State;
    type Out = F::Out;
    type Error = Infallible;

    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        WindowFunction::open(self, cx)
    }

    #[inline(always)]
    fn fire<N: Push<F::Out>>(
        &mut self,
        elements: Elements<'_, T>,
        state: &mut F::State,
        cx: &mut WindowContext<'_, '_, F::Key, F::Out, N>,
    ) -> Result<(), Unfired<Infallible>> {
        Ok(WindowFunction::fire(self, elements, state, cx)?)
    }

    fn clear(&mut self, key: <F::Key as Record>::View<'_>, window: Window, state: F::State) {
        WindowFunction::clear(self, key, window, state);
    }
}

/// A closure on all elements.
pub struct Applied<F, K, T, R>(F, PhantomData<fn() -> (K, T, R)>);

impl<F, K, T, R> Applied<F, K, T, R> {
    pub(crate) fn new(call: F) -> Self {
        Self(call, PhantomData)
    }
}

impl<F: Clone, K, T, R> Clone for Applied<F, K, T, R> {
    fn clone(&self) -> Self {
        Self::new(self.0.clone())
    }
}

impl<F: Shippable, K: Key, T: Record, R: Several + 'static> OnElements<T> for Applied<F, K, T, R>
where
    F: for<'k, 'a> Fn(K::View<'k>, Window, Elements<'a, T>) -> R,
{
    type Key = K;
    type State = ();
    type Out = R::Value;
    type Error = R::Error;

    fn open(&mut self, _: &OpenContext<'_>) -> Result<(), Failure> {
        Ok(())
    }

    fn fire<N: Push<R::Value>>(
        &mut self,
        elements: Elements<'_, T>,
        (): &mut (),
        cx: &mut WindowContext<'_, '_, K, R::Value, N>,
    ) -> Result<(), Unfired<R::Error>> {
        let records = (self.0)(cx.key(), cx.window, elements).several().map_err(Unfired::Rejected)?;
        records.for_each(|record| cx.emit(record.view()));
        Ok(())
    }

    fn clear(&mut self, _: K::View<'_>, _: Window, (): ()) {}
}
