//! [`Calling`]: where a call's future is while it is in flight. Its memory is used again for the next call, so no call allocates.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::function::{Answers, AsyncFunction};
use crate::env::{Unbudgeted, unbudgeted};

/// What a call gives.
pub(super) type AnswersOf<F> = Answers<<F as AsyncFunction>::Answer, <F as AsyncFunction>::Error>;

/// A place for a future whose type nobody can name.
pub(super) trait Calling<F: AsyncFunction>: Send {
    /// Begins a call; one that is in flight is dropped.
    fn begin(&mut self, client: Arc<F::Client>, requests: F::Requests);
    /// Goes on with the call. Once it is answered the place is free.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<AnswersOf<F>>;
    /// Drops the call.
    fn give_up(&mut self);
}

/// A place for calls of a function.
pub(super) fn place<F: AsyncFunction>() -> Box<dyn Calling<F>> {
    fn of<F: AsyncFunction, Fut>(call: fn(Arc<F::Client>, F::Requests) -> Fut) -> Box<dyn Calling<F>>
    where
        Fut: Future<Output = AnswersOf<F>> + Send + 'static,
    {
        Box::new(Place { call, future: Box::pin(None) })
    }
    of::<F, _>(F::call)
}

struct Place<C, Fut> {
    call: C,
    future: Pin<Box<Option<Unbudgeted<Fut>>>>,
}

impl<F, Fut> Calling<F> for Place<fn(Arc<F::Client>, F::Requests) -> Fut, Fut>
where
    F: AsyncFunction,
    Fut: Future<Output = AnswersOf<F>> + Send + 'static,
{
    #[inline]
    fn begin(&mut self, client: Arc<F::Client>, requests: F::Requests) {
        let call = self.call;
        self.future.set(Some(unbudgeted(call(client, requests))));
    }

    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<AnswersOf<F>> {
        let Some(future) = self.future.as_mut().as_pin_mut() else { return Poll::Pending };
        let polled = future.poll(cx);
        if polled.is_ready() {
            self.future.set(None);
        }
        polled
    }

    fn give_up(&mut self) {
        self.future.set(None);
    }
}
