//! `Option<T>`: the view is an option of the view.

use std::cmp::Ordering;

use rkyv::{Place, munge::munge, option::ArchivedOption};

use crate::{
    dynamic::Value,
    key::{Key, combine, mix},
    record::{EncodeError, Encoder, Record},
    schema::Schema,
    view::View,
};

/// `ArchivedOption::None` as the bytes of a `repr(u8)` enum are laid out.
#[repr(C)]
struct NoneLayout(u8);

/// `ArchivedOption::Some`, likewise.
#[repr(C)]
struct SomeLayout<T>(u8, T);

const NONE: u8 = 0;
const SOME: u8 = 1;

// SAFETY: the variant that `finish` writes is complete: the tag, and for `Some` the value, of which `T` vouches for. A resolver is `Some`
// exactly where the view it was made from is.
unsafe impl<T: Record> Record for Option<T> {
    type Archived = ArchivedOption<T::Archived>;
    type Resolver = Option<T::Resolver>;
    type View<'a> = Option<T::View<'a>>;

    const SCHEMA: &'static Schema = &Schema::Option(T::SCHEMA);
    const PLAIN: bool = T::PLAIN;

    #[inline(always)]
    fn view(&self) -> Option<T::View<'_>> {
        self.as_ref().map(T::view)
    }

    #[inline(always)]
    fn view_archived(archived: &Self::Archived) -> Option<T::View<'_>> {
        archived.as_ref().map(T::view_archived)
    }

    #[inline(always)]
    fn from_view(view: Option<T::View<'_>>) -> Self {
        view.map(T::from_view)
    }

    fn from_value(value: Value<'_>) -> Option<Self> {
        match value {
            Value::Option(None) => Some(None),
            Value::Option(Some(value)) => T::from_value(*value).map(Some),
            _ => None,
        }
    }

    #[inline(always)]
    fn is_none(view: Option<T::View<'_>>) -> bool {
        view.is_none_or(T::is_none)
    }

    #[inline(always)]
    fn write(view: Option<T::View<'_>>, out: &mut Encoder<'_>) -> Result<Self::Resolver, EncodeError> {
        view.map(|value| T::write(value, out)).transpose()
    }

    #[inline(always)]
    fn finish(view: Option<T::View<'_>>, resolver: Self::Resolver, out: Place<Self::Archived>) {
        match view.zip(resolver) {
            None => {
                // SAFETY: a `repr(u8)` enum is a union of `repr(C)` structs that begin with the tag, and `None` is the first variant.
                let out = unsafe { out.cast_unchecked::<NoneLayout>() };
                munge!(let NoneLayout(tag) = out);
                tag.write(NONE);
            }
            Some((value, resolver)) => {
                // SAFETY: as above; `Some` is the second variant and has one field after the tag.
                let out = unsafe { out.cast_unchecked::<SomeLayout<T::Archived>>() };
                munge!(let SomeLayout(tag, out_value) = out);
                tag.write(SOME);
                T::finish(value, resolver, out_value);
            }
        }
    }
}

impl<V: View> View for Option<V> {
    type Record = Option<V::Record>;
}

impl<T: Key> Key for Option<T> {
    type KeyProof = ();

    const CARRY_HASH: bool = T::CARRY_HASH;

    #[inline(always)]
    fn same(a: Option<T::View<'_>>, b: Option<T::View<'_>>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => T::same(a, b),
            (None, None) => true,
            _ => false,
        }
    }

    #[inline(always)]
    fn compare(a: Option<T::View<'_>>, b: Option<T::View<'_>>) -> Ordering {
        match (a, b) {
            (Some(a), Some(b)) => T::compare(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    }

    #[inline(always)]
    fn hash(view: Option<T::View<'_>>) -> u64 {
        match view {
            None => mix(0),
            Some(value) => combine(mix(1), T::hash(value)),
        }
    }
}
