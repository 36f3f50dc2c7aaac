//! What `#[derive(Record)]` emits for [`Document`] stands on this: all that does not depend on the fields of a record, written
//! once. Not a public interface.
#![doc(hidden)]

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{DeserializeSeed, EnumAccess, Error as _, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor},
};

use super::{Document, Scratch, Seed, Step};
use crate::record::Record;

/// The position of a field that the record does not have.
pub const UNKNOWN: usize = usize::MAX;

/// Named fields: those of a struct (`VARIANT` is 0 then), or those of the variant at that position.
pub trait Object<'t, const VARIANT: usize>: Record {
    /// The names, in the order of the fields.
    const FIELDS: &'static [&'static str];
    /// The position of a name, or [`UNKNOWN`].
    fn position(name: &str) -> usize;
    /// Reads the fields, whatever their order.
    fn read<A: MapAccess<'t>>(fields: &mut Fields<'t, A>) -> Result<Self::View<'t>, A::Error>;
}

/// Fields by position: those of a tuple struct, or those of the variant at that position.
pub trait Tuple<'t, const VARIANT: usize>: Record {
    /// How many there are.
    const LEN: usize;
    /// Reads them.
    fn read<A: SeqAccess<'t>>(items: &mut Items<'t, A>) -> Result<Self::View<'t>, A::Error>;
}

/// Variants.
pub trait Choice<'t>: Record {
    /// The names, in the order of the variants.
    const VARIANTS: &'static [&'static str];
    /// The position of a name, or [`UNKNOWN`].
    fn position(name: &str) -> usize;
    /// Reads the data of the variant at that position.
    fn read<A: VariantAccess<'t>>(variant: usize, data: Data<'t, A>) -> Result<Self::View<'t>, A::Error>;
}

/// Reads a struct with named fields.
#[inline]
pub fn object<'t, T, D>(name: &'static str, from: D, scratch: &'t Scratch) -> Result<T::View<'t>, D::Error>
where
    T: Object<'t, 0>,
    D: Deserializer<'t>,
{
    from.deserialize_struct(name, T::FIELDS, ObjectVisitor::<T, 0> { scratch, record: PhantomData })
}

/// Reads a tuple struct.
#[inline]
pub fn tuple<'t, T, D>(name: &'static str, from: D, scratch: &'t Scratch) -> Result<T::View<'t>, D::Error>
where
    T: Tuple<'t, 0>,
    D: Deserializer<'t>,
{
    from.deserialize_tuple_struct(name, T::LEN, TupleVisitor::<T, 0> { scratch, record: PhantomData })
}

/// Reads an enum.
#[inline]
pub fn choice<'t, T, D>(name: &'static str, from: D, scratch: &'t Scratch) -> Result<T::View<'t>, D::Error>
where
    T: Choice<'t>,
    D: Deserializer<'t>,
{
    from.deserialize_enum(name, T::VARIANTS, ChoiceVisitor::<T> { scratch, record: PhantomData })
}

struct ObjectVisitor<'t, T, const VARIANT: usize> {
    scratch: &'t Scratch,
    record: PhantomData<fn() -> T>,
}

impl<'t, T: Object<'t, VARIANT>, const VARIANT: usize> Visitor<'t> for ObjectVisitor<'t, T, VARIANT> {
    type Value = T::View<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    #[inline]
    fn visit_map<A: MapAccess<'t>>(self, map: A) -> Result<T::View<'t>, A::Error> {
        T::read(&mut Fields { map, scratch: self.scratch })
    }
}

/// Gives the position of a name.
struct Name<F>(F);

impl<'t, F: Fn(&str) -> usize> DeserializeSeed<'t> for Name<F> {
    type Value = usize;

    #[inline]
    fn deserialize<D: Deserializer<'t>>(self, from: D) -> Result<usize, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl<F: Fn(&str) -> usize> Visitor<'_> for Name<F> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    #[inline]
    fn visit_str<E>(self, name: &str) -> Result<usize, E> {
        Ok(self.0(name))
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<usize, E> {
        Ok(std::str::from_utf8(name).map_or(UNKNOWN, self.0))
    }
}

/// Named fields that are being read.
pub struct Fields<'t, A> {
    map: A,
    scratch: &'t Scratch,
}

impl<'t, A: MapAccess<'t>> Fields<'t, A> {
    /// The position of the next field.
    #[inline]
    pub fn position<T: Object<'t, VARIANT>, const VARIANT: usize>(&mut self) -> Result<Option<usize>, A::Error> {
        self.map.next_key_seed(Name(T::position))
    }

    /// Reads its value. It must not have been there before.
    #[inline]
    pub fn read<F: Document<'t>>(
        &mut self,
        name: &'static str,
        field: &mut Option<F::View<'t>>,
    ) -> Result<(), A::Error> {
        if field.is_some() {
            return Err(A::Error::duplicate_field(name));
        }
        match self.map.next_value_seed(Seed::<F>::new(self.scratch)) {
            Ok(view) => {
                *field = Some(view);
                Ok(())
            }
            Err(error) => Err(self.scratch.within(Step::Name(name), error)),
        }
    }

    /// Steps over the value of a field that the record does not have.
    #[inline]
    pub fn skip(&mut self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>()?;
        Ok(())
    }

    /// The value of a field which has no default, when all have been read.
    #[inline]
    pub fn required<F: Document<'t>>(
        &self,
        name: &'static str,
        field: Option<F::View<'t>>,
    ) -> Result<F::View<'t>, A::Error> {
        match field {
            Some(view) => Ok(view),
            None => F::missing().ok_or_else(|| A::Error::missing_field(name)),
        }
    }
}

