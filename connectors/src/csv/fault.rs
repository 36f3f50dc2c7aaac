//! What can be wrong with a row, and the words for it. Lines are counted only here, on the way to the message.

use std::{
    fmt,
    io::{self, Read},
    path::Path,
};

use millstream_core::{cell::Column, error::ParseError};
use millstream_runtime::{env::Files, failure::Failure};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A quote is still open at the end of the line, or of the file.
    OpenQuote { quoted_newlines: bool },
    /// Text between a closing quote and the delimiter.
    AfterQuote { column: usize },
    /// More or fewer fields than the header.
    Fields { found: usize, columns: usize },
    /// A text that is no value of its field's type.
    Cell { column: Column, error: ParseError },
    /// No end of the row in sight.
    TooLong { bytes_limit: usize },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenQuote { quoted_newlines: false } => f.write_str(
                "a quote is still open at the end of the line; if quoted fields of this file may hold newlines, add `.quoted_newlines()` to the source",
            ),
            Self::OpenQuote { quoted_newlines: true } => {
                f.write_str("a quote that is opened in this row is still open at the end of the file")
            }
            Self::AfterQuote { column } => {
                write!(f, "field {} goes on after its closing quote; a quote inside of a quoted field is doubled", column + 1)
            }
            Self::Fields { found, columns } => {
                write!(f, "the row has {}, the header has {columns}", Count(*found, "field"))
            }
            Self::Cell { column, error } => write!(f, "column `{}`: {error} (field type `{}`)", column.name, column.type_name),
            Self::TooLong { bytes_limit } => {
                write!(f, "the row is longer than {bytes_limit} bytes; is there a quote that is never closed?")
            }
        }
    }
}

/// A number of things.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, thing) = self;
        write!(f, "{number} {thing}{}", if *number == 1 { "" } else { "s" })
    }
}

/// What is wrong, and where its row begins in the file.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) wrong: Wrong,
    pub(super) offset: u64,
}

impl Fault {
    /// The failure to report. Reads the file up to the fault; blocks.
    pub(super) fn explain(&self, files: &dyn Files, path: &Path) -> Failure {
        let place = match line_at(files, path, self.offset) {
            Ok(line) => format!("line {line}"),
            Err(_) => format!("byte {}", self.offset), // the file has gone: the place is still worth something
        };
        Failure::new(format!("{}, {place}: {}", path.display(), self.wrong))
    }
}

/// How much is read at once to count lines.
const COUNT_BYTES: usize = 64 * 1024;

/// The number of the line, from 1, that begins at `offset`.
fn line_at(files: &dyn Files, path: &Path, offset: u64) -> io::Result<usize> {
    let mut before = files.open(path)?.take(offset);
    let (mut buffer, mut line) = (vec![0; COUNT_BYTES], 1);
    loop {
        match before.read(&mut buffer) {
            Ok(0) => return Ok(line),
            Ok(read) => line += memchr::memchr_iter(b'\n', &buffer[..read]).count(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
