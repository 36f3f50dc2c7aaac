//! A part of a record on its way through serde's traits, which know nothing of a scratch or of views.

use std::marker::PhantomData;

use serde::{Deserializer, Serialize, Serializer, de::DeserializeSeed};

use super::{Document, Scratch};

/// Reads a part, as [`Document::deserialize`] hands it on.
pub struct Seed<'t, T> {
    scratch: &'t Scratch,
    record: PhantomData<fn() -> T>,
}

impl<'t, T> Seed<'t, T> {
    /// A part to be read.
    #[inline(always)]
    pub fn new(scratch: &'t Scratch) -> Self {
        Self { scratch, record: PhantomData }
    }
}

impl<'t, T: Document<'t>> DeserializeSeed<'t> for Seed<'t, T> {
    type Value = T::View<'t>;

    #[inline]
    fn deserialize<D: Deserializer<'t>>(self, from: D) -> Result<T::View<'t>, D::Error> {
        T::deserialize(from, self.scratch)
    }
}

/// The view of a part, as [`Document::serialize`] hands it on. It carries the lifetime of which the part is known to be a document,
/// whatever the lifetime of the view is.
pub struct Part<'v, 't, T: Document<'t>> {
    view: T::View<'v>,
    lifetime: PhantomData<&'t ()>,
}

impl<'v, 't, T: Document<'t>> Part<'v, 't, T> {
    /// A part to be written.
    #[inline(always)]
    pub fn new(view: T::View<'v>) -> Self {
        Self { view, lifetime: PhantomData }
    }
}

impl<'t, T: Document<'t>> Serialize for Part<'_, 't, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        T::serialize(self.view, to)
    }
}
