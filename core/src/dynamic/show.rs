//! Values as JSON and as text for tables.

use serde::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeSeq as _},
};

use super::{StoredField, StoredStruct, Value};
use crate::{
    cell::Cell,
    document::Document,
    impls::ByteString,
    record::Record,
    time::{Timestamp, Window},
};

/// What stands in the text for fields: those of a derived record are there without names if they have none.
enum Form {
    Unit,
    One,
    Tuple,
    Object,
}

fn form(fields: &[StoredField]) -> Form {
    let numbered = |(i, field): (usize, &StoredField)| field.name.parse() == Ok(i);
    match fields {
        [] => Form::Unit,
        fields if !fields.iter().enumerate().all(numbered) => Form::Object,
        [_] => Form::One,
        _ => Form::Tuple,
    }
}

impl Value<'_> {
    /// Appends the text that the value has in a table, the one that [`Cell`] gives it: numbers, texts, times, and options of them, nothing being an absent one. Gives
    /// `false`, and appends nothing, for bytes and for what has parts: JSON can stand for these.
    pub fn write_cell(&self, out: &mut Vec<u8>) -> bool {
        fn write<'t, T: Cell<'t>>(view: T::View<'_>, out: &mut Vec<u8>) -> bool {
            T::format(view, out);
            true
        }
        match self {
            Self::Bool(value) => write::<bool>(*value, out),
            Self::Char(value) => write::<char>(*value, out),
            Self::Unsigned(value) => write::<u128>(*value, out),
            Self::Signed(value) => write::<i128>(*value, out),
            Self::F32(value) => write::<f32>(*value, out),
            Self::F64(value) => write::<f64>(*value, out),
            Self::Timestamp(value) => write::<Timestamp>(*value, out),
            Self::Text(value) => write::<String>(value, out),
            Self::Option(None) => true,
            Self::Option(Some(value)) => value.write_cell(out),
            Self::Struct(of, parts) => match (window(of, parts), parts.as_slice()) {
                (Some(window), _) => write::<Window>(window, out),
                (None, [only]) if matches!(form(&of.fields), Form::One) => only.write_cell(out),
                _ => false,
            },
            Self::Enum(of, position, parts) => match of.variants.get(*position) {
                Some(variant) if parts.is_empty() => write::<String>(&variant.name, out),
                _ => false,
            },
            Self::Bytes(_) | Self::List(_) | Self::Map(_) | Self::Tuple(_) => false,
        }
    }

    /// True if it may be the name of a field in JSON.
    fn is_name(&self) -> bool {
        match self {
            Self::Bool(_)
            | Self::Char(_)
            | Self::Unsigned(_)
            | Self::Signed(_)
            | Self::Text(_)
            | Self::Timestamp(_) => true,
            Self::Struct(of, parts) => {
                let only = parts.first().filter(|_| matches!(form(&of.fields), Form::One));
                window(of, parts).is_some() || only.is_some_and(Self::is_name)
            }
            Self::Enum(_, _, parts) => parts.is_empty(),
            _ => false,
        }
    }
}

/// A window is a struct like any other, but for its text.
fn window(of: &StoredStruct, parts: &[Value<'_>]) -> Option<Window> {
    match parts {
        [Value::Timestamp(start), Value::Timestamp(end)]
            if of.name == "Window" && of.fields[0].name == "start" && of.fields[1].name == "end" =>
        {
            Some(Window { start: *start, end: *end })
        }
        _ => None,
    }
}

/// A view of a record, to be written as a document.
struct Part<'v, T: Record>(T::View<'v>);

impl<'t, T: Document<'t>> Serialize for Part<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        T::serialize(self.0, to)
    }
}

/// Fields in one of their forms.
struct Fields<'v, 'a>(&'v [StoredField], &'v [Value<'a>]);

impl Serialize for Fields<'_, '_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match (form(self.0), self.1) {
            (Form::Unit, _) => to.serialize_unit(),
            (Form::One, [only]) => only.serialize(to),
            (Form::Object, values) => to.collect_map(self.0.iter().map(|field| &field.name).zip(values)),
            (_, values) => to.collect_seq(values),
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Char(value) => to.serialize_char(*value),
            Self::Unsigned(value) => match u64::try_from(*value) {
                Ok(value) => to.serialize_u64(value),
                Err(_) => to.serialize_u128(*value),
            },
            Self::Signed(value) => match i64::try_from(*value) {
                Ok(value) => to.serialize_i64(value),
                Err(_) => to.serialize_i128(*value),
            },
            Self::F32(value) => to.serialize_f32(*value),
            Self::F64(value) => to.serialize_f64(*value),
            Self::Timestamp(value) => <Timestamp as Document<'_>>::serialize(*value, to),
            Self::Text(value) => to.serialize_str(value),
            Self::Bytes(value) => Part::<ByteString>(value).serialize(to),
            Self::Option(None) => to.serialize_none(),
            Self::Option(Some(value)) => to.serialize_some(value),
            Self::List(values) => to.collect_seq(values),
            Self::Map(entries) if entries.iter().all(|(key, _)| key.is_name()) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
            Self::Map(entries) => {
                let mut list = to.serialize_seq(Some(entries.len()))?;
                for entry in entries {
                    list.serialize_element(entry)?;
                }
                list.end()
            }
            Self::Tuple(parts) if parts.is_empty() => to.serialize_unit(),
            Self::Tuple(parts) => to.collect_seq(parts),
            Self::Struct(of, parts) => match window(of, parts) {
                Some(window) => Part::<Window>(window).serialize(to),
                None => Fields(&of.fields, parts).serialize(to),
            },
            Self::Enum(of, position, parts) => match of.variants.get(*position) {
                None => to.serialize_unit(),
                Some(variant) if parts.is_empty() => to.serialize_str(&variant.name),
                Some(variant) => to.collect_map([(&variant.name, Fields(&variant.fields, parts))]),
            },
        }
    }
}
