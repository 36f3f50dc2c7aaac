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
mod read;
#[cfg(test)]
mod tests;

use std::{marker::PhantomData, path::PathBuf};

pub use error::JsonError;
pub use format::{JsonSink, format};
pub use millstream_core::document::{Document, Scratch};
pub use parse::parse;
pub use read::JsonParser;

use crate::files::FileSource;

/// Files of JSON Lines (NDJSON): each line is the JSON of one record of type `T`.
///
/// ```
/// use millstream_connectors::JsonLines;
/// use millstream_core::time::Timestamp;
/// use millstream_runtime::stream::{Job, Stream};
///
/// /// A symbol, a price and a time: `["MLST", 12.5, "2024-05-01T12:00:00Z"]`.
/// type Trade = (String, f64, Timestamp);
///
/// fn dear(job: &mut Job) {
///     job.source(JsonLines::<Trade>::read("trades/*.jsonl.gz"))
///         .filter(|(_, price, _)| price > 10.0)
///         .sink(JsonLines::write("dear").zstd());
/// }
/// ```
pub struct JsonLines<T>(PhantomData<fn(T)>);

impl<T: for<'t> Document<'t>> JsonLines<T> {
    /// Reads a file, the `*.jsonl`, `*.ndjson` and `*.json` files of a directory, or those that match a pattern such as
    /// `logs/2024-*/events-?.jsonl`; also packed, as `*.jsonl.gz` or `*.jsonl.zst`. Bounded, unless [watched](FileSource::watch).
    ///
    /// Fields of an object that `T` does not have are skipped. Empty lines, `\r\n`, a byte order mark and a missing line end at the end
    /// of the file are all right. A line that is no such record, or not UTF-8, is a bad one: it is told with its line, column and
    /// field. An array that is spread over many lines is not JSON Lines: put each of its elements on a line of its own, as `jq -c '.[]'`
    /// does.
    pub fn read(path: impl Into<PathBuf>) -> FileSource<Json<T>> {
        FileSource::new(Json::new(), path)
    }

    /// Writes part files (`*.jsonl`) into a directory. They appear all together when the job has ended well, or one after the other with
    /// [`roll_every`](JsonSink::roll_every): see [`FileSink`](crate::part_files::FileSink).
    ///
    /// Fields stand in the order of the record, options that are `None` as `null`. JSON has no NaN and no infinities: such a float is written as `null`
    /// too.
    pub fn write(directory: impl Into<PathBuf>) -> JsonSink<T> {
        JsonSink::new(directory, Json::new())
    }
}

/// Lines of JSON as a format of files, for reading and for writing.
#[derive(Debug)]
pub struct Json<T>(PhantomData<fn(T)>);

impl<T> Json<T> {
    fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Clone for Json<T> {
    fn clone(&self) -> Self {
        Self::new()
    }
}
