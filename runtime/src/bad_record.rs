//! [`BadRecord`]: what a source says of a piece of its input that is no record.

use millstream_macros::Record;

use crate::source::Source;

/// A piece of input that could not be read as a record: where it is, what is wrong with it, and what it says.
///
/// `.divert_errors()` on a source gives a stream of these, which any sink takes: `bad.sink(CsvFiles::write("bad"))` keeps them as a table.
#[derive(Debug, Clone, PartialEq, Eq, Record)]
#[record(crate = crate::bad_record)]
pub struct BadRecord {
    /// Where it comes from: the path of a file.
    pub origin: String,
    /// The line that it begins in, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
    /// What it says, cut to a bound; what is not UTF-8 in it is replaced.
    pub text: String,
}

/// A source that may come upon pieces of its input that are no records, and hands them over by [`Emit::reject`](crate::source::Emit::reject):
/// it offers `.skip_errors()` and `.divert_errors()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no bad records that could be skipped or diverted",
    label = "never rejects a record",
    note = "remove the call, or put it behind what rejects records: a source that parses files, or an operator whose function returns a `Result`"
)]
pub trait RejectsRecords: Source {}

/// What the derive macro names.
mod __private {
    pub(super) use millstream_core::{self as core, __private::rkyv};
}
