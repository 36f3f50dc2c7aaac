//! [`Annotated`]: annotated functions are operators and keys by their bare name; and [`AnnotatedAsync`], which is the same for async functions.
//!
//! `#[map] fn clean(..)` becomes a type `clean` and a function `clean()` that makes its value. The function is what `.then(clean)` passes on. Were
//! `clean` a unit struct, no variable in its scope could have that name: `#[key] fn industry` would forbid `|(industry, window)|`.

use crate::async_io::{AsyncFunction, Asynchronous};

/// What makes an operator or a key selector: the name of an annotated function, or `|| my_operator` for a value of one's own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an annotated function",
    label = "not annotated",
    note = "put `#[map]`, `#[filter]`, `#[flat_map]` or `#[filter_map]` on a function that `.then(..)` is to take, and `#[key]` on one for `.key_with(..)`",
    note = "one that borrows a resource is called with what opens that: `.then(enriched(|_| Weather::load(\"weather.csv\")))`",
    note = "async functions, and those that block, go to `.then_async(..)`",
    note = "closures go to `.map(..)`, `.filter(..)`, `.key_by(..)` and so on; a value with an impl of its own is given as `|| value`"
)]
pub trait Annotated<O, Via> {
    /// Makes it.
    fn make(self) -> O;
}

/// How [`Annotated`] is fulfilled: by a function that makes the operator.
#[derive(Debug)]
pub struct ByName;

/// How [`Annotated`] is fulfilled: by an operator that is there already. With one way only rustc would say of an ordinary function that it takes the wrong
/// number of arguments; choosing between two it says what the trait says.
#[derive(Debug)]
pub struct Made;

/// An operator that is given to `.then(..)` as it is: what the call of an annotated function with a resource makes.
pub trait IsMade {}

#[diagnostic::do_not_recommend]
impl<O, F: FnOnce() -> O> Annotated<O, ByName> for F {
    fn make(self) -> O {
        self()
    }
}

#[diagnostic::do_not_recommend]
impl<O: IsMade> Annotated<O, Made> for O {
    fn make(self) -> O {
        self
    }
}

/// What makes an async function: the name of an annotated one, or the call of one with what opens its client.
#[diagnostic::on_unimplemented(
    message = "this is not an async function that a stream could wait for",
    label = "not annotated, or without its client",
    note = "put `#[async_map]`, `#[async_filter]`, `#[async_flat_map]` or `#[async_sink]` on an `async fn`; a function that blocks its thread has `#[map(blocking)]`",
    note = "one that borrows a client is called with what opens that: `.then_async(priced(|_| Desk::connect(\"localhost:4000\")))`",
    note = "what never waits has `#[map]` and goes to `.then(..)`"
)]
pub trait AnnotatedAsync<F: AsyncFunction, Via> {
    /// Makes it.
    fn make(self) -> Asynchronous<F>;
}

/// How nothing is fulfilled; see [`Made`].
#[doc(hidden)]
#[derive(Debug)]
pub struct InNoWay;

/// Never implemented.
#[doc(hidden)]
pub trait Never<F> {}

#[diagnostic::do_not_recommend]
impl<F: AsyncFunction, M: FnOnce() -> Asynchronous<F>> AnnotatedAsync<F, ByName> for M {
    fn make(self) -> Asynchronous<F> {
        self()
    }
}

#[diagnostic::do_not_recommend]
impl<F: AsyncFunction> AnnotatedAsync<F, Made> for Asynchronous<F> {
    fn make(self) -> Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<F: AsyncFunction, M: Never<F>> AnnotatedAsync<F, InNoWay> for M {
    fn make(self) -> Asynchronous<F> {
        unreachable!("nothing implements this bound")
    }
}
