//! Which line something is in. Lines are counted only once something is wrong, and then no part of a file twice by one reader.

use std::{
    io::{self, Read},
    path::Path,
};

use millstream_runtime::env::Files;

use super::{chunk::Text, compression};

/// How many lines end before a place of a file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Lines {
    /// The place, in bytes.
    at: u64,
    /// How many lines end before it.
    before: u64,
    /// True if the text in memory reaches back to the place, so that counting can go on in it.
    in_memory: bool,
}

impl Lines {
    /// Makes ready for a range of the same file that begins at `from`.
    pub(super) fn reopen(self, from: u64) -> Self {
        if self.at <= from { Self { in_memory: false, ..self } } else { Self::default() }
    }

    /// True if the file need not be read to tell a line.
    pub(super) fn in_memory(self) -> bool {
        self.in_memory
    }

    /// Counts up to `to` in the file itself; from then on counting goes on in memory. Blocks.
    pub(super) fn count_in_file(self, files: &dyn Files, path: &Path, to: u64) -> io::Result<Self> {
        let mut before = compression::open(files, path, self.at)?.take(to.saturating_sub(self.at));
        let mut lines = Self { at: to, in_memory: true, ..self };
        let mut buffer = vec![0; COUNT_BYTES];
        loop {
            match before.read(&mut buffer) {
                Ok(0) => return Ok(lines),
                Ok(read) => lines.before += newlines(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Counts on to where the text is read next, if counting has begun: the text before it may go away then.
    pub(super) fn follow(&mut self, text: &Text) {
        if self.in_memory {
            let to = text.offset(text.at);
            self.before += newlines(&text.bytes[text.index(self.at)..text.at]);
            self.at = to;
        }
    }

    /// The number of the line, from 1, that begins at the place that was counted to.
    pub(super) fn number(self) -> u64 {
        self.before + 1
    }
}

/// How much is read at once to count lines.
const COUNT_BYTES: usize = 64 * 1024;

fn newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}
