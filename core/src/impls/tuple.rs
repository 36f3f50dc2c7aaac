//! Tuples of up to twelve records, and `()`: the view is a tuple of views.

use std::cmp::Ordering;

use rkyv::{
    Place,
    munge::munge,
    tuple::{
        ArchivedTuple1, ArchivedTuple2, ArchivedTuple3, ArchivedTuple4, ArchivedTuple5, ArchivedTuple6, ArchivedTuple7,
        ArchivedTuple8, ArchivedTuple9, ArchivedTuple10, ArchivedTuple11, ArchivedTuple12,
    },
};

use crate::{
    dynamic::Value,
    key::{Key, combine, mix},
    record::{EncodeError, Encoder, Record},
    schema::Schema,
    view::View,
};

macro_rules! tuple {
    ($archived:ident $len:literal: $($T:ident $a:ident $b:ident $i:tt),*) => {
        // SAFETY: `finish` writes each of the parts, in the place that its type asks for and with the resolver that its type made for it.
        unsafe impl<$($T: Record),*> Record for ($($T,)*) {
            type Archived = $archived<$($T::Archived),*>;
            type Resolver = ($($T::Resolver,)*);
            type View<'a> = ($($T::View<'a>,)*);

            const SCHEMA: &'static Schema = &Schema::Tuple(&[$($T::SCHEMA),*]);
            const PLAIN: bool = $($T::PLAIN)&&*;

            #[inline(always)]
            fn view(&self) -> Self::View<'_> {
                ($(self.$i.view(),)*)
            }

            #[inline(always)]
            fn view_archived(archived: &Self::Archived) -> Self::View<'_> {
                ($($T::view_archived(&archived.$i),)*)
            }

            #[inline(always)]
            fn from_view(view: Self::View<'_>) -> Self {
                ($($T::from_view(view.$i),)*)
            }

            fn from_value(value: Value<'_>) -> Option<Self> {
                let mut parts = value.parts()?;
                Some(($($T::from_value(parts.next()?)?,)*))
            }

            #[inline(always)]
            fn write(view: Self::View<'_>, out: &mut Encoder<'_>) -> Result<Self::Resolver, EncodeError> {
                Ok(($($T::write(view.$i, out)?,)*))
            }

            #[inline(always)]
            fn finish(view: Self::View<'_>, resolver: Self::Resolver, out: Place<Self::Archived>) {
                munge!(let $archived($($a),*) = out);
                $($T::finish(view.$i, resolver.$i, $a);)*
            }
        }

        impl<$($T: View),*> View for ($($T,)*) {
            type Record = ($($T::Record,)*);
        }

        impl<$($T: Key),*> Key for ($($T,)*) {
            type KeyProof = ();

            const CARRY_HASH: bool = $len > 1 $(|| $T::CARRY_HASH)*;

            #[inline(always)]
            fn same(($($a,)*): Self::View<'_>, ($($b,)*): Self::View<'_>) -> bool {
                $($T::same($a, $b))&&*
            }

            #[inline(always)]
            fn compare(($($a,)*): Self::View<'_>, ($($b,)*): Self::View<'_>) -> Ordering {
                Ordering::Equal$(.then_with(|| $T::compare($a, $b)))*
            }

            #[inline(always)]
            fn hash(view: Self::View<'_>) -> u64 {
                let hash = mix($len);
                $(let hash = combine(hash, $T::hash(view.$i));)*
                hash
            }
        }
    };
}

tuple!(ArchivedTuple1 1: A a1 a2 0);
tuple!(ArchivedTuple2 2: A a1 a2 0, B b1 b2 1);
tuple!(ArchivedTuple3 3: A a1 a2 0, B b1 b2 1, C c1 c2 2);
tuple!(ArchivedTuple4 4: A a1 a2 0, B b1 b2 1, C c1 c2 2, D d1 d2 3);
tuple!(ArchivedTuple5 5: A a1 a2 0, B b1 b2 1, C c1 c2 2, D d1 d2 3, E e1 e2 4);
tuple!(ArchivedTuple6 6: A a1 a2 0, B b1 b2 1, C c1 c2 2, D d1 d2 3, E e1 e2 4, F f1 f2 5);
tuple!(ArchivedTuple7 7: A a1 a2 0, B b1 b2 1, C c1 c2 2, D d1 d2 3, E e1 e2 4, F f1 f2 5, G g1 g2 6);
tuple!(ArchivedTuple8 8: A a1 a2 0, B b1 b2 1, C c1 c2 2, D d1 d2 3, E e1 e2 4, F f1 f2 5, G g1 g2 6, H h1 h2 7);
tuple!(
    ArchivedTuple9 9:
    A a1 a2 0, B b1 b2 1, C c1 c2 2, D d1 d2 3, E e1 e2 4, F f1 f2 5, G g1 g2 6, H h1 h2 7, I i1 i2 8
);
tuple!(
    ArchivedTuple10 10:
    A a1 a2 0, B b1 b2 1, C c1 c2 2, D d1 d2 3, E e1 e2 4, F f1 f2 5, G g1 g2 6, H h1 h2 7, I i1 i2 8, J j1 j2 9
);
tuple!(
    ArchivedTuple11 11:
    A a1 a2 0, B b1 b2 1, C c1 c2 2, D d1 d2 3, E e1 e2 4, F f1 f2 5, G g1 g2 6, H h1 h2 7, I i1 i2 8, J j1 j2 9,
    K k1 k2 10
);
tuple!(
    ArchivedTuple12 12:
    A a1 a2 0, B b1 b2 1, C c1 c2 2, D d1 d2 3, E e1 e2 4, F f1 f2 5, G g1 g2 6, H h1 h2 7, I i1 i2 8, J j1 j2 9,
    K k1 k2 10, L l1 l2 11
);

// SAFETY: the archive has no bytes.
unsafe impl Record for () {
    type Archived = ();
    type Resolver = ();
    type View<'a> = ();

    const SCHEMA: &'static Schema = &Schema::Tuple(&[]);
    const PLAIN: bool = true;

    #[inline(always)]
    fn view(&self) {}

    #[inline(always)]
    fn view_archived((): &()) {}

    #[inline(always)]
    fn from_view((): ()) {}

    fn from_value(_: Value<'_>) -> Option<()> {
        Some(())
    }

    #[inline(always)]
    fn write((): (), _: &mut Encoder<'_>) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline(always)]
    fn finish((): (), (): (), _: Place<()>) {}
}

impl View for () {
    type Record = ();
}

impl Key for () {
    type KeyProof = ();

    const CARRY_HASH: bool = false;

    #[inline(always)]
    fn same((): (), (): ()) -> bool {
        true
    }

    #[inline(always)]
    fn compare((): (), (): ()) -> Ordering {
        Ordering::Equal
    }

    #[inline(always)]
    fn hash((): ()) -> u64 {
        mix(0)
    }
}
