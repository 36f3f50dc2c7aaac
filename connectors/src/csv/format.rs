//! Records as CSV text.

use std::marker::PhantomData;

use millstream_core::{cell::Row, record::Record};
use millstream_runtime::failure::Failure;

use super::{check_delimiter, scan::QUOTE};
use crate::part_files::{FileSink, Partitioning, Unpartitioned, WriteFormat};

/// CSV files as a sink; [`CsvFiles::write`](super::CsvFiles::write) makes it.
pub type CsvSink<T, P = Unpartitioned> = FileSink<CsvFormat<T>, P>;

impl<T: for<'t> Row<'t>, P: Partitioning<T>> FileSink<CsvFormat<T>, P> {
    /// What separates fields: `b','` unless said otherwise.
    ///
    /// # Panics
    ///
    /// If it is a quote, a line end or not ASCII.
    #[track_caller]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.format.delimiter = check_delimiter(delimiter);
        self
    }
}

/// CSV as a format of files: a line that names the columns, and a line for each record.
#[derive(Debug)]
pub struct CsvFormat<T> {
    delimiter: u8,
    /// Keeps its capacity from one quoted field to the next.
    scratch: Vec<u8>,
    record: PhantomData<fn(T)>,
}

impl<T> CsvFormat<T> {
    pub(super) fn new() -> Self {
        Self { delimiter: b',', scratch: Vec::new(), record: PhantomData }
    }
}

impl<T> Clone for CsvFormat<T> {
    fn clone(&self) -> Self {
        Self { delimiter: self.delimiter, ..Self::new() }
    }
}

impl<T: for<'t> Row<'t>> WriteFormat for CsvFormat<T> {
    type In = T;

    fn name(&self) -> &'static str {
        "csv"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn header(&mut self, out: &mut Vec<u8>) {
        let row = out.len();
        for column in <T as Row<'static>>::COLUMNS {
            let start = out.len();
            out.extend_from_slice(column.name.as_bytes());
            quote(out, start, self.delimiter, &mut self.scratch);
            out.push(self.delimiter);
        }
        end_row(out, row);
    }

    #[inline]
    fn row(&mut self, record: <T as Record>::View<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let row = out.len();
        let Self { delimiter, scratch, .. } = self;
        <T as Row<'_>>::format(record, out, |out, start| {
            quote(out, start, *delimiter, scratch);
            out.push(*delimiter);
        });
        end_row(out, row);
        Ok(())
    }
}

/// Quotes the field that begins at `start`, where it would be read as something else otherwise. `NA` is among these for the sake of programs
/// that tell it from `"NA"`.
#[inline]
fn quote(out: &mut Vec<u8>, start: usize, delimiter: u8, scratch: &mut Vec<u8>) {
    let text = &out[start..];
    if text == b"NA" || text.iter().any(|byte| *byte == delimiter || matches!(*byte, QUOTE | b'\r' | b'\n')) {
        quote_always(out, start, scratch);
    }
}

#[cold]
fn quote_always(out: &mut Vec<u8>, start: usize, scratch: &mut Vec<u8>) {
    scratch.clear();
    scratch.extend_from_slice(&out[start..]);
    out.truncate(start);
    out.push(QUOTE);
    for part in scratch.split_inclusive(|byte| *byte == QUOTE) {
        out.extend_from_slice(part);
        if part.ends_with(&[QUOTE]) {
            out.push(QUOTE);
        }
    }
    out.push(QUOTE);
}

/// Turns the delimiter after the last field into a line end.
#[inline]
fn end_row(out: &mut Vec<u8>, row: usize) {
    out.pop();
    if out.len() == row {
        out.extend_from_slice(b"\"\""); // a single field that is empty: nothing at all would be an empty line
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[&str], expected: &str) {
        let (mut out, mut scratch) = (b"before\n".to_vec(), Vec::new());
        for field in fields {
            let start = out.len();
            out.extend_from_slice(field.as_bytes());
            quote(&mut out, start, b';', &mut scratch);
            out.push(b';');
        }
        end_row(&mut out, 7);
        assert_eq!(String::from_utf8(out).unwrap(), format!("before\n{expected}"));
    }

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        check(&["a", "b c", ""], "a;b c;\n");
        check(&["a;b", "c,d"], "\"a;b\";c,d\n");
        check(&["a\"b", "\"", "\"\""], "\"a\"\"b\";\"\"\"\";\"\"\"\"\"\"\n");
        check(&["a\nb", "\r"], "\"a\nb\";\"\r\"\n");
        check(&["NA", "NAN"], "\"NA\";NAN\n");
        check(&[""], "\"\"\n");
        check(&["", ""], ";\n");
    }
}
