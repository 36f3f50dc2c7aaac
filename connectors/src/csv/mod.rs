//! CSV files, read in parallel by ranges of lines and written as part files that appear together.

mod fault;
mod format;
mod header;
mod read;
mod scan;
#[cfg(test)]
mod tests;

use std::{marker::PhantomData, path::PathBuf};

use millstream_core::cell::Row;

pub use format::{CsvFormat, CsvSink};
pub use header::CsvHeader;
pub use read::{Csv, CsvParser, CsvSource};

/// CSV files of records of type `T`, to [read](CsvFiles::read) or to [write](CsvFiles::write).
pub struct CsvFiles<T>(PhantomData<fn(T)>);

impl<T> CsvFiles<T> {
    /// Reads a file, the `*.csv` files of a directory, or those that match a pattern such as `data/2024-*/trades-?.csv`; also packed, as
    /// `*.csv.gz` or `*.csv.zst`. Bounded, unless [watched](crate::files::FileSource::watch).
    ///
    /// The first line of each file names its columns. The fields of `T` are found by name; columns that `T` has no field for cost next to
    /// nothing. `\r\n`, a byte order mark, empty lines and a missing line end at the end of the file are all right. Records come in the order of
    /// the file within each range of [`split_bytes`](crate::files::FileSource::split_bytes); in which order ranges come depends on the parallelism.
    pub fn read(path: impl Into<PathBuf>) -> CsvSource<T>
    where
        T: for<'t> Row<'t>,
    {
        CsvSource::new(Csv::new(), path)
    }

    /// Writes part files into a directory. They appear all together when the job has ended well, or one after the other with
    /// [`roll_every`](CsvSink::roll_every): see [`FileSink`](crate::part_files::FileSink).
    ///
    /// ```
    /// use std::time::Duration;
    /// use millstream_connectors::csv::{CsvFiles, CsvSink};
    /// use millstream_core::cell::Row;
    ///
    /// /// Compressed parts, each of which is there within a minute of its first record.
    /// fn output<T: for<'t> Row<'t>>() -> CsvSink<T> {
    ///     CsvFiles::write("out").roll_every(Duration::from_secs(60)).zstd()
    /// }
    /// ```
    pub fn write(directory: impl Into<PathBuf>) -> CsvSink<T>
    where
        T: for<'t> Row<'t>,
    {
        CsvSink::new(directory, CsvFormat::new())
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
