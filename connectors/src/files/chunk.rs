//! Reads a file piece by piece, off the threads that run tasks, one piece ahead of the parser.

use std::{
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use millstream_runtime::{
    env::{BoxFuture, Env},
    failure::Failure,
};

use super::{compression, error::cannot_read, format::ReadFormat};
use crate::background::background;

/// How long a row may be, in bytes; one that exceeds it by less than what is read at once may pass. A longer one fails the job under every policy: there is
/// no telling where to go on behind it.
pub const ROW_BYTES_LIMIT: usize = 64 * 1024 * 1024;

/// Where a range ends if nobody knows how long the text is.
pub(super) const TO_THE_END: u64 = u64::MAX;

/// How much is read at once, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// A chunk. A reader keeps two: the one that is parsed and the one that is read meanwhile.
    pub(crate) chunk: usize,
    /// What is read past the end of a range at once to find the end of its last row.
    pub(crate) past_end: usize,
    /// Room in front of each chunk for the row that was cut off at the end of the chunk before: so that row is moved and not the chunk.
    pub(crate) headroom: usize,
    /// How long a row may be.
    pub(crate) row: usize,
}

impl Sizes {
    /// A chunk fits the second-level cache and takes far longer to parse than a thread takes to wake up.
    pub(crate) const DEFAULT: Self =
        Self { chunk: 256 * 1024, past_end: 4 * 1024, headroom: 4 * 1024, row: ROW_BYTES_LIMIT };
}

/// Text to parse: what was left of the text before, and after it a chunk of the file.
#[derive(Debug, Default)]
pub(super) struct Text {
    /// The bytes; those before [`Text::at`] are done with.
    pub(super) bytes: Vec<u8>,
    /// Where the next row begins.
    pub(super) at: usize,
    /// Where `bytes` begin in the file. Below zero if headroom reaches beyond the beginning.
    origin: i64,
    /// True if the file ends with this text.
    pub(super) last: bool,
}

impl Text {
    /// Where a byte is in the file.
    #[inline]
    pub(super) fn offset(&self, at: usize) -> u64 {
        (self.origin + at as i64) as u64
    }

    /// Where a byte of the file is in `bytes`, or would be.
    #[inline]
    pub(super) fn index(&self, offset: u64) -> usize {
        let index = match u64::try_from(self.origin) {
            Ok(origin) => offset.saturating_sub(origin),
            Err(_) => offset.saturating_add(self.origin.unsigned_abs()),
        };
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    /// What is not done with.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
}

/// The header of a file, and where its records begin.
pub(super) type Beginning<F> = (Arc<<F as ReadFormat>::Header>, u64);

/// What a reader knows when its first chunk is there.
pub(super) struct Opened<F: ReadFormat> {
    pub(super) beginning: Beginning<F>,
    /// True if the text begins before the range: what comes before the end of its first line belongs to the range before.
    pub(super) skip_line: bool,
}

/// A range to read.
pub(super) struct Range<F: ReadFormat> {
    pub(super) path: Arc<Path>,
    pub(super) from: u64,
    pub(super) end: u64,
    pub(super) format: F,
    pub(super) sizes: Sizes,
    /// The beginning, if the file was read before.
    pub(super) beginning: Option<Beginning<F>>,
}

/// A file that is being read.
pub(super) struct Chunks {
    file: Box<dyn Read + Send>,
    path: Arc<Path>,
    /// Where the next chunk begins.
    next: u64,
    /// Where the range ends.
    end: u64,
    sizes: Sizes,
}

/// A chunk, and the way to the next. `Opened` comes with the first.
pub(super) type Fetching<F> = BoxFuture<'static, Result<(Chunks, Text, Option<Opened<F>>), Failure>>;

impl Chunks {
    /// Starts to open a file and to read the first chunk of a range.
    pub(super) fn open<F: ReadFormat>(env: &Arc<dyn Env>, range: Range<F>, buffer: Vec<u8>) -> Fetching<F> {
        let files = Arc::clone(env);
        background(&**env, move || {
            let Range { path, from, end, format, sizes, beginning } = range;
            let open = |at| compression::open(files.files(), &path, at).map_err(|error| cannot_read(&path, &error));
            let (header, data_start) = match beginning {
                Some(beginning) => beginning,
                None => {
                    let (header, data_start) = format.header(&mut *open(0)?, &path)?;
                    (Arc::new(header), data_start)
                }
            };
            // A line belongs to the range that it begins in: one byte earlier shows whether a line begins at `from`.
            let skip_line = from > data_start;
            let next = if skip_line { from - 1 } else { data_start };
            let mut chunks = Chunks { file: open(next)?, path: Arc::clone(&path), next, end, sizes };
            let text = chunks.read(buffer, 0)?;
            Ok((chunks, text, Some(Opened { beginning: (header, data_start), skip_line })))
        })
    }

    /// True if the next chunk is needed for sure.
    pub(super) fn wants_more(&self) -> bool {
        self.next < self.end
    }

    /// Starts to read the next chunk, of at least `least` bytes: a long row is read in ever larger steps.
    pub(super) fn fetch<F: ReadFormat>(mut self, env: &dyn Env, buffer: Vec<u8>, least: usize) -> Fetching<F> {
        background(env, move || {
            let text = self.read(buffer, least)?;
            Ok((self, text, None))
        })
    }

    fn read(&mut self, mut bytes: Vec<u8>, least: usize) -> Result<Text, Failure> {
        let Sizes { chunk, past_end, headroom, .. } = self.sizes;
        let in_range = usize::try_from(self.end.saturating_sub(self.next)).unwrap_or(usize::MAX);
        let wanted = chunk.max(least).min(in_range.saturating_add(past_end.max(least)));
        bytes.resize(headroom + wanted, 0);
        let read = fill(&mut *self.file, &mut bytes[headroom..]).map_err(|error| cannot_read(&self.path, &error))?;
        bytes.truncate(headroom + read);
        let origin = self.next as i64 - headroom as i64;
        self.next += read as u64;
        let last = read < wanted;
        if last && self.next < self.end && self.end != TO_THE_END {
            return Err(cut_off(&self.path));
        }
        Ok(Text { bytes, at: headroom, origin, last })
    }
}

/// A file that has become shorter must not pass for one that was: what is gone would be missing from a result that looks complete.
#[cold]
fn cut_off(path: &Path) -> Failure {
    Failure::new(format!(
        "cannot read {}: it has become shorter since it was found; write files under another name, rename them into place when they are \
         complete, and leave them as they are until they are read",
        path.display()
    ))
}

/// Puts what was left of the text before in front of the next; gives back a buffer for the one after.
pub(super) fn join(before: Text, next: &mut Text) -> Vec<u8> {
    let left = before.rest();
    if left.len() <= next.at {
        let at = next.at - left.len();
        next.bytes[at..next.at].copy_from_slice(left);
        next.at = at;
        return before.bytes;
    }
    // A long row: the buffer before has room for it, or grows once.
    let (left_at, left_bytes) = (before.at, left.len() as i64);
    let mut bytes = before.bytes;
    bytes.drain(..left_at);
    bytes.extend_from_slice(&next.bytes[next.at..]);
    next.origin += next.at as i64 - left_bytes;
    next.at = 0;
    std::mem::replace(&mut next.bytes, bytes)
}

/// Reads until the buffer is full or the file ends.
fn fill(file: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
