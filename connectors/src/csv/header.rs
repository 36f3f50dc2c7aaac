//! The header of a CSV file: where the fields of the record type are.

use std::{fmt::Write as _, io::Read, path::Path};

use millstream_core::cell::Column;
use millstream_runtime::failure::Failure;

use super::scan::{Scan, Scanner, Syntax};
use crate::files::{BYTE_ORDER_MARK, cannot_read};

/// How many columns a file may have.
const COLUMNS_LIMIT: usize = 16 * 1024;
/// How long a header may be, with empty lines before it.
const HEADER_BYTES_LIMIT: u64 = 1024 * 1024;
/// How much of a file is read at first; a longer header takes further steps of this size.
const STEP_BYTES: u64 = 4 * 1024;
/// How many columns a message lists.
const LISTED_LIMIT: usize = 40;

/// What the first line of a file says about the others.
#[derive(Debug, PartialEq, Eq)]
pub struct CsvHeader {
    /// How many fields each row has.
    pub(super) columns: usize,
    /// For each column of the record type where it is in the file, if it is there.
    pub(super) places: Vec<Option<usize>>,
}

impl CsvHeader {
    /// Reads the header at the beginning of a file; also gives where the rows begin. Blocks.
    pub(super) fn read(
        file: &mut dyn Read,
        path: &Path,
        syntax: Syntax,
        wanted: &[Column],
    ) -> Result<(Self, u64), Failure> {
        let mut text = Vec::new();
        let mut scanner = Scanner::new(syntax, COLUMNS_LIMIT);
        loop {
            let read = file.take(STEP_BYTES).read_to_end(&mut text).map_err(|error| cannot_read(path, &error))?;
            let last = read == 0;
            let mut at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
            scanner.seek(at);
            let scan = loop {
                if last && at == text.len() {
                    return Err(Failure::new(format!(
                        "{} is empty: its first line must name the columns",
                        path.display()
                    )));
                }
                match scanner.row(&text, at, last) {
                    Scan::Blank { next } => at = next,
                    scan => break scan,
                }
            };
            match scan {
                Scan::Row { fields, .. } if fields > COLUMNS_LIMIT => {
                    return Err(Failure::new(format!(
                        "{} has {fields} columns, more than the {COLUMNS_LIMIT} that are allowed",
                        path.display()
                    )));
                }
                Scan::Row { fields, next } => {
                    let names: Vec<_> = (0..fields).map(|i| String::from_utf8_lossy(scanner.field(&text, i))).collect();
                    let places = wanted.iter().map(|column| place(column, &names, path)).collect::<Result<_, _>>()?;
                    return Ok((Self { columns: fields, places }, next as u64));
                }
                Scan::Broken { wrong, .. } => {
                    return Err(Failure::new(format!("{}, in the header: {wrong}", path.display())));
                }
                Scan::Incomplete | Scan::Blank { .. } if text.len() as u64 >= HEADER_BYTES_LIMIT => {
                    return Err(Failure::new(format!(
                        "{} has no end of line in its first {HEADER_BYTES_LIMIT} bytes: is it a CSV file?",
                        path.display()
                    )));
                }
                Scan::Incomplete | Scan::Blank { .. } => {}
            }
        }
    }
}

/// Finds a column among the names of the header.
fn place(column: &Column, names: &[impl AsRef<str>], path: &Path) -> Result<Option<usize>, Failure> {
    let mut found = names.iter().enumerate().filter(|(_, name)| name.as_ref() == column.name).map(|(i, _)| i);
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            Err(Failure::new(format!("{} has more than one column `{}`", path.display(), column.name)))
        }
        (None, _) if column.required => Err(missing(column, names, path)),
        (place, _) => Ok(place),
    }
}

fn missing(column: &Column, names: &[impl AsRef<str>], path: &Path) -> Failure {
    let mut there = String::new();
    for (i, name) in names.iter().take(LISTED_LIMIT).enumerate() {
        let _ = write!(there, "{}`{}`", if i == 0 { "" } else { ", " }, name.as_ref());
    }
    if names.len() > LISTED_LIMIT {
        let _ = write!(there, " and {} more", names.len() - LISTED_LIMIT);
    }
    let hint = hint(column, names);
    Failure::new(format!(
        "{} has no column `{}`; its columns are {there}. {hint}A field is named after its column with `#[record(rename = \"..\")]`, and may be absent with `#[record(default)]`",
        path.display(),
        column.name
    ))
}

/// What the file looks like: another delimiter, or a name that is written otherwise.
fn hint(column: &Column, names: &[impl AsRef<str>]) -> String {
    if let [all] = names
        && let Some(delimiter) = [';', '\t', '|', ','].into_iter().find(|delimiter| all.as_ref().contains(*delimiter))
    {
        return format!("They look separated by {delimiter:?}: add `.delimiter(b{delimiter:?})` to the source. ");
    }
    let near = names.iter().map(AsRef::as_ref).find(|name| name.trim().eq_ignore_ascii_case(column.name));
    near.map_or_else(String::new, |name| format!("If `{name}` is meant: `#[record(rename = {name:?})]`. "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &[Column] = &[
        Column { name: "price", required: true, type_name: "f64" },
        Column { name: "note", required: false, type_name: "String" },
    ];

    fn read(text: &[u8]) -> Result<(CsvHeader, u64), String> {
        let syntax = Syntax { delimiter: b',', quoted_newlines: false };
        CsvHeader::read(&mut &text[..], Path::new("trades.csv"), syntax, WANTED).map_err(|failure| failure.to_string())
    }

    #[test]
    fn columns_are_found_by_name() {
        assert_eq!(read(b"id,price\n1,2\n"), Ok((CsvHeader { columns: 2, places: vec![Some(1), None] }, 9)));
        assert_eq!(
            read(b"\xef\xbb\xbf\r\n\"note\",\"price\"\r\n"),
            Ok((CsvHeader { columns: 2, places: vec![Some(1), Some(0)] }, 21))
        );
        assert_eq!(read(b"price"), Ok((CsvHeader { columns: 1, places: vec![Some(0), None] }, 5)));
    }

    #[test]
    fn a_header_may_be_longer_than_a_step() {
        let text = format!("{},price\n", "x".repeat(3 * STEP_BYTES as usize));
        assert_eq!(read(text.as_bytes()).unwrap().0.places, [Some(1), None]);
        let text = vec![b'x'; HEADER_BYTES_LIMIT as usize + 1];
        assert_eq!(
            read(&text).unwrap_err(),
            "trades.csv has no end of line in its first 1048576 bytes: is it a CSV file?"
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(read(b"").unwrap_err(), "trades.csv is empty: its first line must name the columns");
        assert_eq!(read(b"\n\r\n").unwrap_err(), "trades.csv is empty: its first line must name the columns");
        assert_eq!(
            read(b"id,prize\n").unwrap_err(),
            "trades.csv has no column `price`; its columns are `id`, `prize`. A field is named after its column with \
             `#[record(rename = \"..\")]`, and may be absent with `#[record(default)]`"
        );
        let semicolons = read(b"id;price\n").unwrap_err();
        assert!(semicolons.contains("add `.delimiter(b';')` to the source."), "{semicolons}");
        let tabs = read(b"id\tprice\n").unwrap_err();
        assert!(tabs.contains("add `.delimiter(b'\\t')` to the source."), "{tabs}");
        let capitals = read(b"id, Price\n").unwrap_err();
        assert!(capitals.contains("If ` Price` is meant: `#[record(rename = \" Price\")]`."), "{capitals}");
        assert_eq!(read(b"price,price\n").unwrap_err(), "trades.csv has more than one column `price`");
    }
}
