//! CSV files from the outside: what is written, read back, cut and broken, on a real file system.
#![allow(clippy::disallowed_methods, reason = "tests lay out files of their own")]

mod reading;
mod writing;

use std::{fs, path::Path, sync::Arc};

use millstream_core::record::Record;
use millstream_macros::Record;
use millstream_runtime::{
    env::TokioEnv,
    failure::Failure,
    source::{BadRecordView, ConnectorContext, Fetched, Source, SplitEnumerator, SplitReader},
};

use super::{Csv, CsvSource};
use crate::files::{FileReader, Sizes, Stop};

type CsvReader = FileReader<Csv<Line>>;

/// What most tests read and write.
#[derive(Debug, Clone, PartialEq, Record)]
#[record(crate = crate::testing)]
struct Line {
    text: String,
    number: Option<i64>,
    more: Option<String>,
}

fn line(text: &str, number: Option<i64>, more: Option<&str>) -> Line {
    Line { text: text.to_owned(), number, more: more.map(str::to_owned) }
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

/// A context for each subtask that asks; in the runtime of [`block_on`].
fn context() -> ConnectorContext {
    ConnectorContext::detached(TokioEnv::current(), "csv")
}

/// Reads what is left of the split that the reader has open.
async fn drain(reader: &mut CsvReader, records: &mut Vec<Line>) -> Result<(), Failure> {
    while reader.fetch().await? == Fetched::Data {
        read(reader, |record| {
            records.push(Line::from_view(record));
            false
        })?;
    }
    Ok(())
}

/// Reads what is in memory; a bad row is a failure.
fn read(reader: &mut CsvReader, take: impl FnMut(LineView<'_>) -> bool) -> Result<Stop, Failure> {
    let stop = reader.records(take);
    if stop == Stop::Fault {
        let fail =
            |bad: BadRecordView<'_>| Err(Failure::new(format!("{}, line {}: {}", bad.origin, bad.line, bad.reason)));
        reader.reject(true, fail)?;
    }
    Ok(stop)
}

/// Reads everything with one reader.
async fn read_all(source: &CsvSource<Line>, sizes: Sizes) -> Result<Vec<Line>, Failure> {
    let cx = context();
    source.check(&cx)?;
    let discovered = source.enumerator(&cx)?.discover().await?;
    let mut reader = CsvReader::new(Arc::clone(cx.env()), source.format.clone(), sizes);
    let mut records = Vec::new();
    for split in discovered.splits {
        reader.open(split)?;
        drain(&mut reader, &mut records).await?;
    }
    Ok(records)
}

/// A failure without the directory that happened to be used.
fn message(failure: &Failure, directory: &Path) -> String {
    failure.to_string().replace(&format!("{}/", directory.display()), "")
}

fn file(directory: &Path, name: &str, text: impl AsRef<[u8]>) {
    fs::write(directory.join(name), text).unwrap();
}
