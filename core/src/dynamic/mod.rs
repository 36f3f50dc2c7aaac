//! Records without their types: a [`StoredSchema`] says what is in an archive, and [`read`] and [`Values`] give it as a [`Value`].
//!
//! What is stored outlives the program that wrote it, so that a later one may have other types, or, as a tool that shows a checkpoint, none. It reads
//! a record here, where every byte is checked; and a [`Record`](crate::record::Record) whose type has changed since makes itself
//! [from such a value](crate::record::Record::from_value), if the stored schema [fits](StoredSchema::check).
//!
//! ```
//! use millstream_core::{buffer::{BufferBuilder, Columns}, dynamic::{StoredSchema, Values}, record::Record, time::Timestamp};
//!
//! let mut builder = BufferBuilder::<(u64, Vec<String>)>::new(Columns::default(), 1 << 20);
//! builder.push((7, vec!["mill".to_owned()].view()), Timestamp::MIN, 0)?;
//! let buffer = builder.seal(0);
//!
//! let schema: StoredSchema = "(u64, Vec<String>)".parse()?;
//! let header = buffer.header();
//! let mut values = Values::new(&schema, header.records, header.columns, buffer.bytes())?;
//! let value = values.next().expect("there is one")?;
//! assert_eq!(serde_json::to_string(&value)?, r#"[7,["mill"]]"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod parse;
mod read;
mod schema;
mod show;
mod value;

pub use check::{Mismatch, Why};
pub use parse::NotASchema;
pub use read::{Damaged, Values, read};
pub use schema::{Primitive, Shape, StoredEnum, StoredField, StoredSchema, StoredStruct, StoredVariant};
pub use value::{Parts, Value};
