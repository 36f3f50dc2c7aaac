//! [`CsvSource`]: CSV files as a source.

use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_core::cell::Row;
use millstream_runtime::{
    env::{Env, blocking},
    failure::Failure,
    source::{Boundedness, Discovered, Source, SourceContext, SplitEnumerator},
    stream::{NoTime, Replayable},
};

use super::{
    check_delimiter,
    chunk::Sizes,
    find::find,
    header::{Header, cannot_read},
    reader::CsvReader,
    scan::Syntax,
};

/// How large splits are unless [`CsvSource::split_bytes`] says otherwise.
pub const SPLIT_BYTES: u64 = 4 * 1024 * 1024;

/// A range of a file: its path, where to begin (the first row that begins there or later) and where to end (before the first row that begins
/// there or later), in bytes.
pub type CsvSplit = (String, u64, u64);

/// CSV files as a source; [`CsvFiles::read`](super::CsvFiles::read) makes it.
#[derive(Debug, Clone)]
#[must_use = "a source reads nothing until `job.source(..)` takes it"]
pub struct CsvSource<T> {
    path: PathBuf,
    syntax: Syntax,
    split_bytes: u64,
    record: PhantomData<fn(T)>,
}

impl<T: for<'t> Row<'t>> CsvSource<T> {
    pub(super) fn new(path: PathBuf) -> Self {
        let syntax = Syntax { delimiter: b',', quoted_newlines: false };
        Self { path, syntax, split_bytes: SPLIT_BYTES, record: PhantomData }
    }

    /// What separates fields: `b','` unless said otherwise.
    ///
    /// # Panics
    ///
    /// If it is a quote, a line end or not ASCII.
    #[track_caller]
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.syntax.delimiter = check_delimiter(delimiter);
        self
    }

    /// Quoted fields may hold newlines. Each file is then read as a whole by one subtask, since the line that a range begins with can no longer
    /// be told.
    pub fn quoted_newlines(mut self) -> Self {
        self.syntax.quoted_newlines = true;
        self
    }

    /// How large the ranges are that files are read by, in bytes.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn split_bytes(mut self, bytes: u64) -> Self {
        assert!(bytes > 0, "a split has at least one byte");
        self.split_bytes = bytes;
        self
    }

    /// What its files look like.
    #[cfg(test)]
    pub(super) fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// The ranges that a file is read by.
    fn splits(&self, path: &Path, len: u64) -> Result<impl Iterator<Item = CsvSplit> + use<T>, Failure> {
        let path = path
            .to_str()
            .ok_or_else(|| Failure::new(format!("the path {} is not UTF-8; rename it", path.display())))?
            .to_owned();
        let bytes = if self.syntax.quoted_newlines { len.max(1) } else { self.split_bytes };
        let starts = (0..len.div_ceil(bytes)).map(move |i| i * bytes);
        Ok(starts.map(move |from| (path.clone(), from, len.min(from.saturating_add(bytes)))))
    }

    /// All ranges, and how many bytes they are. Blocks.
    fn discover(&self, env: &dyn Env) -> Result<Discovered<CsvSplit>, Failure> {
        let files = env.files();
        let mut discovered = Discovered::all(Vec::new());
        for path in find(files, &self.path)? {
            let len = files.len(&path).map_err(|error| cannot_read(&path, &error))?;
            discovered.bytes += len;
            discovered.splits.extend(self.splits(&path, len)?);
        }
        Ok(discovered)
    }
}

impl<T: for<'t> Row<'t>> Source for CsvSource<T> {
    type Out = T;
    type Time = NoTime;
    type Split = CsvSplit;
    type Enumerator = CsvEnumerator<T>;
    type Reader = CsvReader<T>;

    fn name(&self) -> String {
        format!("csv({})", self.path.display())
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn check(&self, cx: &SourceContext) -> Result<(), Failure> {
        let files = cx.env().files();
        for path in find(files, &self.path)? {
            Header::of(files, &path, self.syntax, <T as Row<'static>>::COLUMNS)?;
        }
        Ok(())
    }

    fn enumerator(&self, cx: &SourceContext) -> Result<CsvEnumerator<T>, Failure> {
        let source = CsvSource { path: self.path.clone(), ..*self };
        Ok(CsvEnumerator { source: Arc::new(source), env: Arc::clone(cx.env()) })
    }

    fn reader(&self, cx: &SourceContext) -> Result<CsvReader<T>, Failure> {
        Ok(CsvReader::new(Arc::clone(cx.env()), self.syntax, Sizes::DEFAULT))
    }
}

impl<T: for<'t> Row<'t>> Replayable for CsvSource<T> {}

/// Cuts files into ranges.
pub struct CsvEnumerator<T> {
    source: Arc<CsvSource<T>>,
    env: Arc<dyn Env>,
}

impl<T: for<'t> Row<'t>> SplitEnumerator for CsvEnumerator<T> {
    type Split = CsvSplit;

    async fn discover(&mut self) -> Result<Discovered<CsvSplit>, Failure> {
        let (source, env) = (Arc::clone(&self.source), Arc::clone(&self.env));
        blocking(&*self.env, move || source.discover(&*env)).await
    }
}
