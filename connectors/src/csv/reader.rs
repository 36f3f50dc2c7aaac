//! Parses rows straight into views that borrow from the text of the file.

use std::{future::Future, marker::PhantomData, path::Path, sync::Arc};

use millstream_core::{cell::Row, record::Record, time::Timestamp};
use millstream_runtime::{
    env::Env,
    failure::Failure,
    operator::Push,
    source::{Emit, Emitted, Fetched, SplitReader},
};

use super::{
    CsvSplit,
    chunk::{Chunks, Fetching, Opened, Range, Sizes, Text, join},
    fault::{Fault, Wrong},
    header::Header,
    scan::{Scan, Scanner, Syntax},
};
use crate::background::background;

/// How long a row may be.
const ROW_BYTES_LIMIT: usize = 64 * 1024 * 1024;

/// Reads CSV files by ranges; see [`CsvFiles::read`](super::CsvFiles::read).
pub struct CsvReader<T> {
    env: Arc<dyn Env>,
    syntax: Syntax,
    sizes: Sizes,
    path: Arc<Path>,
    /// Rows belong to this reader that begin before this position in the file.
    end: u64,
    /// Of the file at `path`.
    header: Option<Arc<Header>>,
    scanner: Scanner,
    text: Text,
    /// Where the split was opened, while no text is there to tell how far it was read.
    from: Option<u64>,
    /// True if `text` begins inside of a line that belongs to another reader.
    skip_line: bool,
    /// A chunk on its way.
    fetching: Option<Fetching>,
    /// The file, while no chunk is on its way.
    chunks: Option<Chunks>,
    /// A buffer that is not in use.
    spare: Vec<u8>,
    done: bool,
    /// What is wrong with the row at the position. It is found where nothing may wait, and told by the next `fetch`.
    fault: Option<Fault>,
    record: PhantomData<fn(T)>,
}

impl<T: for<'t> Row<'t>> CsvReader<T> {
    pub(super) fn new(env: Arc<dyn Env>, syntax: Syntax, sizes: Sizes) -> Self {
        Self {
            env,
            syntax,
            sizes,
            path: Path::new("").into(),
            end: 0,
            header: None,
            scanner: Scanner::new(syntax, 0),
            text: Text::default(),
            from: Some(0),
            skip_line: false,
            fetching: None,
            chunks: None,
            spare: Vec::new(),
            done: true,
            fault: None,
            record: PhantomData,
        }
    }

    /// The next record that is in memory.
    #[inline]
    pub(super) fn next(&mut self) -> Option<<T as Record>::View<'_>> {
        let header = self.header.as_deref()?;
        if self.done || self.fault.is_some() {
            return None;
        }
        let (row, fields) = loop {
            let at = self.text.at;
            if self.text.offset(at) >= self.end || (self.text.last && at == self.text.bytes.len()) {
                self.done = true;
                return None;
            }
            match self.scanner.row(&self.text.bytes, at, self.text.last) {
                Scan::Row { fields, next } => {
                    self.text.at = next;
                    break (at, fields);
                }
                Scan::Blank { next } => self.text.at = next,
                Scan::Incomplete => return None,
                Scan::Broken(wrong) => {
                    self.fault = Some(Fault { wrong, offset: self.text.offset(at) });
                    return None;
                }
            }
        };
        if fields != header.columns {
            let wrong = Wrong::Fields { found: fields, columns: header.columns };
            self.text.at = row;
            self.fault = Some(Fault { wrong, offset: self.text.offset(row) });
            return None;
        }
        let (scanner, bytes) = (&self.scanner, &self.text.bytes);
        let cell = |index: usize| header.places[index].map(|place| scanner.field(bytes, place));
        match <T as Row<'_>>::parse(cell) {
            Ok(view) => Some(view),
            Err((column, error)) => {
                let wrong = Wrong::Cell { column: <T as Row<'static>>::COLUMNS[column], error };
                self.text.at = row;
                self.fault = Some(Fault { wrong, offset: self.text.offset(row) });
                None
            }
        }
    }

    /// Takes over a chunk that has come, and has the next one read if it will be needed.
    fn take(&mut self, chunks: Chunks, mut text: Text, opened: Option<Opened>) {
        if let Some(Opened { header, skip_line }) = opened {
            self.from = None;
            self.skip_line = skip_line;
            self.scanner = Scanner::new(self.syntax, header.columns);
            self.header = Some(header);
        } else {
            self.spare = join(std::mem::take(&mut self.text), &mut text);
        }
        self.text = text;
        if self.skip_line {
            match memchr::memchr(b'\n', self.text.rest()) {
                Some(newline) => {
                    self.text.at += newline + 1;
                    self.skip_line = false;
                }
                None => self.text.at = self.text.bytes.len(),
            }
        }
        self.scanner.seek(self.text.at);
        if self.text.last {
            return; // the file is closed here
        }
        if chunks.wants_more() {
            self.fetch_next(chunks);
        } else {
            self.chunks = Some(chunks);
        }
    }

    fn fetch_next(&mut self, chunks: Chunks) {
        let buffer = std::mem::take(&mut self.spare);
        // A row that was longer than the headroom is at the very beginning, and may be longer than a chunk too.
        let least = if self.text.at == 0 { self.text.bytes.len() } else { 0 };
        self.fetching = Some(chunks.fetch(&*self.env, buffer, least));
    }

    fn explain(&self, fault: &Fault) -> impl Future<Output = Failure> + Send + use<T> {
        let (env, path, fault) = (Arc::clone(&self.env), Arc::clone(&self.path), fault.clone());
        background(&*self.env, move || fault.explain(env.files(), &path))
    }
}

