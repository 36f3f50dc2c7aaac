//! Documents that are tuples, and `()`.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer, Serializer,
    de::{Error, SeqAccess, Visitor},
    ser::SerializeTuple as _,
};

use super::{
    Document, Part, Scratch,
    derive::{Items, expect_items},
};

struct Tuple<'t, T> {
    scratch: &'t Scratch,
    record: PhantomData<fn() -> T>,
}

/// An array of exactly as many elements.
macro_rules! tuple {
    ($len:literal: $($T:ident $i:tt),*) => {
        impl<'t, $($T: Document<'t>),*> Visitor<'t> for Tuple<'t, ($($T,)*)> {
            type Value = ($($T::View<'t>,)*);

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                expect_items($len, f)
            }

            #[inline]
            fn visit_seq<Q: SeqAccess<'t>>(self, elements: Q) -> Result<Self::Value, Q::Error> {
                let mut items = Items::new(elements, $len, self.scratch);
                let view = ($(items.item::<$T>()?,)*);
                items.end()?;
                Ok(view)
            }
        }

        impl<'t, $($T: Document<'t>),*> Document<'t> for ($($T,)*) {
            #[inline]
            fn deserialize<Q: Deserializer<'t>>(from: Q, scratch: &'t Scratch) -> Result<Self::View<'t>, Q::Error> {
                from.deserialize_tuple($len, Tuple::<Self> { scratch, record: PhantomData })
            }

            fn serialize<Q: Serializer>(view: Self::View<'_>, to: Q) -> Result<Q::Ok, Q::Error> {
                let mut tuple = to.serialize_tuple($len)?;
                $(tuple.serialize_element(&Part::<'_, 't, $T>::new(view.$i))?;)*
                tuple.end()
            }
        }
    };
}

tuple!(1: A 0);
tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
tuple!(5: A 0, B 1, C 2, D 3, E 4);
tuple!(6: A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);

struct Unit;

impl Visitor<'_> for Unit {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

/// `null`.
impl<'t> Document<'t> for () {
    fn deserialize<D: Deserializer<'t>>(from: D, _: &'t Scratch) -> Result<(), D::Error> {
        from.deserialize_unit(Unit)
    }

    fn serialize<S: Serializer>((): (), to: S) -> Result<S::Ok, S::Error> {
        to.serialize_unit()
    }
}
