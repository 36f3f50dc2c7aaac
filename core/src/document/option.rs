//! Documents that may be absent.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer, Serializer,
    de::{Error, Visitor},
};

use super::{Document, Part, Scratch};

struct Optional<'t, T> {
    scratch: &'t Scratch,
    record: PhantomData<fn() -> T>,
}

impl<'t, T: Document<'t>> Visitor<'t> for Optional<'t, T> {
    type Value = Option<T::View<'t>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    #[inline]
    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    #[inline]
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    #[inline]
    fn visit_some<D: Deserializer<'t>>(self, from: D) -> Result<Self::Value, D::Error> {
        T::deserialize(from, self.scratch).map(Some)
    }
}

/// `null` is `None`, and so is a field that is missing.
impl<'t, T: Document<'t>> Document<'t> for Option<T> {
    #[inline]
    fn deserialize<D: Deserializer<'t>>(from: D, scratch: &'t Scratch) -> Result<Self::View<'t>, D::Error> {
        from.deserialize_option(Optional::<T> { scratch, record: PhantomData })
    }

    #[inline]
    fn serialize<S: Serializer>(view: Option<T::View<'_>>, to: S) -> Result<S::Ok, S::Error> {
        match view {
            None => to.serialize_none(),
            Some(value) => to.serialize_some(&Part::<'_, 't, T>::new(value)),
        }
    }

    #[inline(always)]
    fn missing() -> Option<Self::View<'t>> {
        Some(None)
    }
}