impl<T: for<'t> Row<'t>> SplitReader for CsvReader<T> {
    type Out = T;
    type Split = CsvSplit;

    fn open(&mut self, (path, from, end): CsvSplit) -> Result<(), Failure> {
        if *self.path != *Path::new(&path) {
            self.path = Path::new(&path).into();
            self.header = None;
        }
        (self.from, self.end) = (Some(from), end);
        let buffer = std::mem::take(&mut self.text).bytes;
        (self.chunks, self.fault, self.done) = (None, None, false);
        let range = Range {
            path: Arc::clone(&self.path),
            from,
            end,
            syntax: self.syntax,
            wanted: <T as Row<'static>>::COLUMNS,
            sizes: self.sizes,
            header: self.header.clone(),
        };
        self.fetching = Some(Chunks::open(&self.env, range, buffer));
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        if let Some(fault) = &self.fault {
            return Err(self.explain(fault).await);
        }
        if self.done {
            return Ok(Fetched::EndOfSplit);
        }
        if self.from.is_none() && self.text.rest().len() > ROW_BYTES_LIMIT {
            let fault = Fault {
                wrong: Wrong::TooLong { bytes_limit: ROW_BYTES_LIMIT },
                offset: self.text.offset(self.text.at),
            };
            return Err(self.explain(&fault).await);
        }
        if let Some(chunks) = self.chunks.take() {
            self.fetch_next(chunks);
        }
        if let Some(fetching) = &mut self.fetching {
            let fetched = fetching.await;
            self.fetching = None;
            let (chunks, text, opened) = fetched?;
            self.take(chunks, text, opened);
        }
        Ok(Fetched::Data)
    }

    fn emit<N: Push<T>>(&mut self, out: &mut Emit<'_, T, N>) -> Result<Emitted, Failure> {
        if self.from.is_some() {
            return Ok(Emitted::All); // nothing was fetched
        }
        let before = self.text.at;
        let mut emitted = Emitted::Some;
        while !out.is_full() {
            match self.next() {
                Some(record) => out.push(record, Timestamp::MIN),
                None => {
                    emitted = Emitted::All;
                    break;
                }
            }
        }
        out.count_bytes((self.text.at - before) as u64);
        Ok(emitted)
    }

    fn position(&self) -> CsvSplit {
        let from = self.from.unwrap_or_else(|| self.text.offset(self.text.at));
        (self.path.display().to_string(), from, self.end)
    }
}
