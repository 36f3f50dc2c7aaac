//! Records as lines of JSON.

use millstream_core::{
    document::Document,
    record::{Record, ViewOf},
};
use millstream_runtime::failure::Failure;

use super::Json;
use crate::part_files::{FileSink, Unpartitioned, WriteFormat};

/// Files of JSON Lines as a sink; [`JsonLines::write`](super::JsonLines::write) makes it.
pub type JsonSink<T, P = Unpartitioned> = FileSink<Json<T>, P>;

impl<T: for<'t> Document<'t>> WriteFormat for Json<T> {
    type In = T;

    fn name(&self) -> &'static str {
        "json"
    }

    fn extension(&self) -> &'static str {
        "jsonl"
    }

    #[inline]
    fn row(&mut self, record: <T as Record>::View<'_>, out: &mut Vec<u8>) -> Result<(), Failure> {
        format::<T>(record, out)
    }
}

/// Appends a record as one line of JSON, with its `\n`. Fields stand in the order of the record, without white space.
///
/// # Errors
///
/// Only where an implementation of [`Document`] that was written by hand gives one; nothing is appended then.
#[inline]
pub fn format<'v, T: Document<'v>>(view: <T as Record>::View<'v>, out: &mut Vec<u8>) -> Result<(), Failure> {
    let start = out.len();
    match serde_json::to_writer(&mut *out, &ViewOf::<T>(view)) {
        Ok(()) => {
            out.push(b'\n');
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(refused(&error))
        }
    }
}

#[cold]
fn refused(error: &serde_json::Error) -> Failure {
    Failure::new(format!("a record cannot be written as JSON: {error}"))
}
