//! [`FileSink`]: part files as a sink.

use std::{path::PathBuf, sync::Arc, time::Duration};

use millstream_core::{proof::When, record::Record};
use millstream_runtime::{
    failure::Failure,
    operator::{Annotated, KeyFn},
    sink::{Sink, SinkContext},
    stream::ExactlyOnce,
};

use super::{
    WriteFormat,
    commit::FileCommitter,
    compress::Compression,
    partition::{DirectoryName, PartitionBy, PartitionWith, Partitioning, Unpartitioned},
    place::{FilePart, OpenPart, Place, name_of},
    under_way::UnderWay,
    writer::{FileWriter, Rolling},
};

/// How large parts are unless [`FileSink::part_bytes`] says otherwise.
pub const PART_BYTES: u64 = 128 * 1024 * 1024;

/// Part files in a directory, as a sink; formats make it, as [`CsvFiles::write`](crate::CsvFiles::write) does.
///
/// The directory is made if need be. It should be for this sink alone: two sinks of a job name two directories.
///
/// # When output appears
///
/// All parts appear when the job has ended well, followed by a file `_SUCCESS` with the number of the run; until then they are kept in a hidden directory inside
/// of it. With [`roll_every`](FileSink::roll_every) each part appears when it is complete, while the job runs; `_SUCCESS` follows
/// when the job has ended well. Either way a part is there as a whole or not at all.
///
/// If the job fails or is cancelled, what had not appeared goes away, and so do empty directories that this run has made. A subtask that gets
/// no records writes no part, so a job without any result leaves `_SUCCESS` alone.
///
/// # With checkpoints
///
/// Parts appear when a checkpoint is complete, with the checkpoint's number in their names, and every record is in the parts that have appeared once, whatever
/// becomes of the process or the machine meanwhile. `_SUCCESS` follows with the last checkpoint. It needs a file system whose renames are atomic and
/// whose `fsync` is honest.
///
/// Each checkpoint closes the parts, however small they are, unless the sink rolls by age ([`roll_every`](FileSink::roll_every)) and does not compress:
/// then a part is written on behind the checkpoint until it has its age or its size, and is cut off there if the job goes back. What has
/// appeared must stay where it is until the next checkpoint is complete: after a failure the last one is committed again, and a part that is gone fails the
/// job.
#[derive(Debug, Clone)]
#[must_use = "a sink writes nothing until `.sink(..)` takes it"]
pub struct FileSink<F, P = Unpartitioned> {
    directory: PathBuf,
    pub(crate) format: F,
    partitioning: P,
    rolling: Rolling,
    overwrite: bool,
    compression: Compression,
    under_way: UnderWay,
}

impl<F: WriteFormat> FileSink<F> {
    /// Writes into a directory.
    pub fn new(directory: impl Into<PathBuf>, format: F) -> Self {
        Self {
            directory: directory.into(),
            format,
            partitioning: Unpartitioned,
            rolling: Rolling { bytes: PART_BYTES, every: None },
            overwrite: false,
            compression: Compression::None,
            under_way: UnderWay::new(),
        }
    }
}

