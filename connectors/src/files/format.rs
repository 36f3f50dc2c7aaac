//! [`ReadFormat`] and [`Parser`]: what tells one format of files from another.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use millstream_core::record::Record;
use millstream_runtime::failure::Failure;

/// A format of files whose records follow one another, each beginning on a line of its own.
///
/// Finding files, cutting them into ranges, reading ahead, unpacking and counting lines are the same for all formats.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no format that files are read by",
    label = "not a format",
    note = "use `CsvFiles`, `JsonLines` or `TextFiles`, or implement `ReadFormat` with a `Parser`"
)]
pub trait ReadFormat: Clone + Send + Sync + 'static {
    /// What is read.
    type Out: Record;
    /// What the beginning of a file says about the rest: for CSV, where the columns are.
    type Header: Send + Sync + 'static;
    /// Finds records in text.
    type Parser: Parser<Out = Self::Out>;

    /// What messages, metrics and plans call it: `csv`.
    fn name(&self) -> &'static str;

    /// Which files of a directory are read, with `.gz` or `.zst` behind or not; all if this is empty.
    fn extensions(&self) -> &'static [&'static str];

    /// False if the beginning of a record cannot be told in the middle of a file, which is then read by one subtask.
    fn splittable(&self) -> bool;

    /// Reads the beginning of a file; also gives where records begin, in bytes. Blocks.
    ///
    /// # Errors
    ///
    /// Names the file, and says what is wrong with it. The job fails.
    fn header(&self, file: &mut dyn Read, path: &Path) -> Result<(Self::Header, u64), Failure>;

    /// Makes the parser for a file that begins so.
    fn parser(&self, header: &Arc<Self::Header>) -> Self::Parser;
}

/// Finds the records of a text, one after the other, and gives views that borrow from it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not find the records of a text",
    label = "not a parser",
    note = "implement `Parser`: `next` gives the record at a place and says where it ends"
)]
pub trait Parser: Send + 'static {
    /// What is read.
    type Out: Record;

    /// There is a new text; records follow from `at`.
    fn seek(&mut self, at: usize);

    /// The record at `from`: where the one before ended, or [`Parser::seek`] said. There is at least one byte. `last` is true if the file ends
    /// with this text. After [`Parsed::Incomplete`] comes a `seek` in a longer text.
    fn next<'t>(&'t mut self, text: &'t [u8], from: usize, last: bool) -> Parsed<<Self::Out as Record>::View<'t>>;
}

/// What a parser found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<V> {
    /// A record.
    Record {
        /// The record.
        view: V,
        /// Where it ends.
        next: usize,
    },
    /// Nothing that counts: an empty line.
    Blank {
        /// Where it ends.
        next: usize,
    },
    /// The text ends before the record does.
    Incomplete,
    /// Something that is no record.
    Bad {
        /// What is wrong with it.
        reason: String,
        /// Where to go on behind it.
        next: usize,
    },
}

/// What some programs put before UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How long the byte order mark at the beginning of a file is; 0 if there is none. For formats without a header.
///
/// # Errors
///
/// What the file says.
pub fn skip_byte_order_mark(file: &mut dyn Read) -> io::Result<u64> {
    let mut beginning = Vec::new();
    file.take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut beginning)?;
    Ok(if beginning == BYTE_ORDER_MARK { BYTE_ORDER_MARK.len() as u64 } else { 0 })
}
