//! Lines of text as records.

mod read;

use std::path::PathBuf;

pub use read::{Lines, LinesParser};

use crate::files::FileSource;

/// Files of text: each line is a record.
///
/// ```
/// use millstream_connectors::TextFiles;
/// use millstream_runtime::stream::{Job, Stream};
///
/// fn errors(job: &mut Job) -> impl Stream<Out = String> {
///     job.source(TextFiles::read("/var/log/app/*.log.gz")).filter(|line| line.contains("ERROR"))
/// }
/// ```
pub struct TextFiles;

impl TextFiles {
    /// Reads a file, the files of a directory, or those that match a pattern such as `logs/2024-*/app-?.log.gz`. Bounded, unless
    /// [watched](FileSource::watch).
    ///
    /// Each line is a record, the empty ones too, without its line end (`\n` or `\r\n`). A byte order mark and a missing line end at the end of
    /// the file are all right; a line that is not UTF-8 is a bad one.
    pub fn read(path: impl Into<PathBuf>) -> FileSource<Lines> {
        FileSource::new(Lines, path)
    }
}
