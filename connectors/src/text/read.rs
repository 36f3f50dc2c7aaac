//! [`Lines`]: the format of files whose records are their lines.

use std::{io::Read, path::Path, str, sync::Arc};

use millstream_runtime::failure::Failure;

use crate::files::{Parsed, Parser, ReadFormat, cannot_read, skip_byte_order_mark};

/// The format of [`TextFiles`](super::TextFiles).
#[derive(Debug, Clone, Copy)]
pub struct Lines;

impl ReadFormat for Lines {
    type Out = String;
    type Header = ();
    type Parser = LinesParser;

    fn name(&self) -> &'static str {
        "text"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    fn splittable(&self) -> bool {
        true
    }

    fn header(&self, file: &mut dyn Read, path: &Path) -> Result<((), u64), Failure> {
        let start = skip_byte_order_mark(file).map_err(|error| cannot_read(path, &error))?;
        Ok(((), start))
    }

    fn parser(&self, _: &Arc<()>) -> LinesParser {
        LinesParser
    }
}

/// Finds lines.
#[derive(Debug)]
pub struct LinesParser;

impl Parser for LinesParser {
    type Out = String;

    fn seek(&mut self, _: usize) {}

    #[inline(always)]
    fn next<'t>(&'t mut self, text: &'t [u8], from: usize, last: bool) -> Parsed<&'t str> {
        let rest = &text[from..];
        let (line, next) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], from + end + 1),
            None if last => (rest, text.len()),
            None => return Parsed::Incomplete,
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match str::from_utf8(line) {
            Ok(view) => Parsed::Record { view, next },
            Err(error) => Parsed::Bad { reason: not_utf8(error.valid_up_to()), next },
        }
    }
}

#[cold]
fn not_utf8(valid: usize) -> String {
    format!("the line is not UTF-8 from byte {} on", valid + 1)
}
