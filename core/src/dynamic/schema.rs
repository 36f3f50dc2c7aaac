//! [`StoredSchema`]: a [`Schema`] that is data, as it lies beside what is stored.

use std::fmt;

use crate::schema::{Field, Schema, byte, number, text, versioned};

/// How deep types may be nested, and how many of them there may be: bounds what is read of a damaged text.
pub(super) const LIMIT_DEPTH: usize = 64;
pub(super) const LIMIT_NODES: usize = 1 << 16;
/// The largest root of an archive, in bytes.
const LIMIT_WIDTH: usize = 1 << 30;
/// How many values without bytes a record may have, and elements an array of such: nothing else bounds their number.
pub(super) const LIMIT_EMPTY: usize = 1 << 20;

/// What a stored record is made of, names and types, as the program had it that wrote it.
///
/// Its text, from [`Display`](fmt::Display) and for [`FromStr`](std::str::FromStr), has all of it:
/// `struct Cart v2 {items: Vec<struct Item {id: u64}>, note: Option<String>}`. [`Display`](fmt::Display) with `{:#}` gives the type alone, as one would
/// write it in Rust, and its version: `Cart v2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSchema {
    shape: Shape,
    width: usize,
    plain: bool,
}

/// What kind of type it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Something without parts, by its name: one of those that the table in [`impls`](crate::impls) has.
    Primitive(Primitive),
    /// A value that may be absent.
    Option(Box<StoredSchema>),
    /// Any number of values.
    List(Box<StoredSchema>),
    /// A fixed number of values.
    Array(Box<StoredSchema>, usize),
    /// Entries of keys and values.
    Map(Box<StoredSchema>, Box<StoredSchema>),
    /// Values by position.
    Tuple(Vec<StoredSchema>),
    /// Values by name.
    Struct(StoredStruct),
    /// One of several variants.
    Enum(StoredEnum),
}

macro_rules! primitives {
    ($($name:ident $text:literal $width:literal;)*) => {
        /// A type without parts.
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Primitive { $($name),* }

        impl Primitive {
            /// That of a name.
            pub(super) fn named(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Its name.
            pub(super) fn name(self) -> &'static str {
                match self { $(Self::$name => $text),* }
            }

            fn width(self) -> usize {
                match self { $(Self::$name => $width),* }
            }
        }
    };
}

primitives! {
    U8 "u8" 1;
    U16 "u16" 2;
    U32 "u32" 4;
    U64 "u64" 8;
    U128 "u128" 16;
    I8 "i8" 1;
    I16 "i16" 2;
    I32 "i32" 4;
    I64 "i64" 8;
    I128 "i128" 16;
    F32 "f32" 4;
    F64 "f64" 8;
    Bool "bool" 1;
    Char "char" 4;
    Timestamp "Timestamp" 8;
    Text "String" 8;
    Bytes "ByteString" 8;
}

/// A struct.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStruct {
    /// Its name.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// Its fields.
    pub fields: Vec<StoredField>,
}

/// An enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEnum {
    /// Its name.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// Its variants.
    pub variants: Vec<StoredVariant>,
}

/// A named part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredField {
    /// The name; its position for a field without a name.
    pub name: String,
    /// Its type.
    pub schema: StoredSchema,
}

/// A variant of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVariant {
    /// The name.
    pub name: String,
    /// Its data.
    pub fields: Vec<StoredField>,
}

impl StoredSchema {
    /// The schema of a record type. `None` if the type has parts that are not those of any record of this crate or its derive, or is larger than any stored
    /// schema may be: deeper than 64 types, of more than 65,536 of them, of a root over 1 GiB.
    pub fn of(schema: &Schema) -> Option<Self> {
        Copier { back: 0, nodes: 0 }.copy(schema, 0)
    }

    /// The schema of this hash among those that a type had before: with all types in it, itself included, so and so many versions back. `None` if it is not one of
    /// them. It is for what is stored without its schema.
    pub fn of_past(schema: &Schema, hash: u64) -> Option<Self> {
        let mut later = Self::of(schema)?;
        for back in 1.. {
            let past = Copier { back, nodes: 0 }.copy(schema, 0)?;
            if past == later {
                break; // all of it are the first versions
            }
            if past.hash() == hash {
                return Some(past);
            }
            later = past;
        }
        None
    }