impl<F: WriteFormat, P: Partitioning<F::In>> FileSink<F, P> {
    /// At which size, in bytes and before compression, a part is closed and the next one begun. A part is larger than that by less than one
    /// record.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn part_bytes(mut self, bytes: u64) -> Self {
        assert!(bytes > 0, "a part has at least one byte");
        self.rolling.bytes = bytes;
        self
    }

    /// At which age, counted from its first record, a part is closed, and lets parts appear as they are closed rather than all together at
    /// the end: what a job that never ends needs. A job that fails then leaves the parts that have appeared, without `_SUCCESS`.
    ///
    /// In a job with checkpoints a part that is closed appears with the next one, and one that is not compressed stays open across those that come before it
    /// has this age, counted by the clock on the wall through all restarts.
    ///
    /// # Panics
    ///
    /// If it is 0.
    #[track_caller]
    pub fn roll_every(mut self, age: Duration) -> Self {
        assert!(!age.is_zero(), "a part is open for some time");
        self.rolling.every = Some(age);
        self
    }

    /// Replaces the output of an earlier run: its parts, in all partitions, and `_SUCCESS` are removed when this job first commits, not
    /// before. Directories with a `_SUCCESS` of their own are left alone.
    pub fn overwrite(mut self) -> Self {
        self.overwrite = true;
        self
    }

    /// Compresses each part as a gzip file: `.csv.gz`.
    pub fn gzip(mut self) -> Self {
        self.compression = Compression::Gzip;
        self
    }

    /// Compresses each part as a zstd file: `.csv.zst`. Faster than gzip, and smaller.
    pub fn zstd(mut self) -> Self {
        self.compression = Compression::Zstd;
        self
    }

    /// Spreads records over directories inside of the sink's: the closure returns the name of the record's directory, anything with
    /// `Display`. Called again it adds directories inside of those.
    ///
    /// A name is checked before it is used: one that is empty, hidden, or leads elsewhere fails the job. It may hold slashes. Each subtask
    /// keeps [`OPEN_PARTS_LIMIT`](super::OPEN_PARTS_LIMIT) parts open at a time and closes the one that was not written to for longest:
    /// if there are many more partitions, let `.key_by(..)` bring the records of one to one subtask, or expect small parts (metric
    /// `parts_closed_early`).
    ///
    /// ```
    /// use millstream_connectors::TextFiles;
    ///
    /// // out/debug/.., out/error/..
    /// let sink = TextFiles::write("out").partition_by(|line| if line.contains("ERROR") { "error" } else { "debug" });
    /// # let _ = sink;
    /// ```
    pub fn partition_by<N, D>(self, name: N) -> When<D::Proof, FileSink<F, PartitionBy<P, N, D>>>
    where
        N: for<'a> Fn(<F::In as Record>::View<'a>) -> D + Clone + Send + Sync + 'static,
        D: DirectoryName + 'static,
    {
        self.repartition(|outer| PartitionBy::new(outer, name))
    }

    /// As [`partition_by`](FileSink::partition_by), by a function annotated with `#[key]`, which may borrow from the record.
    pub fn partition_with<N, K, Via>(self, key: N) -> FileSink<F, PartitionWith<P, K>>
    where
        N: Annotated<K, Via>,
        K: KeyFn<F::In> + Sync,
        for<'a> <K::Key as Record>::View<'a>: DirectoryName,
    {
        self.repartition(|outer| PartitionWith::new(outer, key.make()))
    }

    fn repartition<Q>(self, inside: impl FnOnce(P) -> Q) -> FileSink<F, Q> {
        let Self { directory, format, partitioning, rolling, overwrite, compression, under_way } = self;
        FileSink { directory, format, partitioning: inside(partitioning), rolling, overwrite, compression, under_way }
    }

    fn place(&self, cx: &SinkContext) -> Place {
        Place::new(self.directory.clone(), cx.run(), cx.checkpoints())
    }
}

impl<F: WriteFormat, P: Partitioning<F::In>> Sink for FileSink<F, P> {
    type In = F::In;
    type Guarantee = ExactlyOnce;
    type Committable = FilePart;
    type Writer = FileWriter<F, P>;
    type Committer = FileCommitter;

    fn name(&self) -> String {
        format!("{}({})", self.format.name(), self.directory.display())
    }

    fn check(&self, cx: &SinkContext) -> Result<(), Failure> {
        let (files, place) = (cx.env().files(), self.place(cx));
        if place.is_own(files) {
            return place.make(files); // a job that goes on has been checked before, and what is there is its own
        }
        if let Some(old) = place.output_of_others(files)?.output.first()
            && !self.overwrite
        {
            return Err(Failure::new(format!(
                "directory {} holds the output of an earlier run ({}); remove it, name another directory, or add `.overwrite()` to the sink",
                self.directory.display(),
                name_of(old),
            )));
        }
        if place.is_shared(files)? {
            return Err(Failure::new(format!(
                "another sink of this job writes into directory {}, too: nobody could tell when the output of one is complete; name a \
                 directory of its own, or let one sink write the `.union(..)` of both streams",
                self.directory.display(),
            )));
        }
        // That it can be written shows only when something is.
        place.make(files)
    }

    fn writer(&self, cx: &SinkContext, restored: Vec<OpenPart>) -> Result<FileWriter<F, P>, Failure> {
        let (format, partitioning) = (self.format.clone(), self.partitioning.clone());
        let to = (self.place(cx), self.compression);
        let writer = FileWriter::new(cx, format, partitioning, self.rolling, to, self.under_way.clone());
        Ok(writer.restored(restored))
    }

    fn committer(&self, cx: &SinkContext) -> Result<FileCommitter, Failure> {
        Ok(FileCommitter::new(Arc::clone(cx.env()), self.place(cx), self.overwrite, self.under_way.clone()))
    }
}
