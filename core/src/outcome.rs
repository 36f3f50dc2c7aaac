//! What the closures of `map`, `filter`, `filter_map` and `flat_map` may return: the value, or a `Result` of it.
//!
//! (The traits live beside [`Record`] because only its own crate may know that `Result` is no record.)

use std::{convert::Infallible, fmt::Display};

use crate::record::Record;

/// What the closures of `map` and its kin may return: a record, or a `Result` of one.
#[diagnostic::on_unimplemented(
    message = "a closure here returns `{Self}`, which is neither a record nor a `Result` of one",
    label = "returns something that cannot flow",
    note = "put `#[derive(Record)]` on the type that the closure returns",
    note = "a closure returns owned values (`String`, not `&str`): to return what borrows from the record write a function with `#[map]` and use `.then(my_function)`"
)]
pub trait Outcome {
    /// What flows on.
    type Value: Record;
    /// Known only if the value is a record; see [`When`](crate::proof::When).
    #[doc(hidden)]
    type Proof;
    /// Why not; [`Infallible`] for a plain value.
    type Error: Display + Send + 'static;
    /// The two as a `Result`.
    fn outcome(self) -> Result<Self::Value, Self::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Record> Outcome for T {
    type Value = T;
    type Proof = T::Archived;
    type Error = Infallible;
    #[inline(always)]
    fn outcome(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Record, E: Display + Send + 'static> Outcome for Result<T, E> {
    type Value = T;
    type Proof = T::Archived;
    type Error = E;
    #[inline(always)]
    fn outcome(self) -> Result<T, E> {
        self
    }
}

/// What the closure of `filter` may return: `bool`, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "the closure of `filter` returns `{Self}` instead of `bool`",
    label = "neither `bool` nor `Result<bool, _>`",
    note = "return whether the record is kept, as `|trade| trade.price > 0.0`; to change records use `.map(..)`, to change and drop them `.filter_map(..)`"
)]
pub trait Verdict {
    /// Why it cannot be said.
    type Error: Display + Send + 'static;
    /// Whether the record is kept.
    fn verdict(self) -> Result<bool, Self::Error>;
}

impl Verdict for bool {
    type Error = Infallible;
    #[inline(always)]
    fn verdict(self) -> Result<bool, Infallible> {
        Ok(self)
    }
}

impl<E: Display + Send + 'static> Verdict for Result<bool, E> {
    type Error = E;
    #[inline(always)]
    fn verdict(self) -> Result<bool, E> {
        self
    }
}

/// What the closure of `filter_map` may return: an `Option` of a record, or a `Result` of that.
#[diagnostic::on_unimplemented(
    message = "the closure of `filter_map` returns `{Self}` instead of an `Option` of a record",
    label = "neither `Option<record>` nor `Result<Option<record>, _>`",
    note = "return `Some(record)` for what flows on and `None` for what does not"
)]
pub trait Perhaps {
    /// What flows on.
    type Value: Record;
    /// Known only if the value is a record; see [`When`](crate::proof::When).
    #[doc(hidden)]
    type Proof;
    /// Why it cannot be said.
    type Error: Display + Send + 'static;
    /// The value, if there is one.
    fn perhaps(self) -> Result<Option<Self::Value>, Self::Error>;
}

impl<T: Record> Perhaps for Option<T> {
    type Value = T;
    type Proof = T::Archived;
    type Error = Infallible;
    #[inline(always)]
    fn perhaps(self) -> Result<Option<T>, Infallible> {
        Ok(self)
    }
}

impl<T: Record, E: Display + Send + 'static> Perhaps for Result<Option<T>, E> {
    type Value = T;
    type Proof = T::Archived;
    type Error = E;
    #[inline(always)]
    fn perhaps(self) -> Result<Option<T>, E> {
        self
    }
}

/// What the closure of `flat_map` may return: a `Vec`, an array or an `Option` of records, [`each`] of an iterator, or a `Result` of these.
#[diagnostic::on_unimplemented(
    message = "the closure of `flat_map` returns `{Self}`, which is no collection of records",
    label = "neither `Vec<record>`, `Option<record>`, `[record; N]` nor `each(iterator)`",
    note = "wrap an iterator as `each(iterator)`; to return what borrows from the record write a function with `#[flat_map]` and use `.then(my_function)`",
    note = "the list of a view, such as the result of `top_k` or `collect`, is copied by `.to_vec()`"
)]
pub trait Several {
    /// What flows on.
    type Value: Record;
    /// Known only if the values are records; see [`When`](crate::proof::When).
    #[doc(hidden)]
    type Proof;
    /// Why it cannot be said.
    type Error: Display + Send + 'static;
    /// The records.
    fn several(self) -> Result<impl Iterator<Item = Self::Value>, Self::Error>;
}

macro_rules! several {
    ([$($generics:tt)*] $type:ty) => {
        impl<T: Record, $($generics)*> Several for $type {
            type Value = T;
            type Proof = T::Archived;
            type Error = Infallible;
            #[inline(always)]
            fn several(self) -> Result<impl Iterator<Item = T>, Infallible> {
                Ok(self.into_iter())
            }
        }
    };
}
several!([] Vec<T>);
several!([] Option<T>);
several!([const N: usize] [T; N]);

impl<S: Several<Error = Infallible>, E: Display + Send + 'static> Several for Result<S, E> {
    type Value = S::Value;
    type Proof = S::Proof;
    type Error = E;
    #[inline(always)]
    fn several(self) -> Result<impl Iterator<Item = S::Value>, E> {
        self.map(|some| {
            let Ok(records) = some.several();
            records
        })
    }
}

/// An iterator as the result of `flat_map`'s closure; see [`each`].
pub struct Each<I>(I);

/// Hands the items of an iterator to `flat_map`. (An iterator cannot be returned as it is: a `Result` is one too, and its error would be lost.)
pub fn each<I: IntoIterator>(items: I) -> Each<I::IntoIter> {
    Each(items.into_iter())
}

impl<I: Iterator<Item: Record>> Several for Each<I> {
    type Value = I::Item;
    type Proof = <I::Item as Record>::Archived;
    type Error = Infallible;
    #[inline(always)]
    fn several(self) -> Result<impl Iterator<Item = I::Item>, Infallible> {
        Ok(self.0)
    }
}
