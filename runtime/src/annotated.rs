//! [`Annotated`]: annotated functions are operators by their bare name.
//!
//! `#[map] fn clean(..)` becomes a type `clean` and a function `clean()` that gives its value. The function is what
//! `.then(clean)` passes on. Were `clean` a unit struct, no variable in its scope could have that name: `#[key] fn industry`
//! would forbid `|(industry, window)|`.

use millstream_core::{record::Record, time::Timestamp};

use crate::operator::{KeyFn, Location, Operator, Push};

/// The type of an annotated function. It holds nothing, so that a value can be made wherever one is needed.
pub trait Annotated: Copy {}

#[diagnostic::do_not_recommend]
impl<T: Record, F, O> Operator<T> for F
where
    F: Fn() -> O + Clone + Send + 'static,
    O: Operator<T> + Annotated,
{
    type Out = O::Out;
    type Error = O::Error;

    const KIND: &'static str = O::KIND;

    fn name(&self) -> &'static str {
        self().name()
    }

    fn location(&self) -> Option<Location> {
        self().location()
    }

    #[inline(always)]
    fn process<N: Push<Self::Out>>(
        &mut self,
        record: T::View<'_>,
        at: Timestamp,
        out: &mut N,
    ) -> Result<(), Self::Error> {
        self().process(record, at, out)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Record, F, K> KeyFn<T> for F
where
    F: Fn() -> K + Clone + Send + 'static,
    K: KeyFn<T> + Annotated,
{
    type Key = K::Key;

    fn name(&self) -> &'static str {
        self().name()
    }

    #[inline(always)]
    fn with<R>(&self, record: T::View<'_>, then: impl FnOnce(<Self::Key as Record>::View<'_>) -> R) -> R {
        self().with(record, then)
    }
}
