//! Reads archives by their schemas, and checks every byte that is relied on.
//!
//! The archive of a schema is laid out as `docs/internals/schema.md` says: parts one behind the other without padding, pointers relative to where they stand. A
//! pointer leads to bytes before its own, and no two lead to the same: each takes its part of what is left, in the order of the fields, as rkyv's own check
//! demands. So an archive of n bytes has at most as many parts as it has bytes, but for those without bytes, which are bounded by number.

use std::fmt;

use super::{
    StoredSchema, Value,
    schema::{LIMIT_EMPTY, Primitive, Shape},
};
use crate::{
    buffer::{Columns, LIMIT_BUFFER_RECORDS},
    time::Timestamp,
};

/// Why bytes are not an archive of their schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged {
    /// Where what is wrong begins, in bytes.
    pub at: usize,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the archive is damaged at byte {}: {}", self.at, self.what)
    }
}

impl std::error::Error for Damaged {}

/// Reads the archive of one record, whose root is at its end.
///
/// # Errors
///
/// Fails if the bytes are no archive of this schema.
pub fn read<'a>(schema: &'a StoredSchema, bytes: &'a [u8]) -> Result<Value<'a>, Damaged> {
    let root = bytes.len().checked_sub(schema.width()).ok_or(Damaged { at: 0, what: "it is shorter than its root" })?;
    Reader::new(bytes).root(schema, root)
}

/// The records of a sealed buffer, in order.
#[derive(Debug)]
pub struct Values<'a> {
    schema: &'a StoredSchema,
    reader: Reader<'a>,
    roots: &'a [[u8; 4]],
    hashes: &'a [[u8; 8]],
    records: usize,
    next: usize,
}

impl<'a> Values<'a> {
    /// Reads archives and columns, as [`Buffer::bytes`](crate::buffer::Buffer::bytes) gives them.
    ///
    /// # Errors
    ///
    /// Fails if there are fewer bytes than the columns take, or more records than a buffer has.
    pub fn new(schema: &'a StoredSchema, records: u32, columns: Columns, bytes: &'a [u8]) -> Result<Self, Damaged> {
        let wrong = Damaged { at: 0, what: "the buffer's length does not fit its number of records" };
        if records > LIMIT_BUFFER_RECORDS {
            return Err(wrong);
        }
        let records = records as usize;
        let widths = [
            if schema.is_plain() { 0 } else { 4 },
            if columns.timed { 8 } else { 0 },
            if columns.hashed { 8 } else { 0 },
        ];
        let data = bytes.len().checked_sub(records * widths.iter().sum::<usize>()).ok_or(wrong)?;
        let (data, rest) = bytes.split_at(data);
        let (roots, rest) = rest.split_at(records * widths[0]);
        let (_, hashes) = rest.split_at(records * widths[1]);
        Ok(Self {
            schema,
            reader: Reader::new(data),
            roots: roots.as_chunks().0,
            hashes: hashes.as_chunks().0,
            records,
            next: 0,
        })
    }

    /// The hash of a record's key, if the buffer has it.
    pub fn hash(&self, record: usize) -> Option<u64> {
        self.hashes.get(record).map(|hash| u64::from_le_bytes(*hash))
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = Result<Value<'a>, Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.records {
            return None;
        }
        let root = match self.roots.get(self.next) {
            Some(root) => u32::from_le_bytes(*root) as usize,
            None => self.next * self.schema.width(),
        };
        self.next += 1;
        let value = self.reader.root(self.schema, root);
        if value.is_err() {
            self.next = self.records; // nothing behind it can be relied on
        }
        Some(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.records - self.next))
    }
}

