//! [`FileSource`]: files of a format as a source, all at once or as they appear.

use std::{
    collections::HashSet,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use millstream_runtime::{
    env::{Env, Files, blocking},
    failure::Failure,
    source::{Boundedness, Discovered, RejectsRecords, Source, SourceContext, SplitEnumerator},
    stream::{NoTime, Replayable},
};

use super::{
    chunk::{Sizes, TO_THE_END},
    compression::{self, Compression},
    error::cannot_read,
    find::Wanted,
    format::ReadFormat,
    reader::FileReader,
};

/// How large splits are unless [`FileSource::split_bytes`] says otherwise.
pub const SPLIT_BYTES: u64 = 4 * 1024 * 1024;

/// A range of a file: its path, where to begin (the first row that begins there or later) and where to end (before the first row that begins
/// there or later), in bytes of its text.
pub type FileSplit = (String, u64, u64);

/// Files as a source; [`CsvFiles::read`](crate::csv::CsvFiles::read) makes one.
///
/// Records come in the order of the file within each range of [`FileSource::split_bytes`]; in which order ranges come depends on the parallelism.
///
/// # Bad rows
///
/// A row that cannot be read fails the job, with file, line and reason. `.skip_errors()` on the stream leaves such rows out and counts them (metric
/// `records_skipped`); `.divert_errors()` sends them to a stream of their own, as [`BadRecord`](millstream_runtime::source::BadRecord)s. A file that
/// cannot be read at all (its header is wrong, its packed data is damaged) fails the job in any case.
///
/// ```
/// use millstream_connectors::{CsvFiles, TextFiles};
/// use millstream_runtime::stream::{Job, Stream};
///
/// fn lines(job: &mut Job) -> impl Stream<Out = String> {
///     let (lines, bad) = job.source(TextFiles::read("logs")).divert_errors();
///     bad.sink(CsvFiles::write("bad-lines"));
///     lines
/// }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a source reads nothing until `job.source(..)` takes it"]
pub struct FileSource<F> {
    pub(crate) format: F,
    path: PathBuf,
    split_bytes: u64,
    /// How often to look for new files.
    watch: Option<Duration>,
}

impl<F: ReadFormat> FileSource<F> {
    /// The files that a path stands for: itself, those of a directory with an extension of the format, or those that match a pattern such as
    /// `data/2024-*/trades-?.csv`. Names that begin with `.` or `_` are left out unless the pattern says so.
    pub fn new(format: F, path: impl Into<PathBuf>) -> Self {
        Self { format, path: path.into(), split_bytes: SPLIT_BYTES, watch: None }
    }

    /// How large the ranges are that files are read by, in bytes. Packed files are not cut.
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

    /// Goes on reading files as they appear in the directory, or as they come to match the pattern: it looks for new ones at this interval. The
    /// source becomes unbounded.
    ///
    /// Each path is read once, in the length that it has when it is found: so write files elsewhere, or under a name that begins with `.` or
    /// `_`, and rename them into place when they are complete. An empty file is left until it has content. What is read may be removed; a
    /// path that goes away and comes again is read again. At most [`FILES_LIMIT`](super::FILES_LIMIT) files may be there at a time. Checkpoints
    /// hold the paths that are there and have been found, so a job that goes on from one reads only those that are new, and the rest of those
    /// that it had not read to their ends: leave files where they are until a checkpoint has been completed behind their last record.
    ///
    /// No watermark passes while a file that was found waits to be read. Between files the source is idle; records of a later file that
    /// are behind the watermark by then are late.
    ///
    /// # Panics
    ///
    /// If the interval is 0.
    #[track_caller]
    pub fn watch(mut self, interval: Duration) -> Self {
        assert!(!interval.is_zero(), "an interval is longer than 0");
        self.watch = Some(interval);
        self
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted { path: self.path.clone(), extensions: self.format.extensions() }
    }

    /// The ranges that a file is read by.
    fn splits(&self, path: &Path, len: u64) -> Result<impl Iterator<Item = FileSplit> + use<F>, Failure> {
        let name = path
            .to_str()
            .ok_or_else(|| Failure::new(format!("the path {} is not UTF-8; rename it", path.display())))?
            .to_owned();
        let (bytes, end) = match Compression::of(path) {
            Some(_) => (u64::MAX, TO_THE_END), // how long its text is shows at the end
            None if self.format.splittable() => (self.split_bytes, len),
            None => (u64::MAX, len),
        };
        let starts = (0..len.div_ceil(bytes)).map(move |i| i * bytes);
        Ok(starts.map(move |from| (name.clone(), from, end.min(from.saturating_add(bytes)))))
    }
}

impl<F: ReadFormat> Source for FileSource<F> {
    type Out = F::Out;
    type Time = NoTime;
    type Split = FileSplit;
    type Enumerator = FileEnumerator<F>;
    type Reader = FileReader<F>;

    fn name(&self) -> String {
        format!("{}({})", self.format.name(), self.path.display())
    }

    fn boundedness(&self) -> Boundedness {
        if self.watch.is_some() { Boundedness::Unbounded } else { Boundedness::Bounded }
    }

    fn splits(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn check(&self, cx: &SourceContext) -> Result<(), Failure> {
        let (files, wanted) = (cx.env().files(), self.wanted());
        let found = if self.watch.is_none() {
            wanted.find(files)?
        } else {
            let found = wanted.find_any(files)?;
            if !wanted.may_grow(files) {
                return Err(Failure::new(format!(
                    "{} is a file, and only a directory or a pattern can be watched for new files; remove `.watch(..)`, or name its directory",
                    self.path.display()
                )));
            }
            found
        };
        for path in found {
            let is_empty = files.len(&path).map_err(|error| cannot_read(&path, &error))? == 0;
            if self.watch.is_some() && is_empty {
                continue; // it may yet get its content
            }
            let open = || compression::open(files, &path, 0).map_err(|error| cannot_read(&path, &error));
            let mut text = open()?;
            self.format.header(&mut *text, &path)?;
            if is_empty && open()?.read(&mut [0]).is_ok_and(|read| read > 0) {
                return Err(Failure::new(format!(
                    "{} says that it is empty, but has content, as the files of `/proc` do; copy it to a file on a disk first",
                    path.display()
                )));
            }
        }
        Ok(())
    }

    fn enumerator(&self, cx: &SourceContext) -> Result<FileEnumerator<F>, Failure> {
        Ok(FileEnumerator { source: Arc::new(self.clone()), env: Arc::clone(cx.env()), seen: Arc::default() })
    }

    fn reader(&self, cx: &SourceContext) -> Result<FileReader<F>, Failure> {
        Ok(FileReader::new(Arc::clone(cx.env()), self.format.clone(), Sizes::DEFAULT))
    }
}

impl<F: ReadFormat> Replayable for FileSource<F> {}
impl<F: ReadFormat> RejectsRecords for FileSource<F> {}

/// Finds files and cuts them into ranges.
pub struct FileEnumerator<F> {
    source: Arc<FileSource<F>>,
    env: Arc<dyn Env>,
    /// The files that were there when it looked last and have been handed out. Never more than [`FILES_LIMIT`](super::FILES_LIMIT).
    seen: Arc<HashSet<PathBuf>>,
}

/// What was found, and the files that have been handed out by then.
type Found = (Discovered<FileSplit>, HashSet<PathBuf>);

impl<F: ReadFormat> SplitEnumerator for FileEnumerator<F> {
    type Split = FileSplit;
    /// The paths that it has handed out, sorted.
    type State = Vec<String>;

    async fn discover(&mut self) -> Result<Discovered<FileSplit>, Failure> {
        let (source, env, seen) = (Arc::clone(&self.source), Arc::clone(&self.env), Arc::clone(&self.seen));
        let found = blocking(&*self.env, move || source.discover(env.files(), &seen)).await;
        let (discovered, seen) = found?;
        self.seen = Arc::new(seen);
        Ok(discovered)
    }

    fn state(&self) -> Vec<String> {
        let mut paths: Vec<_> = self.seen.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        paths.sort_unstable();
        paths
    }

    fn restore(&mut self, paths: Vec<String>) -> Result<(), Failure> {
        self.seen = Arc::new(paths.into_iter().map(PathBuf::from).collect());
        Ok(())
    }
}

impl<F: ReadFormat> FileSource<F> {
    /// Looks for files that were not seen before. Blocks.
    pub(super) fn discover(&self, files: &dyn Files, seen: &HashSet<PathBuf>) -> Result<Found, Failure> {
        let wanted = self.wanted();
        let found = if self.watch.is_some() { wanted.find_any(files)? } else { wanted.find(files)? };
        let mut discovered = Discovered { splits: Vec::new(), bytes: 0, again: self.watch };
        let (mut now_seen, mut sized) = (HashSet::new(), true);
        for path in found {
            if !seen.contains(&path) {
                let len = match files.len(&path) {
                    Err(error) if self.watch.is_some() && error.kind() == std::io::ErrorKind::NotFound => continue,
                    len => len.map_err(|error| cannot_read(&path, &error))?,
                };
                if self.watch.is_some() && len == 0 {
                    continue; // it may yet get its content
                }
                // The text of a packed file is longer than the file, by how much nobody knows.
                sized &= Compression::of(&path).is_none();
                discovered.bytes += len;
                discovered.splits.extend(self.splits(&path, len)?);
            }
            if self.watch.is_some() {
                now_seen.insert(path);
            }
        }
        // Nor is there a whole of which a share could be told, if ever more files may come.
        if !sized || self.watch.is_some() {
            discovered.bytes = 0;
        }
        Ok((discovered, now_seen))
    }
}
