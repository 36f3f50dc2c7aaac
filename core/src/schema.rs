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
    /// A struct or an enum of a version after the first, and the schema of the version before, from which it is made.
    Versioned(u32, &'static Schema, &'static Schema),
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
        fold(BASIS, self, false)
    }

    /// The hash that the lock file has: that of the type's own version with every versioned type *inside of it* as its first version was. So it tells a change of
    /// the type's layout, however deep, from a new version of a type inside of it, which is read by itself.
    pub const fn lock_hash(&self) -> u64 {
        match self {
            Schema::Versioned(version, of, _) => fold(versioned(BASIS, *version), of, true),
            first => fold(BASIS, first, true),
        }
    }

    /// The name of a struct or an enum.
    pub const fn name(&self) -> Option<&'static str> {
        match self {
            Schema::Struct(name, _) | Schema::Enum(name, _) => Some(name),
            Schema::Versioned(_, of, _) => of.name(),
            _ => None,
        }
    }

    /// The version of a struct or an enum, which is 1 unless it says otherwise, as that of everything else.
    pub const fn version(&self) -> u32 {
        match self {
            Schema::Versioned(version, ..) => *version,
            _ => 1,
        }
    }

    /// True for a struct or an enum of this name.
    pub const fn is_named(&self, name: &str) -> bool {
        match self.name() {
            Some(own) => equal(own.as_bytes(), name.as_bytes()),
            None => false,
        }
    }
}

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

const fn equal(a: &[u8], b: &[u8]) -> bool {
    let mut i = 0;
    while i < a.len() && i < b.len() && a[i] == b[i] {
        i += 1;
    }
    a.len() == b.len() && i == a.len()
}

pub(crate) const fn text(mut hash: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        hash = byte(hash, bytes[i]);
        i += 1;
    }
    byte(hash, 0xff)
}

pub(crate) const fn byte(hash: u64, byte: u8) -> u64 {
    (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3)
}

pub(crate) const fn number(mut hash: u64, number: usize) -> u64 {
    let bytes = (number as u64).to_le_bytes();
    let mut i = 0;
    while i < bytes.len() {
        hash = byte(hash, bytes[i]);
        i += 1;
    }
    hash
}

/// What stands in front of a struct or an enum that has a version.
pub(crate) const fn versioned(hash: u64, version: u32) -> u64 {
    number(byte(hash, 9), version as usize)
}

const fn fields(mut hash: u64, fields: &[Field], first: bool) -> u64 {
    hash = number(hash, fields.len());
    let mut i = 0;
    while i < fields.len() {
        hash = fold(text(hash, fields[i].name), fields[i].schema, first);
        i += 1;
    }
    hash
}

/// `first` takes the first version of what has versions.
const fn fold(hash: u64, schema: &Schema, first: bool) -> u64 {
    match schema {
        Schema::Primitive(name) => text(byte(hash, 1), name),
        Schema::Option(of) => fold(byte(hash, 2), of, first),
        Schema::List(of) => fold(byte(hash, 3), of, first),
        Schema::Array(of, len) => fold(number(byte(hash, 4), *len), of, first),
        Schema::Map(key, value) => fold(fold(byte(hash, 5), key, first), value, first),
        Schema::Tuple(parts) => {
            let mut hash = number(byte(hash, 6), parts.len());
            let mut i = 0;
            while i < parts.len() {
                hash = fold(hash, parts[i], first);
                i += 1;
            }
            hash
        }
        Schema::Struct(name, parts) => fields(text(byte(hash, 7), name), parts, first),
        Schema::Enum(name, variants) => {
            let mut hash = number(text(byte(hash, 8), name), variants.len());
            let mut i = 0;
            while i < variants.len() {
                hash = fields(text(hash, variants[i].name), variants[i].fields, first);
                i += 1;
            }
            hash
        }
        Schema::Versioned(_, _, before) if first => fold(hash, before, first),
        Schema::Versioned(version, of, _) => fold(versioned(hash, *version), of, first),
    }
}

/// The type as one would write it in Rust: `Trade`, `Vec<u64>`, `(String, Option<f64>)`.
impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schema::Primitive(name) | Schema::Struct(name, _) | Schema::Enum(name, _) => f.write_str(name),
            Schema::Versioned(_, of, _) => of.fmt(f),
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