#[derive(Debug)]
struct Reader<'a> {
    bytes: &'a [u8],
    /// The part of the bytes that pointers may still lead to.
    start: usize,
    end: usize,
    /// How many values without bytes the record may still have.
    empty: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, start: 0, end: bytes.len(), empty: LIMIT_EMPTY }
    }

    fn root(&mut self, schema: &'a StoredSchema, at: usize) -> Result<Value<'a>, Damaged> {
        self.empty = LIMIT_EMPTY;
        self.within(at, schema.width(), |reader| reader.value(schema, at))
    }

    /// Takes the bytes from `at` on from what is left, and reads them: what they point to lies before them.
    fn within<T>(
        &mut self,
        at: usize,
        width: usize,
        read: impl FnOnce(&mut Self) -> Result<T, Damaged>,
    ) -> Result<T, Damaged> {
        let behind = at.checked_add(width).filter(|behind| at >= self.start && *behind <= self.end);
        let behind = behind.ok_or(Damaged { at, what: "it lies outside of its part of the archive" })?;
        let end = std::mem::replace(&mut self.end, at);
        let read = read(self)?;
        (self.start, self.end) = (behind, end);
        Ok(read)
    }

    fn chunk<const N: usize>(&self, at: usize) -> Result<[u8; N], Damaged> {
        let chunk = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        chunk.copied().ok_or(Damaged { at, what: "it lies outside of the archive" })
    }

    fn value(&mut self, schema: &'a StoredSchema, at: usize) -> Result<Value<'a>, Damaged> {
        if schema.width() == 0 {
            let left = self.empty.checked_sub(1);
            self.empty = left.ok_or(Damaged { at, what: "it has too many values without bytes" })?;
        }
        Ok(match schema.shape() {
            Shape::Primitive(primitive) => self.primitive(*primitive, at)?,
            Shape::Option(of) => match self.chunk(at)? {
                [0] => Value::Option(None),
                [1] => Value::Option(Some(Box::new(self.value(of, at + 1)?))),
                _ => return Err(Damaged { at, what: "an option is neither there nor absent" }),
            },
            Shape::List(of) => Value::List(self.list(at, of.width(), |reader, at| reader.value(of, at))?),
            Shape::Map(key, value) => {
                let width = key.width().checked_add(value.width());
                let width = width.ok_or(Damaged { at, what: "its entries are larger than any archive" })?;
                let entry =
                    |reader: &mut Self, at: usize| Ok((reader.value(key, at)?, reader.value(value, at + key.width())?));
                Value::Map(self.list(at, width, entry)?)
            }
            Shape::Array(of, len) => {
                let places = (0..*len).map(|i| at + i * of.width());
                Value::List(places.map(|at| self.value(of, at)).collect::<Result<_, _>>()?)
            }
            Shape::Tuple(parts) => Value::Tuple(self.parts(parts.iter(), at)?),
            Shape::Struct(of) => Value::Struct(of, self.parts(of.fields.iter().map(|field| &field.schema), at)?),
            Shape::Enum(of) => {
                let [position] = self.chunk(at)?;
                let variant = Value::stored_variant(of, usize::from(position));
                let variant = variant.ok_or(Damaged { at, what: "there is no such variant" })?;
                let parts = self.parts(variant.fields.iter().map(|field| &field.schema), at + 1)?;
                Value::Enum(of, usize::from(position), parts)
            }
        })
    }

    fn parts(
        &mut self,
        schemas: impl Iterator<Item = &'a StoredSchema>,
        mut at: usize,
    ) -> Result<Vec<Value<'a>>, Damaged> {
        let read = schemas.map(|schema| {
            let value = self.value(schema, at)?;
            at += schema.width();
            Ok(value)
        });
        read.collect()
    }

    fn primitive(&mut self, primitive: Primitive, at: usize) -> Result<Value<'a>, Damaged> {
        macro_rules! number {
            ($type:ty, $kind:ident) => {
                Value::$kind(<$type>::from_le_bytes(self.chunk(at)?).into())
            };
        }
        Ok(match primitive {
            Primitive::U8 => number!(u8, Unsigned),
            Primitive::U16 => number!(u16, Unsigned),
            Primitive::U32 => number!(u32, Unsigned),
            Primitive::U64 => number!(u64, Unsigned),
            Primitive::U128 => number!(u128, Unsigned),
            Primitive::I8 => number!(i8, Signed),
            Primitive::I16 => number!(i16, Signed),
            Primitive::I32 => number!(i32, Signed),
            Primitive::I64 => number!(i64, Signed),
            Primitive::I128 => number!(i128, Signed),
            Primitive::F32 => number!(f32, F32),
            Primitive::F64 => number!(f64, F64),
            Primitive::Timestamp => Value::Timestamp(Timestamp::from_millis(i64::from_le_bytes(self.chunk(at)?))),
            Primitive::Bool => match self.chunk(at)? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err(Damaged { at, what: "a `bool` is neither true nor false" }),
            },
            Primitive::Char => {
                let char = char::from_u32(u32::from_le_bytes(self.chunk(at)?));
                Value::Char(char.ok_or(Damaged { at, what: "there is no such character" })?)
            }
            Primitive::Text => {
                let text = std::str::from_utf8(self.text(at)?);
                Value::Text(text.map_err(|_| Damaged { at, what: "a text is not UTF-8" })?)
            }
            Primitive::Bytes => {
                let (target, len) = self.pointer(at)?;
                Value::Bytes(self.slice(target, len)?)
            }
        })
    }

    /// A string: up to eight bytes in line, the rest filled with 0xff; of a longer one the length, in whose first byte the upper two bits are `10` and the
    /// others are shifted past them, and the pointer.
    fn text(&mut self, at: usize) -> Result<&'a [u8], Damaged> {
        let root: [u8; 8] = self.chunk(at)?;
        if root[0] & 0xc0 != 0x80 {
            let len = root.iter().position(|byte| *byte == 0xff).unwrap_or(root.len());
            return Ok(&self.bytes[at..at + len]);
        }
        let [a, b, c, d, offset @ ..] = root;
        let stored = u32::from_le_bytes([a, b, c, d]);
        let len = ((stored & 0x3f) | ((stored & !0xff) >> 2)) as usize;
        let target = self.target(at, i32::from_le_bytes(offset))?;
        self.slice(target, len)
    }

    fn slice(&mut self, target: usize, len: usize) -> Result<&'a [u8], Damaged> {
        let bytes = self.bytes;
        self.within(target, len, |_| Ok(&bytes[target..target + len]))
    }

    /// Where the pointer of a list leads, and how many elements there are.
    fn pointer(&self, at: usize) -> Result<(usize, usize), Damaged> {
        let target = self.target(at, i32::from_le_bytes(self.chunk(at)?))?;
        Ok((target, u32::from_le_bytes(self.chunk(at + 4)?) as usize))
    }

    fn target(&self, at: usize, offset: i32) -> Result<usize, Damaged> {
        at.checked_add_signed(offset as isize).ok_or(Damaged { at, what: "a pointer leads out of the archive" })
    }

    fn list<T>(
        &mut self,
        at: usize,
        width: usize,
        mut element: impl FnMut(&mut Self, usize) -> Result<T, Damaged>,
    ) -> Result<Vec<T>, Damaged> {
        let (target, len) = self.pointer(at)?;
        let bytes = len.checked_mul(width).ok_or(Damaged { at, what: "a list is larger than any archive" })?;
        self.within(target, bytes, |reader| (0..len).map(|i| element(reader, target + i * width)).collect())
    }
}
