//! [`Annotated`]: annotated functions are operators and keys by their bare name.
//!
//! `#[map] fn clean(..)` becomes a type `clean` and a function `clean()` that makes its value. The function is what `.then(clean)` passes on. Were
//! `clean` a unit struct, no variable in its scope could have that name: `#[key] fn industry` would forbid `|(industry, window)|`.

/// What makes an operator or a key selector: the name of an annotated function, or `|| my_operator` for a value of one's own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an annotated function",
    label = "not annotated",
    note = "put `#[map]`, `#[filter]`, `#[flat_map]` or `#[filter_map]` on a function that `.then(..)` is to take, and `#[key]` on one for `.key_with(..)`",
    note = "one that borrows a resource is called with what opens that: `.then(enriched(|_| Weather::load(\"weather.csv\")))`",
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
