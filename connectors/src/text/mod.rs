//! Text files, a record a line: written as part files, or appended to one file as lines come.

mod append;
mod format;

use std::path::PathBuf;

pub use append::{AppendSink, AppendWriter};
pub use format::{TextFormat, TextSink};

/// Text files: records are their lines, `String`s without line ends.
#[derive(Debug, Clone, Copy)]
pub struct TextFiles;

impl TextFiles {
    /// Writes part files of lines into a directory. They appear all together when the job has ended well, or one after the other with
    /// [`roll_every`](TextSink::roll_every): see [`FileSink`](crate::part_files::FileSink). A record that holds a line feed fails the job.
    ///
    /// ```
    /// use millstream_connectors::TextFiles;
    ///
    /// let sink = TextFiles::write("out").gzip();
    /// # let _ = sink;
    /// ```
    pub fn write(directory: impl Into<PathBuf>) -> TextSink {
        TextSink::new(directory, TextFormat)
    }

    /// Appends lines to one file as they come, for `tail -f` and for jobs that never end: whole lines, written when many have come or none
    /// come for now. Lines of several subtasks come in any order.
    ///
    /// Nothing is committed. Lines stay in the file whatever becomes of the job, and a job that starts again from a checkpoint appends
    /// anew what came after it: each line is there once in a job that does not fail, and once or more in a job with checkpoints that does.
    /// A record that holds a line feed fails the job.
    pub fn append(file: impl Into<PathBuf>) -> AppendSink {
        AppendSink::new(file.into())
    }
}
