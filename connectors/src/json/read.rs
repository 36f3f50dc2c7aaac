//! Lines of JSON as a format of files, for reading.

use std::{io::Read, marker::PhantomData, path::Path, sync::Arc};

use millstream_core::{
    document::{Document, Scratch},
    record::Record,
};
use millstream_runtime::failure::Failure;

use super::{Json, parse};
use crate::files::{Parsed, Parser, ReadFormat, cannot_read, skip_byte_order_mark};

impl<T: for<'t> Document<'t>> ReadFormat for Json<T> {
    type Out = T;
    type Header = ();
    type Parser = JsonParser<T>;

    fn name(&self) -> &'static str {
        "json"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["jsonl", "ndjson", "json"]
    }

    fn splittable(&self) -> bool {
        true // a newline within a string is escaped
    }

    fn header(&self, file: &mut dyn Read, path: &Path) -> Result<((), u64), Failure> {
        let start = skip_byte_order_mark(file).map_err(|error| cannot_read(path, &error))?;
        Ok(((), start))
    }

    fn parser(&self, _: &Arc<()>) -> JsonParser<T> {
        JsonParser { scratch: Scratch::new(), record: PhantomData }
    }
}

/// Reads records line by line.
#[derive(Debug)]
pub struct JsonParser<T> {
    scratch: Scratch,
    record: PhantomData<fn(T)>,
}

impl<T: for<'t> Document<'t>> Parser for JsonParser<T> {
    type Out = T;

    fn seek(&mut self, _: usize) {}

    #[inline]
    fn next<'t>(&'t mut self, text: &'t [u8], from: usize, last: bool) -> Parsed<<T as Record>::View<'t>> {
        let rest = &text[from..];
        let (line, next) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], from + end + 1),
            None if last => (rest, text.len()),
            None => return Parsed::Incomplete,
        };
        if line.trim_ascii_start().is_empty() {
            return Parsed::Blank { next };
        }
        match parse::<T>(line, &mut self.scratch) {
            Ok(view) => Parsed::Record { view, next },
            Err(error) => Parsed::Bad { reason: error.to_string(), next },
        }
    }
}
