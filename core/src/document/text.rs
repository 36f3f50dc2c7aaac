//! Documents that are text: `String`, `char`, and bytes as base64.

use std::fmt;

use serde::{
    Deserializer, Serializer,
    de::{Error, Unexpected, Visitor},
};

use super::{Document, ObjectKey, Scratch, base64};
use crate::impls::ByteString;

struct Text<'t>(&'t Scratch);

impl<'t> Visitor<'t> for Text<'t> {
    type Value = &'t str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    #[inline]
    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<&'t str, E> {
        Ok(text)
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<&'t str, E> {
        Ok(self.0.text(text))
    }
}

/// Borrowed from the text, unless it has escapes.
impl<'t> Document<'t> for String {
    #[inline]
    fn deserialize<D: Deserializer<'t>>(from: D, scratch: &'t Scratch) -> Result<&'t str, D::Error> {
        from.deserialize_str(Text(scratch))
    }

    #[inline]
    fn serialize<S: Serializer>(view: &str, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(view)
    }
}

impl ObjectKey<'_> for String {}

struct Character;

impl Visitor<'_> for Character {
    type Value = char;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of one character")
    }

    fn visit_char<E: Error>(self, only: char) -> Result<char, E> {
        Ok(only)
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<char, E> {
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

/// A string of exactly one character.
impl<'t> Document<'t> for char {
    #[inline]
    fn deserialize<D: Deserializer<'t>>(from: D, _: &'t Scratch) -> Result<char, D::Error> {
        from.deserialize_char(Character)
    }

    #[inline]
    fn serialize<S: Serializer>(view: char, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_char(view)
    }
}

impl ObjectKey<'_> for char {}

struct Bytes<'t>(&'t Scratch);

impl<'t> Visitor<'t> for Bytes<'t> {
    type Value = &'t [u8];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string of base64, with `+` and `/` and padded by `=`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<&'t [u8], E> {
        let mut bytes = self.0.list();
        match base64::decode(text.as_bytes(), |chunk| bytes.extend_from_slice_copy(chunk)) {
            Some(()) => Ok(bytes.into_bump_slice()),
            None => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_borrowed_bytes<E: Error>(self, bytes: &'t [u8]) -> Result<&'t [u8], E> {
        Ok(bytes)
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<&'t [u8], E> {
        let mut kept = self.0.list();
        kept.extend_from_slice_copy(bytes);
        Ok(kept.into_bump_slice())
    }
}

/// Base64 in formats for humans, such as JSON; bytes as they are in others.
impl<'t> Document<'t> for ByteString {
    fn deserialize<D: Deserializer<'t>>(from: D, scratch: &'t Scratch) -> Result<&'t [u8], D::Error> {
        if from.is_human_readable() {
            from.deserialize_str(Bytes(scratch))
        } else {
            from.deserialize_bytes(Bytes(scratch))
        }
    }

    fn serialize<S: Serializer>(view: &[u8], to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() { to.collect_str(&base64::Encoded(view)) } else { to.serialize_bytes(view) }
    }
}