    /// A tuple. `None` if its root is too large.
    pub fn tuple(parts: Vec<Self>) -> Option<Self> {
        Self::new(Shape::Tuple(parts))
    }

    /// A schema of this shape. `None` if its root is too large.
    pub(super) fn new(shape: Shape) -> Option<Self> {
        let widths = |fields: &[StoredField]| {
            fields.iter().try_fold(0_usize, |width, field| width.checked_add(field.schema.width))
        };
        let all_plain = |fields: &[StoredField]| fields.iter().all(|field| field.schema.plain);
        let (width, plain) = match &shape {
            Shape::Primitive(primitive) => {
                (primitive.width(), !matches!(primitive, Primitive::Text | Primitive::Bytes))
            }
            Shape::Option(of) => (of.width + 1, of.plain),
            Shape::List(_) | Shape::Map(..) => (8, false),
            Shape::Array(of, len) => {
                if of.width == 0 && *len > LIMIT_EMPTY {
                    return None;
                }
                (of.width.checked_mul(*len)?, of.plain)
            }
            Shape::Tuple(parts) => {
                let width = parts.iter().try_fold(0_usize, |width, part| width.checked_add(part.width))?;
                (width, parts.iter().all(|part| part.plain))
            }
            Shape::Struct(of) => (widths(&of.fields)?, all_plain(&of.fields)),
            Shape::Enum(of) => {
                let mut largest = 0;
                for variant in &of.variants {
                    largest = largest.max(widths(&variant.fields)?);
                }
                (largest + 1, of.variants.iter().all(|variant| all_plain(&variant.fields)))
            }
        };
        (width <= LIMIT_WIDTH).then_some(Self { shape, width, plain })
    }

    /// What kind of type it is.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// [`Schema::hash`] of the type.
    pub fn hash(&self) -> u64 {
        fold(0xcbf2_9ce4_8422_2325, self)
    }

    /// The length of an archive's root, in bytes.
    pub fn width(&self) -> usize {
        self.width
    }

    /// [`Record::PLAIN`](crate::record::Record::PLAIN) of the type.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// The name and the version of a struct or an enum.
    pub(super) fn named(&self) -> Option<(&str, u32)> {
        match &self.shape {
            Shape::Struct(of) => Some((&of.name, of.version)),
            Shape::Enum(of) => Some((&of.name, of.version)),
            _ => None,
        }
    }
}

/// Copies schemas that a program has.
struct Copier {
    /// How many versions back, at most, each type is taken.
    back: u32,
    nodes: usize,
}

impl Copier {
    fn copy(&mut self, mut schema: &Schema, depth: usize) -> Option<StoredSchema> {
        self.nodes += 1;
        if depth >= LIMIT_DEPTH || self.nodes > LIMIT_NODES {
            return None;
        }
        let mut back = self.back;
        while let Schema::Versioned(_, _, before) = schema
            && back > 0
        {
            (schema, back) = (before, back - 1);
        }
        let version = schema.version();
        if let Schema::Versioned(_, of, _) = schema {
            schema = of;
        }
        let inner = depth + 1;
        StoredSchema::new(match schema {
            Schema::Primitive(name) => Shape::Primitive(Primitive::named(name)?),
            Schema::Option(of) => Shape::Option(Box::new(self.copy(of, inner)?)),
            Schema::List(of) => Shape::List(Box::new(self.copy(of, inner)?)),
            Schema::Array(of, len) => Shape::Array(Box::new(self.copy(of, inner)?), *len),
            Schema::Map(key, value) => Shape::Map(Box::new(self.copy(key, inner)?), Box::new(self.copy(value, inner)?)),
            Schema::Tuple(parts) => Shape::Tuple(parts.iter().map(|of| self.copy(of, inner)).collect::<Option<_>>()?),
            Schema::Struct(name, of) => {
                Shape::Struct(StoredStruct { name: (*name).to_owned(), version, fields: self.fields(of, inner)? })
            }
            Schema::Enum(name, of) => {
                let variants = of.iter().map(|variant| {
                    let fields = self.fields(variant.fields, inner)?;
                    Some(StoredVariant { name: variant.name.to_owned(), fields })
                });
                let variants = variants.collect::<Option<_>>()?;
                Shape::Enum(StoredEnum { name: (*name).to_owned(), version, variants })
            }
            Schema::Versioned(..) => return None, // a version of a version: the derive makes none
        })
    }

