//! Containment: a panic in user code fails the task and names the operator; the process lives on.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    future::Future,
    panic::{self, AssertUnwindSafe},
    pin::Pin,
    sync::Once,
    task::{Context, Poll},
};

use crate::{failure::Failure, graph::OperatorInfo};

thread_local! {
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
    /// The operator whose function panicked, and where: set while the panic unwinds, read when it is caught.
    static BLAME: RefCell<Blame> = const { RefCell::new(Blame { operator: None, place: None }) };
}

#[derive(Default)]
struct Blame {
    operator: Option<Box<OperatorInfo>>,
    place: Option<String>,
}

/// Stands on the stack while an operator's own function runs. It does nothing unless that panics: then it says whose it is.
pub(crate) struct Guard<'a>(&'a OperatorInfo);

impl<'a> Guard<'a> {
    #[inline(always)]
    pub(crate) fn new(operator: &'a OperatorInfo) -> Self {
        Self(operator)
    }

    #[inline(always)]
    pub(crate) fn done(self) {
        std::mem::forget(self);
    }
}

impl Drop for Guard<'_> {
    #[cold]
    fn drop(&mut self) {
        // Chains nest, so the innermost guard is dropped first and is the one to blame.
        BLAME.with_borrow_mut(|blame| {
            blame.operator.get_or_insert_with(|| Box::new(self.0.clone()));
        });
    }
}

/// A future whose panics are failures.
pub(crate) struct Contained<F>(Pin<Box<F>>);

impl<F: Future> Contained<F> {
    pub(crate) fn new(future: F) -> Self {
        install_hook();
        Self(Box::pin(future))
    }
}

impl<T, F: Future<Output = Result<T, Failure>>> Future for Contained<F> {
    type Output = Result<T, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut();
        match contain(|| future.poll(cx)) {
            Ok(polled) => polled,
            Err(failure) => Poll::Ready(Err(failure)),
        }
    }
}

/// Runs code that may call user functions; a panic becomes a failure.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Failure> {
    install_hook();
    let outer = IN_TASK.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    IN_TASK.set(outer);
    result.map_err(|payload| {
        let blame = BLAME.take();
        let place = blame.place.map_or(String::new(), |place| format!(" at {place}"));
        let failure = match payload.downcast::<Failure>() {
            // Blocking work that panicked elsewhere: it has been told already where.
            Ok(failure) => *failure,
            Err(payload) => Failure::new(format!("panicked{place}: {}", message(&*payload))),
        };
        match blame.operator {
            Some(operator) => failure.at_operator(&operator.to_string(), Some(operator.location)),
            None => failure,
        }
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("the panic carries no message")
}

/// Panics in tasks are reported as failures of the job, once, rather than printed by the thread they happen on.
fn install_hook() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IN_TASK.get() {
                BLAME.with_borrow_mut(|blame| blame.place = info.location().map(ToString::to_string));
            } else {
                before(info);
            }
        }));
    });
}
