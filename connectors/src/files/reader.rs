//! [`FileReader`]: hands over records as views that borrow from the text of the file, and bad ones with their place.

use std::{path::Path, sync::Arc};

use millstream_core::{record::Record, time::Timestamp};
use millstream_runtime::{
    env::{BoxFuture, Env},
    failure::Failure,
    operator::Push,
    source::{BadRecordView, Emit, Emitted, Fetched, SplitReader},
};

use super::{
    FileSplit,
    chunk::{Beginning, Chunks, Fetching, Opened, Range, Sizes, Text, join},
    format::{Parsed, Parser, ReadFormat},
    lines::Lines,
};
use crate::background::background;

/// How much of a bad row its [`BadRecord`](millstream_runtime::source::BadRecord) repeats, in bytes.
pub const BAD_TEXT_BYTES: usize = 4 * 1024;

/// Reads files by ranges; see [`FileSource`](super::FileSource).
pub struct FileReader<F: ReadFormat> {
    env: Arc<dyn Env>,
    format: F,
    sizes: Sizes,
    path: Arc<Path>,
    /// Rows belong to this reader that begin before this position in the file.
    end: u64,
    /// Of the file at `path`.
    beginning: Option<Beginning<F>>,
    /// Absent until the first chunk is there.
    parser: Option<F::Parser>,
    text: Text,
    /// Where the split was opened, while no text is there to tell how far it was read.
    from: Option<u64>,
    /// True if `text` begins inside of a line that belongs to another reader.
    skip_line: bool,
    /// A chunk on its way.
    fetching: Option<Fetching<F>>,
    /// The file, while no chunk is on its way.
    chunks: Option<Chunks>,
    /// A buffer that is not in use.
    spare: Vec<u8>,
    done: bool,
    /// What is wrong with the row at the position. It is found where nothing may wait, and told once its line is known.
    fault: Option<Fault>,
    lines: Lines,
    /// The lines before the fault, being counted in the file.
    counting: Option<BoxFuture<'static, Result<Lines, Failure>>>,
}

/// What is wrong with a row.
struct Fault {
    reason: String,
    /// Where to go on in the text; nowhere if the job has to fail.
    next: Option<usize>,
}

/// Why no further record was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The one who takes them wants no more.
    Full,
    /// What comes next is no record.
    Fault,
    /// What is in memory has been read.
    Empty,
}

impl<F: ReadFormat> FileReader<F> {
    pub(crate) fn new(env: Arc<dyn Env>, format: F, sizes: Sizes) -> Self {
        Self {
            env,
            format,
            sizes,
            path: Path::new("").into(),
            end: 0,
            beginning: None,
            parser: None,
            text: Text::default(),
            from: Some(0),
            skip_line: false,
            fetching: None,
            chunks: None,
            spare: Vec::new(),
            done: true,
            fault: None,
            lines: Lines::default(),
            counting: None,
        }
    }

