//! Documents that are lists: `Vec<T>` and `[T; N]`.

use std::{array, fmt, marker::PhantomData};

use serde::{
    Deserializer, Serializer,
    de::{SeqAccess, Visitor},
    ser::{SerializeSeq as _, SerializeTuple as _},
};

use super::{Document, Part, Scratch, Seed, Step, derive::Items};
use crate::impls::VecView;

struct List<'t, T> {
    scratch: &'t Scratch,
    record: PhantomData<fn() -> T>,
}

impl<'t, T: Document<'t>> Visitor<'t> for List<'t, T> {
    type Value = VecView<'t, T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'t>>(self, mut elements: A) -> Result<VecView<'t, T>, A::Error> {
        let mut views = self.scratch.list();
        loop {
            match elements.next_element_seed(Seed::<T>::new(self.scratch)) {
                Ok(Some(view)) => views.push(view),
                Ok(None) => return Ok(VecView::Views(views.into_bump_slice())),
                Err(error) => return Err(self.scratch.within(Step::Index(views.len()), error)),
            }
        }
    }
}

/// An array of any length.
impl<'t, T: Document<'t>> Document<'t> for Vec<T> {
    #[inline]
    fn deserialize<D: Deserializer<'t>>(from: D, scratch: &'t Scratch) -> Result<VecView<'t, T>, D::Error> {
        from.deserialize_seq(List::<T> { scratch, record: PhantomData })
    }

    fn serialize<S: Serializer>(view: VecView<'_, T>, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(view.len()))?;
        for element in view {
            list.serialize_element(&Part::<'_, 't, T>::new(element))?;
        }
        list.end()
    }
}

struct Array<'t, T, const N: usize> {
    scratch: &'t Scratch,
    record: PhantomData<fn() -> T>,
}

impl<'t, T: Document<'t>, const N: usize> Visitor<'t> for Array<'t, T, N> {
    type Value = [T::View<'t>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::derive::expect_items(N, f)
    }

    fn visit_seq<A: SeqAccess<'t>>(self, elements: A) -> Result<[T::View<'t>; N], A::Error> {
        let mut items = Items::new(elements, N, self.scratch);
        let mut views = [None; N];
        for view in &mut views {
            *view = Some(items.item::<T>()?);
        }
        items.end()?;
        Ok(array::from_fn(|i| views[i].expect("the loop above fills every place")))
    }
}

/// An array of exactly `N` elements.
impl<'t, T: Document<'t>, const N: usize> Document<'t> for [T; N] {
    #[inline]
    fn deserialize<D: Deserializer<'t>>(from: D, scratch: &'t Scratch) -> Result<[T::View<'t>; N], D::Error> {
        from.deserialize_tuple(N, Array::<T, N> { scratch, record: PhantomData })
    }

    fn serialize<S: Serializer>(view: [T::View<'_>; N], to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_tuple(N)?;
        for element in view {
            list.serialize_element(&Part::<'_, 't, T>::new(element))?;
        }
        list.end()
    }
}
