//! Lines as a format of files.

use millstream_runtime::failure::Failure;

use crate::part_files::{FileSink, Unpartitioned, WriteFormat};

/// How much of a line is shown when it cannot be written, in characters.
const SHOWN_CHARS: usize = 60;

/// Text files as a sink; [`TextFiles::write`](super::TextFiles::write) makes it.
pub type TextSink<P = Unpartitioned> = FileSink<TextFormat, P>;

/// Lines of text.
#[derive(Debug, Clone, Copy)]
pub struct TextFormat;

impl WriteFormat for TextFormat {
    type In = String;

    fn name(&self) -> &'static str {
        "text"
    }

    fn extension(&self) -> &'static str {
        "txt"
    }

    #[inline]
    fn row(&mut self, line: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
        append_line(line, out)
    }
}

/// Appends a line with its end.
#[inline]
pub(super) fn append_line(line: &str, out: &mut Vec<u8>) -> Result<(), Failure> {
    if memchr::memchr(b'\n', line.as_bytes()).is_some() {
        return Err(more_than_a_line(line));
    }
    out.extend_from_slice(line.as_bytes());
    out.push(b'\n');
    Ok(())
}

#[cold]
fn more_than_a_line(line: &str) -> Failure {
    let shown: String = line.chars().take(SHOWN_CHARS).collect();
    let more = if shown.len() < line.len() { " .." } else { "" };
    Failure::new(format!(
        "a record holds a line feed, so it would be read as several lines: {shown:?}{more}; replace it before the sink, as \
         `.map(|line| line.replace('\\n', \" \"))` does, or split it with `.flat_map(..)`"
    ))
}
