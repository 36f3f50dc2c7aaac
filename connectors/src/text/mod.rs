//! Files of text, a record a line: read in parallel by ranges, written as part files, or appended to one file as lines come.

mod append;
mod format;
mod read;

use std::path::PathBuf;

pub use append::{AppendSink, AppendWriter};
pub use format::{TextFormat, TextSink};
pub use read::{Lines, LinesParser};

use crate::files::FileSource;

/// Files of text: records are their lines, `String`s without line ends.
///
/// ```
/// use millstream_connectors::TextFiles;
/// use millstream_runtime::stream::{Job, Stream};
///
/// fn errors(job: &mut Job) {
///     job.source(TextFiles::read("/var/log/app/*.log.gz"))
///         .filter(|line| line.contains("ERROR"))
///         .sink(TextFiles::write("errors").zstd());
/// }
/// ```
#[derive(Debug, Clone, Copy)]
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

    /// Writes part files of lines into a directory. They appear all together when the job has ended well, or one after the other with
    /// [`roll_every`](TextSink::roll_every): see [`FileSink`](crate::part_files::FileSink). A record that holds a line feed fails the job.
    pub fn write(directory: impl Into<PathBuf>) -> TextSink {
        TextSink::new(directory, TextFormat)
    }

    /// Appends lines to one file as they come, for `tail -f` and for jobs that never end: whole lines, written when many have come or none
    /// come for now. Lines of several subtasks come in any order.
    ///
    /// Nothing is committed. Lines stay in the file whatever becomes of the job, and a job that starts again from a checkpoint appends
    /// anew what came after it: each line is there once in a job that does not fail, and once or more in a job with checkpoints that does, so
    /// `Job<ExactlyOnce>` does not take it. (It could not cut off what came after the checkpoint: others may append to the file, and its own subtasks
    /// mix their lines in it.) If the process is killed while it writes, the beginning of a line may stay behind, on a line of its own.
    /// A record that holds a line feed fails the job.
    pub fn append(file: impl Into<PathBuf>) -> AppendSink {
        AppendSink::new(file.into())
    }
}
