//! JSON as a text form of records: one object a line, which is known as JSON Lines or NDJSON. How records look in JSON,
//! [`millstream_core::document`] says.
//!
//! ```
//! use millstream_connectors::json;
//! use millstream_core::document::Scratch;
//!
//! let (line, mut scratch) = (br#"["mill", 7]"#, Scratch::new());
//! let (word, count) = json::parse::<(String, u64)>(line, &mut scratch)?;
//! assert_eq!((word, count), ("mill", 7)); // `word` lies in `line`
//!
//! let mut out = Vec::new();
//! json::format::<(String, u64)>((word, count), &mut out)?;
//! assert_eq!(out, b"[\"mill\",7]\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod format;
mod parse;
#[cfg(test)]
mod tests;

pub use error::JsonError;
pub use format::format;
pub use millstream_core::document::{Document, Scratch};
pub use parse::parse;
