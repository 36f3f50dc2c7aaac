//! [`Rolling`]: a result that is not the last of its key.

use rkyv::Place;

use crate::{
    dynamic::Value,
    record::{EncodeError, Encoder, Record},
    schema::{Field, Schema},
    view::View,
};

/// A result as of one record: the next record of the key brings another, which replaces it. `.rolling(..)` and `.reduce(..)` of a keyed stream
/// put it out, so that the type tells it from a result that is final.
///
/// Its view is a `Rolling` of the view: `|(key, Rolling(total))|`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Rolling<T>(pub T);

// SAFETY: archive and resolver are those of `T`, which vouches for them.
unsafe impl<T: Record> Record for Rolling<T> {
    type Archived = T::Archived;
    type Resolver = T::Resolver;
    type View<'a> = Rolling<T::View<'a>>;

    const SCHEMA: &'static Schema = &Schema::Struct("Rolling", &[Field { name: "0", schema: T::SCHEMA }]);
    const PLAIN: bool = T::PLAIN;

    #[inline(always)]
    fn view(&self) -> Rolling<T::View<'_>> {
        Rolling(self.0.view())
    }

    #[inline(always)]
    fn view_archived(archived: &T::Archived) -> Rolling<T::View<'_>> {
        Rolling(T::view_archived(archived))
    }

    #[inline(always)]
    fn from_view(view: Rolling<T::View<'_>>) -> Self {
        Self(T::from_view(view.0))
    }

    fn from_value(value: Value<'_>) -> Option<Self> {
        T::from_value(value.parts()?.next()?).map(Self)
    }

    #[inline(always)]
    fn is_none(view: Rolling<T::View<'_>>) -> bool {
        T::is_none(view.0)
    }

    #[inline(always)]
    fn write(view: Rolling<T::View<'_>>, out: &mut Encoder<'_>) -> Result<T::Resolver, EncodeError> {
        T::write(view.0, out)
    }

    #[inline(always)]
    fn finish(view: Rolling<T::View<'_>>, resolver: T::Resolver, out: Place<T::Archived>) {
        T::finish(view.0, resolver, out);
    }
}

impl<V: View> View for Rolling<V> {
    type Record = Rolling<V::Record>;
}