    fn fields(&mut self, fields: &[Field], depth: usize) -> Option<Vec<StoredField>> {
        let copied = fields
            .iter()
            .map(|field| Some(StoredField { name: field.name.to_owned(), schema: self.copy(field.schema, depth)? }));
        copied.collect()
    }
}

/// The same as that of [`Schema`].
fn fold(hash: u64, schema: &StoredSchema) -> u64 {
    let fields = |hash: u64, fields: &[StoredField]| {
        let hash = number(hash, fields.len());
        fields.iter().fold(hash, |hash, field| fold(text(hash, &field.name), &field.schema))
    };
    let hash = match schema.named() {
        Some((_, version)) if version > 1 => versioned(hash, version),
        _ => hash,
    };
    match &schema.shape {
        Shape::Primitive(primitive) => text(byte(hash, 1), primitive.name()),
        Shape::Option(of) => fold(byte(hash, 2), of),
        Shape::List(of) => fold(byte(hash, 3), of),
        Shape::Array(of, len) => fold(number(byte(hash, 4), *len), of),
        Shape::Map(key, value) => fold(fold(byte(hash, 5), key), value),
        Shape::Tuple(parts) => parts.iter().fold(number(byte(hash, 6), parts.len()), fold),
        Shape::Struct(of) => fields(text(byte(hash, 7), &of.name), &of.fields),
        Shape::Enum(of) => {
            let hash = number(text(byte(hash, 8), &of.name), of.variants.len());
            of.variants.iter().fold(hash, |hash, variant| fields(text(hash, &variant.name), &variant.fields))
        }
    }
}

/// With `{}` all of it, which can be parsed; with `{:#}` the type as one would write it in Rust, and its version after the first.
impl fmt::Display for StoredSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shape {
            Shape::Primitive(primitive) => f.write_str(primitive.name()),
            Shape::Option(of) => nested(f, "Option<", &[of], ">"),
            Shape::List(of) => nested(f, "Vec<", &[of], ">"),
            Shape::Array(of, len) => {
                nested(f, "[", &[of], "; ")?;
                write!(f, "{len}]")
            }
            Shape::Map(key, value) => nested(f, "Map<", &[key, value], ">"),
            Shape::Tuple(parts) => {
                let end = if parts.len() == 1 { ",)" } else { ")" };
                nested(f, "(", &parts.iter().collect::<Vec<_>>(), end)
            }
            Shape::Struct(StoredStruct { name, version, .. }) | Shape::Enum(StoredEnum { name, version, .. })
                if f.alternate() =>
            {
                f.write_str(name)?;
                if *version > 1 { write!(f, " v{version}") } else { Ok(()) }
            }
            Shape::Struct(of) => {
                title(f, "struct ", &of.name, of.version)?;
                braces(f, &of.fields)
            }
            Shape::Enum(of) => {
                title(f, "enum ", &of.name, of.version)?;
                f.write_str("{")?;
                for (i, variant) in of.variants.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    write_name(f, &variant.name)?;
                    f.write_str(" ")?;
                    braces(f, &variant.fields)?;
                }
                f.write_str("}")
            }
        }
    }
}

fn nested(f: &mut fmt::Formatter<'_>, begin: &str, parts: &[&StoredSchema], end: &str) -> fmt::Result {
    f.write_str(begin)?;
    for (i, part) in parts.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { ", " })?;
        fmt::Display::fmt(part, f)?;
    }
    f.write_str(end)
}

fn title(f: &mut fmt::Formatter<'_>, kind: &str, name: &str, version: u32) -> fmt::Result {
    f.write_str(kind)?;
    write_name(f, name)?;
    if version > 1 {
        write!(f, " v{version}")?;
    }
    f.write_str(" ")
}

fn braces(f: &mut fmt::Formatter<'_>, fields: &[StoredField]) -> fmt::Result {
    f.write_str("{")?;
    for (i, field) in fields.iter().enumerate() {
        f.write_str(if i == 0 { "" } else { ", " })?;
        write_name(f, &field.name)?;
        write!(f, ": {}", field.schema)?;
    }
    f.write_str("}")
}

/// True for a character that needs no quotes.
pub(super) fn is_bare(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn write_name(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if !name.is_empty() && name.chars().all(is_bare) {
        return f.write_str(name);
    }
    f.write_str("\"")?;
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            f.write_str("\\")?;
        }
        write!(f, "{c}")?;
    }
    f.write_str("\"")
}
