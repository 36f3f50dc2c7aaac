//! Part files on a real file system: where they go, how they are compressed, what stays of them when something goes wrong.
#![allow(clippy::disallowed_methods, reason = "tests look at files of their own")]

mod exactly_once;
mod faults;
mod faulty;
mod layout;

use std::{fs, path::Path};

use millstream_core::time::Timestamp;
use millstream_runtime::{
    env::TokioEnv,
    failure::Failure,
    sink::{Committer, Prepare, Sink, SinkContext, SinkWriter},
};

use super::{FilePart, FileSink, Partitioning};
use crate::text::TextFormat;

fn block_on<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

/// A run of its own.
fn context() -> SinkContext {
    SinkContext::detached(TokioEnv::current(), "text")
}

/// Writes lines with one writer.
async fn write<P: Partitioning<String>>(
    sink: &FileSink<TextFormat, P>,
    cx: &SinkContext,
    lines: &[String],
) -> Result<Vec<FilePart>, Failure> {
    let mut writer = sink.writer(cx, Vec::new())?;
    for line in lines {
        writer.write(line, Timestamp::MIN)?;
        assert!(writer.open_parts() <= super::OPEN_PARTS_LIMIT);
        if writer.is_full() {
            writer.flush().await?;
        }
    }
    Ok(writer.prepare(Prepare::END).await?.committables)
}

/// Writes and commits lines, or aborts, as a job does.
async fn run_in<P: Partitioning<String>>(
    sink: &FileSink<TextFormat, P>,
    cx: &SinkContext,
    lines: &[String],
) -> Result<(), Failure> {
    let mut committer = sink.committer(cx)?;
    let result = async {
        sink.check(cx)?;
        let parts = write(sink, cx, lines).await?;
        committer.commit(parts, true).await
    };
    let result = result.await;
    if result.is_err() {
        committer.abort().await;
    }
    result
}

async fn run<P: Partitioning<String>>(sink: &FileSink<TextFormat, P>, lines: &[String]) -> Result<(), Failure> {
    run_in(sink, &context(), lines).await
}

fn lines<L: Into<String>>(lines: impl IntoIterator<Item = L>) -> Vec<String> {
    lines.into_iter().map(Into::into).collect()
}

/// The files below a directory, and the directories that hold nothing; of parts the run is left out.
fn tree(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    walk(directory, "", &mut found);
    found.sort();
    found
}

fn walk(directory: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let name = match name.strip_prefix("part-") {
            Some(rest) => format!("{prefix}part{}", &rest[16..]),
            None => format!("{prefix}{name}"),
        };
        if path.is_dir() && fs::read_dir(&path).unwrap().next().is_some() {
            walk(&path, &format!("{name}/"), found);
        } else if path.is_dir() {
            found.push(format!("{name}/"));
        } else {
            found.push(name);
        }
    }
}

/// The bytes of all parts in a directory, in the order of their names.
fn contents(directory: &Path) -> Vec<u8> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().filter(|path| path.extension().is_some()).flat_map(|path| fs::read(path).unwrap()).collect()
}
