//! Records as documents: a [`Document`] can be read from, and written to, text that describes itself, such as JSON.
//!
//! The module stands on serde's data model and leaves the text itself to serde's formats. What it adds is that reading gives a
//! *view* which borrows from the text, so that a record is read without an allocation for any of its fields.
//!
//! | record | in the data model | in JSON |
//! |---|---|---|
//! | integers, `bool` | as they are | a number, `true` |
//! | `f32`, `f64` | as they are | a number; NaN and the infinities are written as `null` |
//! | `String`, `char` | a string | a string |
//! | `ByteString` | bytes; in formats for humans a string | base64 (RFC 4648, with `+`, `/` and padding) |
//! | `Timestamp` | a string; reads a whole number too | RFC 3339; reads milliseconds since 1970 too |
//! | `Window` | a string | `"2024-05-01T12:00:00Z/2024-05-01T12:01:00Z"` |
//! | `Option<T>` | an option | `null` or the value; reads a missing field as `None` |
//! | `Vec<T>` | a sequence | an array |
//! | `[T; N]`, tuples, tuple structs | a tuple | an array of that length |
//! | a tuple struct of one field | the field | the field |
//! | maps | a map, the keys in order | an object |
//! | structs with named fields | a struct | an object |
//! | `()`, unit structs | the unit | `null` |
//! | enums | an enum | `"Variant"`, or `{"Variant": ..}` around its data |
//!
//! In an object fields may have any order. What the record does not have is skipped; a field that is there twice, and one that is missing
//! without being an option or having a `#[record(default)]`, is an error. JSON has one `null`: `Some(None)` and `Some(())` read back
//! as `None`.

mod base64;
pub mod derive;
mod list;
mod map;
mod number;
mod option;
mod part;
mod scratch;
mod text;
mod time;
mod tuple;

use serde::{Deserializer, Serialize, Serializer};

pub use part::{Part, Seed};
pub use scratch::{Scratch, Step};

use crate::record::{Record, ViewOf};

/// A record that can be read from and written to JSON, or any other format of serde's that describes itself.
/// `#[derive(Record)]` implements it wherever all fields are documents.
///
/// `'t` is the lifetime of the text: views that were read borrow from it, and from a [`Scratch`].
///
/// ```
/// use millstream_core::{document::{Document, Scratch}, record::ViewOf};
///
/// let (text, mut scratch) = (r#"["mill", "stone"]"#.to_owned(), Scratch::new());
/// let words = <Vec<String>>::deserialize(&mut serde_json::Deserializer::from_str(&text), &scratch)?;
/// assert_eq!(words.get(1), Some("stone")); // lies in `text`
/// assert_eq!(serde_json::to_string(&ViewOf::<Vec<String>>(words))?, r#"["mill","stone"]"#);
/// scratch.clear();
/// # Ok::<(), serde_json::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from or written to JSON",
    label = "not a document",
    note = "put `#[derive(Record)]` on the type; for a record that was implemented by hand, implement `Document` too",
    note = "for a type parameter, ask for it: `T: for<'t> Document<'t>`"
)]
pub trait Document<'t>: Record {
    /// Reads a record. Strings are borrowed from the text where they stand in it as they are, and otherwise (as those with escapes) from
    /// `scratch`, like the elements of lists and maps.
    ///
    /// # Errors
    ///
    /// Fails if the text is not such a record; [`Scratch::path`] then says in which part of it.
    fn deserialize<D: Deserializer<'t>>(from: D, scratch: &'t Scratch) -> Result<Self::View<'t>, D::Error>;

    /// Writes a record. [`ViewOf`] calls it where serde's own trait is wanted.
    ///
    /// # Errors
    ///
    /// Fails if the format does.
    fn serialize<S: Serializer>(view: Self::View<'_>, to: S) -> Result<S::Ok, S::Error>;

    /// What a field of this type is if it is missing: `None` for options, for all others an error.
    #[inline(always)]
    fn missing() -> Option<Self::View<'t>> {
        None
    }
}

/// A [`Document`] that can be the key of a map: in JSON the name of a field, which is a string.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a JSON object",
    label = "not the name of a field",
    note = "the keys of a map in JSON are text: strings, integers, `bool`, `char`, `Timestamp`, enums without data, and tuple structs of one such field; turn the map into a `Vec` of pairs otherwise"
)]
pub trait ObjectKey<'t>: Document<'t> {}

impl<'a, T: Document<'a>> Serialize for ViewOf<'a, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        T::serialize(self.0, to)
    }
}
