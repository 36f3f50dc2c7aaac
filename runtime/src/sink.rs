//! Sinks: writers write, a committer makes what they wrote visible. A sink of which nothing has to be committed uses [`NoCommit`].

use std::future::Future;

use millstream_core::{record::Record, time::Timestamp};

pub use crate::source::ConnectorContext as SinkContext;
use crate::{env::Instant, failure::Failure};

/// Where records go.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink",
    label = "not a sink",
    note = "`.sink(..)` takes a connector such as `CsvFiles::write(\"out\")` or `print()`, or a type of yours that implements `Sink`"
)]
pub trait Sink: Send + Sync + 'static {
    /// What it takes.
    type In: Record;
    /// What a writer hands over to be committed: a record, since it becomes part of checkpoints.
    type Committable: Record;
    /// Writes; one per subtask.
    type Writer: SinkWriter<In = Self::In, Committable = Self::Committable>;
    /// Commits.
    type Committer: Committer<Committable = Self::Committable>;

    /// What messages, metrics and plans call it.
    fn name(&self) -> String;
    /// Looks for mistakes (a directory that cannot be written) before anything runs. It may block.
    ///
    /// # Errors
    ///
    /// A failure here is the job's: nothing has been started then. The committer is told to abort, as it is if the check of another
    /// connector fails.
    fn check(&self, cx: &SinkContext) -> Result<(), Failure> {
        let _ = cx;
        Ok(())
    }
    /// Makes the writer of a subtask. Must not block.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn writer(&self, cx: &SinkContext) -> Result<Self::Writer, Failure>;
    /// Makes the committer. Must not block. Besides the one of the job, which has the last word, each subtask makes one if its writer hands
    /// something over early ([`SinkWriter::take_early`]).
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn committer(&self, cx: &SinkContext) -> Result<Self::Committer, Failure>;
}

/// Writes the records of a subtask.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not write the records of a sink",
    label = "not a sink writer",
    note = "implement `SinkWriter`: `write` takes a record into memory, `flush` writes it out, `prepare` hands over what is to be committed"
)]
pub trait SinkWriter: Send + 'static {
    /// What it takes.
    type In: Record;
    /// What it hands over.
    type Committable: Record;

    /// Takes a record into memory. Never waits and never blocks: that is what `flush` is for.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn write(&mut self, record: <Self::In as Record>::View<'_>, at: Timestamp) -> Result<(), Failure>;

    /// True if `flush` should be awaited before more is written: this bounds the writer's memory, and holds up the job as far back as its sources.
    fn is_full(&self) -> bool;

    /// How many records were written so far, for metrics. (Asked for once a batch: a count kept beside every writer would be a store per record.)
    fn records(&self) -> u64;

    /// When it wants to be flushed though it is not full and no record comes: a part is due to be closed. Asked for once a batch.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Writes out what is in memory. Called when the writer is full, when its deadline has come, and when its task has nothing else to do.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    ///
    /// # Cancel safety
    ///
    /// Dropped only when the job is cancelled or has failed.
    fn flush(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Hands over what should be committed now, before the job has ended; asked for after each flush of a job without checkpoints. What is
    /// not taken here is handed over by `prepare`, which is all that a job with checkpoints asks.
    fn take_early(&mut self) -> Vec<Self::Committable> {
        Vec::new()
    }

    /// Writes out everything and hands over what has to be committed; called once after the last record (and, with checkpoints, at every barrier).
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn prepare(&mut self) -> impl Future<Output = Result<Vec<Self::Committable>, Failure>> + Send;
}

/// Makes visible what the writers wrote.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not commit what the writers of a sink wrote",
    label = "not a committer",
    note = "implement `Committer`, or use `NoCommit` where nothing has to be committed"
)]
pub trait Committer: Send + 'static {
    /// What the writers handed over.
    type Committable: Record;

    /// Makes it visible. `last` is true if the job has ended well and nothing will follow. Must be idempotent: after a crash the same
    /// committables come again. Several committers of a run may commit at the same time, each its own.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn commit(&mut self, what: Vec<Self::Committable>, last: bool) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The job has failed or was cancelled: removes what was written and not committed, as far as that is possible. Only the committer of
    /// the job is told, after all writers are gone.
    fn abort(&mut self) -> impl Future<Output = ()> + Send;
}

/// The committer of a sink of which nothing has to be committed.
#[derive(Debug, Clone, Copy)]
pub struct NoCommit;

impl Committer for NoCommit {
    type Committable = ();
    async fn commit(&mut self, _: Vec<()>, _: bool) -> Result<(), Failure> {
        Ok(())
    }
    async fn abort(&mut self) {}
}
