//! [`Lines`]: bytes as they arrive, cut into lines.

use std::{
    io,
    pin::Pin,
    str,
    task::{Context, Poll, ready},
};

use millstream_runtime::{env::Connection, failure::Failure};

/// How long a line may be, in bytes, without its end.
pub const LINE_BYTES_LIMIT: usize = 1024 * 1024;
/// How much room there is for each read, in bytes.
const READ_BYTES: usize = 64 * 1024;
/// How much of a line is shown when something is wrong with it, in characters.
const SHOWN_CHARS: usize = 60;

/// What one connection has sent and nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Filled up to `end`; the rest is room.
    bytes: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Behind the last line end.
    complete: usize,
    end: usize,
    /// How many lines were taken.
    taken: u64,
}

/// What a read brought.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    /// Whole lines.
    Lines,
    /// The connection was closed, or broke for this reason.
    Closed(Option<String>),
}

impl Lines {
    /// Reads until there is a whole line. Nothing is lost if the caller comes back later or never. `from` is for messages.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut dyn Connection,
        from: &str,
    ) -> Poll<Result<Read, Failure>> {
        while !self.has_lines() {
            let room = match self.room() {
                Some(room) => room,
                None => return Poll::Ready(Err(self.too_long(from))),
            };
            match ready!(Pin::new(&mut *connection).poll_read(cx, room)) {
                Ok(0) => return Poll::Ready(Ok(Read::Closed(None))),
                Ok(count) => self.filled(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Ok(Read::Closed(Some(error.to_string())))),
            }
        }
        Poll::Ready(Ok(Read::Lines))
    }

    /// True if a whole line can be taken.
    pub(super) fn has_lines(&self) -> bool {
        self.start < self.complete
    }

    /// How many lines were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The beginning of a line whose end has not come.
    pub(super) fn partial(&self) -> &[u8] {
        &self.bytes[self.complete..self.end]
    }

    /// Takes the next whole line, and says how many bytes it was with its end. `from` is for messages.
    pub(super) fn next(&mut self, from: &str) -> Result<Option<(&str, u64)>, Failure> {
        if !self.has_lines() {
            return Ok(None);
        }
        let rest = &self.bytes[self.start..self.complete];
        let feed = memchr::memchr(b'\n', rest).expect("what is complete ends with a line feed");
        if feed > LINE_BYTES_LIMIT {
            return Err(self.too_long(from));
        }
        let line = rest[..feed].strip_suffix(b"\r").unwrap_or(&rest[..feed]);
        self.start += feed + 1;
        self.taken += 1;
        match str::from_utf8(line) {
            Ok(line) => Ok(Some((line, feed as u64 + 1))),
            Err(error) => Err(Failure::new(format!(
                "line {} from {from} is not UTF-8 at its byte {}: {}; have it sent as UTF-8",
                self.taken,
                error.valid_up_to() + 1,
                shown(line)
            ))),
        }
    }

    /// Where the next bytes go; `None` if the line that is there without its end is too long already.
    fn room(&mut self) -> Option<&mut [u8]> {
        // All lines were taken, so what is left is the beginning of one: it is moved once, not with every read.
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.complete, self.end) = (0, 0, self.end - self.start);
        }
        if self.end > LINE_BYTES_LIMIT {
            return None;
        }
        if self.bytes.len() - self.end < READ_BYTES {
            self.bytes.resize(self.end + READ_BYTES, 0);
        }
        Some(&mut self.bytes[self.end..])
    }

    fn filled(&mut self, count: usize) {
        let new = &self.bytes[self.end..self.end + count];
        if let Some(feed) = memchr::memrchr(b'\n', new) {
            self.complete = self.end + feed + 1;
        }
        self.end += count;
    }

    #[cold]
    fn too_long(&self, from: &str) -> Failure {
        Failure::new(format!(
            "line {} from {from} is longer than {LINE_BYTES_LIMIT} bytes: {}; does it send lines of text, each with a line feed at its end?",
            self.taken + 1,
            shown(&self.bytes[self.start..self.end])
        ))
    }
}

/// The beginning of a text, for messages.
pub(super) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN_CHARS)]);
    let beginning: String = text.chars().take(SHOWN_CHARS).collect();
    let more = if beginning.len() < text.len() { " .." } else { "" };
    format!("{beginning:?}{more}")
}
