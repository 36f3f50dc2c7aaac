//! Text forms: a [`Cell`] is a value that fits one column of a text table (CSV), a [`Row`] a record made of cells.

mod number;
mod option;
mod text;
mod time;

use crate::{blank::Blank, error::ParseError, record::Record};

/// A value with a text form: one cell of a CSV file. The view borrows from the text, so parsing a string copies nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no text form, so it cannot be a column of a CSV file",
    label = "not a single cell",
    note = "cells are numbers, strings, bool, char, times, and options of them: map lists, maps and nested records to such fields before the sink; `JsonLines` reads and writes them as they are"
)]
pub trait Cell<'t>: Blank<'t> {
    /// Reads the text of one cell, quotes already removed.
    ///
    /// # Errors
    ///
    /// Says which text was found and what was wanted.
    fn parse(text: &'t [u8]) -> Result<Self::View<'t>, ParseError>;
    /// Appends the text, without quotes.
    fn format(view: Self::View<'_>, out: &mut Vec<u8>);
}

/// A column of a [`Row`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The name in the header.
    pub name: &'static str,
    /// False for `#[record(default)]`: the file may lack it.
    pub required: bool,
    /// The Rust type, for messages.
    pub type_name: &'static str,
}

/// A record whose fields are all cells. `#[derive(Record)]` implements it for every struct with named fields of which that is true.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from or written to a table of text",
    label = "not a row of cells",
    note = "derive `Record` on a struct with named fields whose types are numbers, strings, bool, char, times, or options of them",
    note = "tuples, as aggregates put them out, have no names for columns: `.map(..)` them to such a struct first"
)]
pub trait Row<'t>: Record {
    /// The columns, in the order of the fields.
    const COLUMNS: &'static [Column];

    /// Reads a row. `cell(i)` is the text of column `i` of [`Row::COLUMNS`]; `None` if the file has no such column, which only happens where
    /// it is not required.
    ///
    /// # Errors
    ///
    /// Says which column (an index into [`Row::COLUMNS`]) is wrong, and how.
    fn parse(cell: impl Fn(usize) -> Option<&'t [u8]>) -> Result<Self::View<'t>, (usize, ParseError)>;

    /// Writes a row: appends the text of each column in turn and calls `end(out, start)` after each, `start` being where its text began
    /// (there `end` quotes where needed and puts the separator).
    fn format(view: Self::View<'_>, out: &mut Vec<u8>, end: impl FnMut(&mut Vec<u8>, usize));
}
