//! [`Schema`]: the names and types of a record, known at compile time.

use std::fmt;

/// What a record type is made of.
#[derive(Debug, PartialEq, Eq)]
pub enum Schema {
    /// A number, a string, a time: something without parts.
    Primitive(&'static str),
    /// A value that may be absent.
    Option(&'static Schema),
    /// Any number of values.
    List(&'static Schema),
    /// A fixed number of values.
    Array(&'static Schema, usize),
    /// Entries sorted by key.
    Map(&'static Schema, &'static Schema),
    /// Values by position.
    Tuple(&'static [&'static Schema]),
    /// Values by name.
    Struct(&'static str, &'static [Field]),
    /// One of several variants.
    Enum(&'static str, &'static [Variant]),
}

/// A named part of a record.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, as renamed by `#[record(rename = "..")]`; its position for a field without a name.
    pub name: &'static str,
    /// Its type.
    pub schema: &'static Schema,
}

/// A variant of an enum.
#[derive(Debug, PartialEq, Eq)]
pub struct Variant {
    /// The name, as renamed.
    pub name: &'static str,
    /// Its data.
    pub fields: &'static [Field],
}

impl Schema {
    /// A hash of names, types and nesting (FNV-1a over a canonical form). Fixed for ever.
    pub const fn hash(&self) -> u64 {
        fold(0xcbf2_9ce4_8422_2325, self)
    }
}

const fn text(mut hash: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        hash = byte(hash, bytes[i]);
        i += 1;
    }
    byte(hash, 0xff)
}

const fn byte(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
}

const fn number(mut hash: u64, number: usize) -> u64 {
    let bytes = (number as u64).to_le_bytes();
    let mut i = 0;
    while i < bytes.len() {
        hash = byte(hash, bytes[i]);
        i += 1;
    }
    hash
}

const fn fields(mut hash: u64, fields: &[Field]) -> u64 {
    hash = number(hash, fields.len());
    let mut i = 0;
    while i < fields.len() {
        hash = fold(text(hash, fields[i].name), fields[i].schema);
        i += 1;
    }
    hash
}

const fn fold(hash: u64, schema: &Schema) -> u64 {
    match schema {
        Schema::Primitive(name) => text(byte(hash, 1), name),
        Schema::Option(of) => fold(byte(hash, 2), of),
        Schema::List(of) => fold(byte(hash, 3), of),
        Schema::Array(of, len) => fold(number(byte(hash, 4), *len), of),
        Schema::Map(key, value) => fold(fold(byte(hash, 5), key), value),
        Schema::Tuple(parts) => {
            let mut hash = number(byte(hash, 6), parts.len());
            let mut i = 0;
            while i < parts.len() {
                hash = fold(hash, parts[i]);
                i += 1;
            }
            hash
        }
        Schema::Struct(name, parts) => fields(text(byte(hash, 7), name), parts),
        Schema::Enum(name, variants) => {
            let mut hash = number(text(byte(hash, 8), name), variants.len());
            let mut i = 0;
            while i < variants.len() {
                hash = fields(text(hash, variants[i].name), variants[i].fields);
                i += 1;
            }
            hash
        }
    }
}

/// The type as one would write it in Rust: `Trade`, `Vec<u64>`, `(String, Option<f64>)`.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schema::Primitive(name) | Schema::Struct(name, _) | Schema::Enum(name, _) => f.write_str(name),
            Schema::Option(of) => write!(f, "Option<{of}>"),
            Schema::List(of) => write!(f, "Vec<{of}>"),
            Schema::Array(of, len) => write!(f, "[{of}; {len}]"),
            Schema::Map(key, value) => write!(f, "Map<{key}, {value}>"),
            Schema::Tuple(parts) => {
                f.write_str("(")?;
                for (i, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if i == 0 { "" } else { ", " })?;
                }
                f.write_str(if parts.len() == 1 { ",)" } else { ")" })
            }
        }
    }
}
