//! Documents that are times.

use std::fmt;

use serde::{
    Deserializer, Serializer,
    de::{Error, Unexpected, Visitor},
};

use super::{Document, ObjectKey, Scratch};
use crate::{
    cell::Cell,
    time::{Timestamp, Window},
};

struct Time;

impl Visitor<'_> for Time {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Timestamp::WANTED)
    }

    #[inline]
    fn visit_str<E: Error>(self, text: &str) -> Result<Timestamp, E> {
        Timestamp::parse(text.as_bytes()).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    #[inline]
    fn visit_i64<E: Error>(self, millis: i64) -> Result<Timestamp, E> {
        Ok(Timestamp::from_millis(millis))
    }

    #[inline]
    fn visit_u64<E: Error>(self, millis: u64) -> Result<Timestamp, E> {
        let millis = i64::try_from(millis).map_err(|_| E::invalid_value(Unexpected::Unsigned(millis), &self))?;
        Ok(Timestamp::from_millis(millis))
    }
}

/// As [`Timestamp`] reads and writes itself; a whole number, quoted or not, is read as milliseconds since 1970.
impl<'t> Document<'t> for Timestamp {
    #[inline]
    fn deserialize<D: Deserializer<'t>>(from: D, _: &'t Scratch) -> Result<Timestamp, D::Error> {
        from.deserialize_any(Time)
    }

    #[inline]
    fn serialize<S: Serializer>(view: Timestamp, to: S) -> Result<S::Ok, S::Error> {
        view.with_text(|text| to.serialize_str(text))
    }
}

impl ObjectKey<'_> for Timestamp {}

struct Interval;

impl Visitor<'_> for Interval {
    type Value = Window;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a window, as `2024-05-01T12:00:00Z/2024-05-01T12:01:00Z`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Window, E> {
        <Window as Cell<'_>>::parse(text.as_bytes()).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// The text that it has as a [`Cell`].
impl<'t> Document<'t> for Window {
    fn deserialize<D: Deserializer<'t>>(from: D, _: &'t Scratch) -> Result<Window, D::Error> {
        from.deserialize_str(Interval)
    }

    fn serialize<S: Serializer>(view: Window, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{}/{}", view.start, view.end))
    }
}

impl ObjectKey<'_> for Window {}