    /// Hands over the records that are in memory, at least one if there is one, until `take` answers that it wants no more.
    #[inline(always)]
    pub(crate) fn records(&mut self, mut take: impl FnMut(<F::Out as Record>::View<'_>) -> bool) -> Stop {
        let Some(parser) = &mut self.parser else { return Stop::Empty };
        if self.done {
            return Stop::Empty;
        }
        if self.fault.is_some() {
            return Stop::Fault;
        }
        let text = &mut self.text;
        // What begins at the end or behind it belongs to the next reader; but a row may well end there.
        let end = text.index(self.end);
        let limit = end.min(text.bytes.len());
        let mut at = text.at;
        let stop = loop {
            if at >= limit {
                self.done = at >= end || text.last;
                break Stop::Empty;
            }
            match parser.next(&text.bytes, at, text.last) {
                Parsed::Record { view, next } => {
                    at = next;
                    if take(view) {
                        break Stop::Full;
                    }
                }
                Parsed::Blank { next } => at = next,
                Parsed::Incomplete => break Stop::Empty,
                Parsed::Bad { reason, next } => {
                    self.fault = Some(Fault { reason, next: Some(next) });
                    break Stop::Fault;
                }
            }
        };
        text.at = at;
        stop
    }

    /// Hands over what is wrong at the position and goes on behind it. `tells` is false if only the number of such rows counts. The answer is
    /// false if lines have to be counted first.
    #[cold]
    pub(crate) fn reject(
        &mut self,
        tells: bool,
        reject: impl FnOnce(BadRecordView<'_>) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let Some(fault) = &self.fault else { return Ok(true) };
        if !self.lines.in_memory() && (tells || fault.next.is_none()) {
            return Ok(false);
        }
        self.lines.follow(&self.text);
        let Some(next) = fault.next else {
            let (path, line) = (self.path.display(), self.lines.number());
            return Err(Failure::new(format!("{path}, line {line}: {}", fault.reason)));
        };
        let text = if tells { shorten(&self.text.bytes[self.text.at..next]) } else { String::new() };
        let origin = &*self.path.to_string_lossy();
        reject(BadRecordView { origin, line: self.lines.number(), reason: &fault.reason, text: &text })?;
        self.text.at = next;
        self.fault = None;
        Ok(true)
    }

    /// Starts to count the lines before the position.
    fn count_lines(&self) -> BoxFuture<'static, Result<Lines, Failure>> {
        let (files, path, lines) = (Arc::clone(&self.env), Arc::clone(&self.path), self.lines);
        let to = self.text.offset(self.text.at);
        let reason = self.fault.as_ref().map(|fault| fault.reason.clone()).unwrap_or_default();
        background(&*self.env, move || {
            lines.count_in_file(files.files(), &path, to).map_err(|_| {
                // The file has gone: the place is still worth something.
                Failure::new(format!("{}, byte {to}: {reason}", path.display()))
            })
        })
    }

    /// Takes over a chunk that has come, and has the next one read if it will be needed.
    fn take(&mut self, chunks: Chunks, mut text: Text, opened: Option<Opened<F>>) {
        if let Some(Opened { beginning, skip_line }) = opened {
            self.from = None;
            self.skip_line = skip_line;
            self.parser = Some(self.format.parser(&beginning.0));
            self.beginning = Some(beginning);
        } else {
            self.lines.follow(&self.text);
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
        if let Some(parser) = &mut self.parser {
            parser.seek(self.text.at);
        }
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
        // A row that was longer than the headroom is at the very beginning, and may be longer than a chunk too; but not than a row may be.
        let len = self.text.bytes.len();
        let least = if self.text.at == 0 { len.min(self.sizes.row.saturating_sub(len)) } else { 0 };
        self.fetching = Some(chunks.fetch(&*self.env, buffer, least));
    }
}

/// The text of a bad row: without its line end, readable, and not too long.
fn shorten(row: &[u8]) -> String {
    let row = row.strip_suffix(b"\n").unwrap_or(row);
    let row = row.strip_suffix(b"\r").unwrap_or(row);
    let kept = String::from_utf8_lossy(&row[..row.len().min(BAD_TEXT_BYTES)]);
    if row.len() > BAD_TEXT_BYTES { format!("{kept}…") } else { kept.into_owned() }
}

impl<F: ReadFormat> SplitReader for FileReader<F> {
    type Out = F::Out;
    type Split = FileSplit;

    fn open(&mut self, (path, from, end): FileSplit) -> Result<(), Failure> {
        if *self.path == *Path::new(&path) {
            self.lines = self.lines.reopen(from);
        } else {
            self.path = Path::new(&path).into();
            (self.beginning, self.lines) = (None, Lines::default());
        }
        (self.from, self.end) = (Some(from), end);
        let buffer = std::mem::take(&mut self.text).bytes;
        (self.chunks, self.fault, self.counting, self.done) = (None, None, None, false);
        let range = Range {
            path: Arc::clone(&self.path),
            from,
            end,
            format: self.format.clone(),
            sizes: self.sizes,
            beginning: self.beginning.clone(),
        };
        self.fetching = Some(Chunks::open(&self.env, range, buffer));
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        if self.from.is_none() && self.fault.is_none() && self.text.rest().len() > self.sizes.row {
            let (row, name) = (self.sizes.row, self.format.name());
            let reason = format!("the row is longer than {row} bytes; is this really a file of format {name}?");
            self.fault = Some(Fault { reason, next: None });
        }
        if self.fault.is_some() {
            if !self.lines.in_memory() {
                if self.counting.is_none() {
                    self.counting = Some(self.count_lines());
                }
                if let Some(counting) = &mut self.counting {
                    let lines = counting.await;
                    self.counting = None;
                    self.lines = lines?;
                }
            }
            return Ok(Fetched::Data);
        }
        if self.done {
            return Ok(Fetched::EndOfSplit);
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

    fn emit<N: Push<F::Out>>(&mut self, out: &mut Emit<'_, F::Out, N>) -> Result<Emitted, Failure> {
        if self.from.is_some() {
            return Ok(Emitted::All); // nothing was fetched
        }
        let before = self.text.at;
        let emitted = loop {
            if out.is_full() {
                break Emitted::Some;
            }
            let stop = self.records(|record| {
                out.push(record, Timestamp::MIN);
                out.is_full()
            });
            match stop {
                Stop::Full => break Emitted::Some,
                Stop::Empty => break Emitted::All,
                Stop::Fault => {
                    if !self.reject(out.tells_rejects(), |bad| out.reject(bad))? {
                        break Emitted::All;
                    }
                }
            }
        };
        out.count_bytes((self.text.at - before) as u64);
        Ok(emitted)
    }

    fn position(&self) -> FileSplit {
        let from = self.from.unwrap_or_else(|| self.text.offset(self.text.at));
        (self.path.display().to_string(), from, self.end)
    }
}
