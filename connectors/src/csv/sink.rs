//! [`CsvSink`]: CSV files as a sink.

use std::{
    marker::PhantomData,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use millstream_core::cell::Row;
use millstream_runtime::{
    env::Env,
    failure::Failure,
    sink::{Sink, SinkContext},
};

use super::{
    check_delimiter,
    commit::CsvCommitter,
    parts::{CsvPart, Parts, Place, cannot_write, is_part, is_success},
    writer::CsvWriter,
};

/// How large parts are unless [`CsvSink::part_bytes`] says otherwise.
pub const PART_BYTES: u64 = 128 * 1024 * 1024;

/// CSV files as a sink; [`CsvFiles::write`](super::CsvFiles::write) makes it.
#[derive(Debug)]
#[must_use = "a sink writes nothing until `.sink(..)` takes it"]
pub struct CsvSink<T> {
    directory: PathBuf,
    delimiter: u8,
    part_bytes: u64,
    overwrite: bool,
    /// Tells this run of the job from all others; drawn when it is first needed.
    run: OnceLock<u64>,
    record: PhantomData<fn(T)>,
}

impl<T: for<'t> Row<'t>> CsvSink<T> {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self {
            directory,
            delimiter: b',',
            part_bytes: PART_BYTES,
            overwrite: false,
            run: OnceLock::new(),
            record: PhantomData,
        }
    }

    /// What separates fields: `b','` unless said otherwise.
    ///
    /// # Panics
    ///
    /// If it is a quote, a line end or not ASCII.
    #[track_caller]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = check_delimiter(delimiter);
        self
    }

    /// At which size, in bytes, a part is closed and the next one begun. A part is larger than that by less than one row.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn part_bytes(mut self, bytes: u64) -> Self {
        assert!(bytes > 0, "a part has at least one byte");
        self.part_bytes = bytes;
        self
    }

    /// Replaces the output of an earlier run: its parts and `_SUCCESS` are removed when this job commits, not before.
    pub fn overwrite(mut self) -> Self {
        self.overwrite = true;
        self
    }

    fn place(&self, env: &dyn Env) -> Place {
        Place::new(self.directory.clone(), *self.run.get_or_init(|| env.random()))
    }
}

impl<T: for<'t> Row<'t>> Sink for CsvSink<T> {
    type In = T;
    type Committable = CsvPart;
    type Writer = CsvWriter<T>;
    type Committer = CsvCommitter;

    fn name(&self) -> String {
        format!("csv({})", self.directory.display())
    }

    fn check(&self, cx: &SinkContext) -> Result<(), Failure> {
        let (files, directory) = (cx.env().files(), &self.directory);
        files.create_dir(directory).map_err(|error| cannot_write(directory, &error))?;
        let there = files.list(directory).map_err(|error| cannot_write(directory, &error))?;
        if let Some(old) = there.iter().find(|path| is_part(path) || is_success(path))
            && !self.overwrite
        {
            return Err(Failure::new(format!(
                "directory {} holds the output of an earlier run ({}); remove it, name another directory, or add `.overwrite()` to the sink",
                directory.display(),
                old.file_name().unwrap_or_default().display(),
            )));
        }
        // That it can be written shows only when something is.
        let staging = self.place(&**cx.env()).staging();
        files.create_dir(&staging).map_err(|error| cannot_write(directory, &error))?;
        files.remove_dir(&staging).map_err(|error| cannot_write(&staging, &error))
    }

    fn writer(&self, cx: &SinkContext) -> Result<CsvWriter<T>, Failure> {
        let parts = Parts::new(self.place(&**cx.env()), cx.subtask());
        Ok(CsvWriter::new(Arc::clone(cx.env()), self.delimiter, self.part_bytes, parts))
    }

    fn committer(&self, cx: &SinkContext) -> Result<CsvCommitter, Failure> {
        Ok(CsvCommitter::new(Arc::clone(cx.env()), self.place(&**cx.env()), self.overwrite))
    }
}
