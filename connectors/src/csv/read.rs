//! [`Csv`]: the format of CSV files, for reading. Parses rows straight into views that borrow from the text of the file.

use std::{io::Read, marker::PhantomData, path::Path, sync::Arc};

use millstream_core::{cell::Row, record::Record};
use millstream_runtime::failure::Failure;

use super::{
    check_delimiter,
    fault::Wrong,
    header::CsvHeader,
    scan::{Scan, Scanner, Syntax},
};
use crate::files::{FileSource, Parsed, Parser, ReadFormat};

/// CSV files as a source; [`CsvFiles::read`](super::CsvFiles::read) makes it.
pub type CsvSource<T> = FileSource<Csv<T>>;

/// The format of [`CsvFiles`](super::CsvFiles).
#[derive(Debug)]
pub struct Csv<T> {
    syntax: Syntax,
    record: PhantomData<fn(T)>,
}

impl<T> Csv<T> {
    pub(super) fn new() -> Self {
        Self { syntax: Syntax { delimiter: b',', quoted_newlines: false }, record: PhantomData }
    }
}

impl<T> Clone for Csv<T> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<T: for<'t> Row<'t>> FileSource<Csv<T>> {
    /// What separates fields: `b','` unless said otherwise.
    ///
    /// # Panics
    ///
    /// If it is a quote, a line end or not ASCII.
    #[track_caller]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.format.syntax.delimiter = check_delimiter(delimiter);
        self
    }

    /// Quoted fields may hold newlines. Each file is then read as a whole by one subtask, since the line that a range begins with can no longer
    /// be told.
    pub fn quoted_newlines(mut self) -> Self {
        self.format.syntax.quoted_newlines = true;
        self
    }
}

impl<T: for<'t> Row<'t>> ReadFormat for Csv<T> {
    type Out = T;
    type Header = CsvHeader;
    type Parser = CsvParser<T>;

    fn name(&self) -> &'static str {
        "csv"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv"]
    }

    fn splittable(&self) -> bool {
        !self.syntax.quoted_newlines
    }

    fn header(&self, file: &mut dyn Read, path: &Path) -> Result<(CsvHeader, u64), Failure> {
        CsvHeader::read(file, path, self.syntax, <T as Row<'static>>::COLUMNS)
    }

    fn parser(&self, header: &Arc<CsvHeader>) -> CsvParser<T> {
        let scanner = Scanner::new(self.syntax, header.columns);
        CsvParser { header: Arc::clone(header), scanner, record: PhantomData }
    }
}

/// Finds rows.
pub struct CsvParser<T> {
    header: Arc<CsvHeader>,
    scanner: Scanner,
    record: PhantomData<fn(T)>,
}

impl<T: for<'t> Row<'t>> Parser for CsvParser<T> {
    type Out = T;

    fn seek(&mut self, at: usize) {
        self.scanner.seek(at);
    }

    #[inline(always)]
    fn next<'t>(&'t mut self, text: &'t [u8], from: usize, last: bool) -> Parsed<<T as Record>::View<'t>> {
        let (fields, next) = match self.scanner.row(text, from, last) {
            Scan::Row { fields, next } => (fields, next),
            Scan::Blank { next } => return Parsed::Blank { next },
            Scan::Incomplete => return Parsed::Incomplete,
            Scan::Broken { wrong, at } => return self.broken(text, wrong, at, last),
        };
        if fields != self.header.columns {
            let reason = Wrong::Fields { found: fields, columns: self.header.columns }.to_string();
            return Parsed::Bad { reason, next };
        }
        let (scanner, places) = (&self.scanner, &self.header.places);
        let cell = |index: usize| places[index].map(|place| scanner.field(text, place));
        match <T as Row<'_>>::parse(cell) {
            Ok(view) => Parsed::Record { view, next },
            Err((column, error)) => {
                let wrong = Wrong::Cell { column: <T as Row<'static>>::COLUMNS[column], error };
                Parsed::Bad { reason: wrong.to_string(), next }
            }
        }
    }
}

impl<T> CsvParser<T> {
    /// A row without a structure ends with the line in which that was found.
    #[cold]
    fn broken<V>(&mut self, text: &[u8], wrong: Wrong, at: usize, last: bool) -> Parsed<V> {
        let next = match memchr::memchr(b'\n', &text[at..]) {
            Some(newline) => at + newline + 1,
            None if last => text.len(),
            None => return Parsed::Incomplete,
        };
        self.scanner.seek(next);
        Parsed::Bad { reason: wrong.to_string(), next }
    }
}
