//! [`Value`]: a record whose type is not known.

use std::vec;

use xxhash_rust::xxh3::xxh3_128;

use super::{
    StoredEnum, StoredStruct,
    schema::{StoredField, StoredVariant},
};
use crate::time::Timestamp;

/// A record as its schema describes it; texts and bytes are borrowed from the archive, names from the schema.
///
/// It serializes to what the record itself would be in JSON, except that a map whose keys cannot be names of an object's fields is an array of pairs.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `bool`.
    Bool(bool),
    /// `char`.
    Char(char),
    /// `u8` to `u128`.
    Unsigned(u128),
    /// `i8` to `i128`.
    Signed(i128),
    /// `f32`.
    F32(f32),
    /// `f64`.
    F64(f64),
    /// `Timestamp`.
    Timestamp(Timestamp),
    /// `String`.
    Text(&'a str),
    /// `ByteString`.
    Bytes(&'a [u8]),
    /// A value that may be absent.
    Option(Option<Box<Value<'a>>>),
    /// A list or an array.
    List(Vec<Value<'a>>),
    /// Entries, in the order in which they are stored.
    Map(Vec<(Value<'a>, Value<'a>)>),
    /// Values by position.
    Tuple(Vec<Value<'a>>),
    /// A struct, and its fields in the order of the schema.
    Struct(&'a StoredStruct, Vec<Value<'a>>),
    /// An enum, the variant's position, and its fields in the order of the schema.
    Enum(&'a StoredEnum, usize, Vec<Value<'a>>),
}

/// The parts of a tuple, a struct or a variant, in order.
pub type Parts<'a> = vec::IntoIter<Value<'a>>;

impl<'a> Value<'a> {
    /// The version of the type, which only structs and enums have: that of everything else is 1.
    pub fn version(&self) -> u32 {
        match self {
            Self::Struct(of, _) => of.version,
            Self::Enum(of, ..) => of.version,
            _ => 1,
        }
    }

    /// The parts of a tuple or a struct.
    pub fn parts(self) -> Option<Parts<'a>> {
        match self {
            Self::Tuple(parts) | Self::Struct(_, parts) => Some(parts.into_iter()),
            _ => None,
        }
    }

    /// The position and the parts of a variant.
    pub fn variant(self) -> Option<(usize, Parts<'a>)> {
        match self {
            Self::Enum(_, position, parts) => Some((position, parts.into_iter())),
            _ => None,
        }
    }

    /// The elements of a list or an array.
    pub fn elements(self) -> Option<Parts<'a>> {
        match self {
            Self::List(elements) => Some(elements.into_iter()),
            _ => None,
        }
    }

    /// The entries of a map.
    pub fn entries(self) -> Option<vec::IntoIter<(Value<'a>, Value<'a>)>> {
        match self {
            Self::Map(entries) => Some(entries.into_iter()),
            _ => None,
        }
    }

    /// The names and values of a struct, and of an enum the variant's.
    pub fn fields(&self) -> Option<impl ExactSizeIterator<Item = (&'a str, &Value<'a>)>> {
        let (fields, values): (&'a [StoredField], _) = match self {
            Self::Struct(of, values) => (&of.fields, values),
            Self::Enum(of, position, values) => (&of.variants.get(*position)?.fields, values),
            _ => return None,
        };
        Some(fields.iter().map(|field| field.name.as_str()).zip(values))
    }

    /// A hash by which values of one schema can be told apart, for as long as the process runs.
    pub fn fingerprint(&self) -> u128 {
        xxh3_128(format!("{self:?}").as_bytes())
    }

    pub(super) fn stored_variant(of: &'a StoredEnum, position: usize) -> Option<&'a StoredVariant> {
        of.variants.get(position)
    }
}