struct TupleVisitor<'t, T, const VARIANT: usize> {
    scratch: &'t Scratch,
    record: PhantomData<fn() -> T>,
}

impl<'t, T: Tuple<'t, VARIANT>, const VARIANT: usize> Visitor<'t> for TupleVisitor<'t, T, VARIANT> {
    type Value = T::View<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expect_items(T::LEN, f)
    }

    #[inline]
    fn visit_seq<A: SeqAccess<'t>>(self, elements: A) -> Result<T::View<'t>, A::Error> {
        let mut items = Items::new(elements, T::LEN, self.scratch);
        let view = T::read(&mut items)?;
        items.end()?;
        Ok(view)
    }
}

/// What a list of fixed length says that it expects.
pub(super) fn expect_items(len: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "an array of {len} element{}", if len == 1 { "" } else { "s" })
}

struct ExpectItems(usize);

impl serde::de::Expected for ExpectItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        expect_items(self.0, f)
    }
}

/// The elements of a list of fixed length that are being read.
pub struct Items<'t, A> {
    elements: A,
    read: usize,
    len: usize,
    scratch: &'t Scratch,
}

impl<'t, A: SeqAccess<'t>> Items<'t, A> {
    #[inline]
    pub(super) fn new(elements: A, len: usize, scratch: &'t Scratch) -> Self {
        Self { elements, read: 0, len, scratch }
    }

    /// Reads the next one.
    #[inline]
    pub fn item<F: Document<'t>>(&mut self) -> Result<F::View<'t>, A::Error> {
        let index = self.read;
        match self.elements.next_element_seed(Seed::<F>::new(self.scratch)) {
            Ok(Some(view)) => {
                self.read += 1;
                Ok(view)
            }
            Ok(None) => Err(A::Error::invalid_length(index, &ExpectItems(self.len))),
            Err(error) => Err(self.scratch.within(Step::Index(index), error)),
        }
    }

    /// Fails if there are more.
    #[inline]
    pub(super) fn end(mut self) -> Result<(), A::Error> {
        let mut beyond = 0;
        while self.elements.next_element::<IgnoredAny>()?.is_some() {
            beyond += 1;
        }
        if beyond == 0 { Ok(()) } else { Err(A::Error::invalid_length(self.len + beyond, &ExpectItems(self.len))) }
    }
}

struct ChoiceVisitor<'t, T> {
    scratch: &'t Scratch,
    record: PhantomData<fn() -> T>,
}

impl<'t, T: Choice<'t>> Visitor<'t> for ChoiceVisitor<'t, T> {
    type Value = T::View<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a variant, or an object of that one field")
    }

    #[inline]
    fn visit_enum<A: EnumAccess<'t>>(self, choice: A) -> Result<T::View<'t>, A::Error> {
        let scratch = self.scratch;
        let (variant, access) = choice.variant_seed(Variant::<T>(PhantomData))?;
        T::read(variant, Data { access, scratch })
            .map_err(|error| scratch.within(Step::Name(T::VARIANTS[variant]), error))
    }
}

/// Gives the position of a variant, of which there is one.
struct Variant<T>(PhantomData<fn() -> T>);

impl<'t, T: Choice<'t>> DeserializeSeed<'t> for Variant<T> {
    type Value = usize;

    #[inline]
    fn deserialize<D: Deserializer<'t>>(self, from: D) -> Result<usize, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl<'t, T: Choice<'t>> Visitor<'t> for Variant<T> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a variant")
    }

    #[inline]
    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<usize, E> {
        match T::position(name) {
            UNKNOWN => Err(E::unknown_variant(name, T::VARIANTS)),
            position => Ok(position),
        }
    }

    fn visit_bytes<E: serde::de::Error>(self, name: &[u8]) -> Result<usize, E> {
        self.visit_str(&String::from_utf8_lossy(name))
    }
}

/// The data of a variant that is being read.
pub struct Data<'t, A> {
    access: A,
    scratch: &'t Scratch,
}

impl<'t, A: VariantAccess<'t>> Data<'t, A> {
    /// There is none.
    #[inline]
    pub fn none(self) -> Result<(), A::Error> {
        self.access.unit_variant()
    }

    /// One field without a name.
    #[inline]
    pub fn one<F: Document<'t>>(self) -> Result<F::View<'t>, A::Error> {
        self.access.newtype_variant_seed(Seed::<F>::new(self.scratch))
    }

    /// Fields by position.
    #[inline]
    pub fn tuple<T: Tuple<'t, VARIANT>, const VARIANT: usize>(self) -> Result<T::View<'t>, A::Error> {
        let visitor = TupleVisitor::<T, VARIANT> { scratch: self.scratch, record: PhantomData };
        self.access.tuple_variant(T::LEN, visitor)
    }

    /// Named fields.
    #[inline]
    pub fn object<T: Object<'t, VARIANT>, const VARIANT: usize>(self) -> Result<T::View<'t>, A::Error> {
        let visitor = ObjectVisitor::<T, VARIANT> { scratch: self.scratch, record: PhantomData };
        self.access.struct_variant(T::FIELDS, visitor)
    }
}
