//! CSV files, read in parallel by ranges of lines and written as part files that appear together.

mod commit;
mod fault;
mod header;
mod parts;
mod quote;
mod read;
mod scan;
mod sink;
#[cfg(test)]
mod tests;
mod writer;

use std::{marker::PhantomData, path::PathBuf};

use millstream_core::cell::Row;

pub use commit::CsvCommitter;
pub use header::CsvHeader;
pub use parts::CsvPart;
pub use read::{Csv, CsvParser, CsvSource};
pub use sink::{CsvSink, PART_BYTES};
pub use writer::CsvWriter;

/// CSV files of records of type `T`, to [read](CsvFiles::read) or to [write](CsvFiles::write).
pub struct CsvFiles<T>(PhantomData<fn(T)>);

impl<T: for<'t> Row<'t>> CsvFiles<T> {
    /// Reads a file, the `*.csv` files of a directory, or those that match a pattern such as `data/2024-*/trades-?.csv`; also packed, as
    /// `*.csv.gz` or `*.csv.zst`. Bounded, unless [watched](crate::files::FileSource::watch).
    ///
    /// The first line of each file names its columns. The fields of `T` are found by name; columns that `T` has no field for cost next to
    /// nothing. `\r\n`, a byte order mark, empty lines and a missing line end at the end of the file are all right. Records come in the order of
    /// the file within each range of [`split_bytes`](crate::files::FileSource::split_bytes); in which order ranges come depends on the parallelism.
    pub fn read(path: impl Into<PathBuf>) -> CsvSource<T> {
        CsvSource::new(Csv::new(), path)
    }

    /// Writes part files into a directory, which is made if need be. They appear all together when the job has ended well, followed by an
    /// empty file `_SUCCESS`; until then they are kept in a hidden directory inside of it, which goes away if the job fails. A subtask that
    /// gets no records writes no part, so a job without any result leaves `_SUCCESS` alone.
    pub fn write(directory: impl Into<PathBuf>) -> CsvSink<T> {
        CsvSink::new(directory.into())
    }
}

#[track_caller]
fn check_delimiter(delimiter: u8) -> u8 {
    assert!(
        delimiter.is_ascii() && !b"\"\r\n".contains(&delimiter),
        "a delimiter is an ASCII character other than a quote and line ends"
    );
    delimiter
}
