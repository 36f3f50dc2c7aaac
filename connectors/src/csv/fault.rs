//! What can be wrong with a row, and the words for it.

use std::fmt;

use millstream_core::{cell::Column, error::ParseError};

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
