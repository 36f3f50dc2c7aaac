//! Tuples of up to eight aggregates: each sees every record.

use super::{Aggregate, Merging};
use crate::{record::Record, time::Timestamp};

macro_rules! tuple {
    ($($A:ident $i:tt),*) => {
        impl<T: Record, $($A: Aggregate<T>),*> Aggregate<T> for ($($A,)*) {
            type Acc = ($($A::Acc,)*);
            type Out = ($($A::Out,)*);

            const MERGES: bool = $($A::MERGES)&&*;

            #[inline(always)]
            fn create(&self) -> Self::Acc {
                ($(self.$i.create(),)*)
            }

            #[inline(always)]
            fn add(&self, acc: &mut Self::Acc, record: T::View<'_>, at: Timestamp) {
                $(self.$i.add(&mut acc.$i, record, at);)*
            }

            #[inline(always)]
            fn merge(&self, acc: &mut Self::Acc, other: <Self::Acc as Record>::View<'_>) {
                $(self.$i.merge(&mut acc.$i, other.$i);)*
            }

            #[inline(always)]
            fn finish(&self, acc: &Self::Acc) -> Self::Out {
                ($(self.$i.finish(&acc.$i),)*)
            }

            const SUBTRACTS: bool = $($A::SUBTRACTS)&&*;

            #[inline(always)]
            fn subtract(&self, acc: &mut Self::Acc, other: <Self::Acc as Record>::View<'_>) {
                $(self.$i.subtract(&mut acc.$i, other.$i);)*
            }
        }

        impl<$($A: Merging),*> Merging for ($($A,)*) {}
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
