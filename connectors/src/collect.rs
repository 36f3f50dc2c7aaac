//! [`collect()`]: a sink that keeps its records in memory, for tests.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_core::{record::Record, time::Timestamp};
use millstream_runtime::{
    failure::Failure,
    sink::{NoCommit, Prepare, Prepared, Sink, SinkContext, SinkWriter},
};

/// How many records are kept unless [`Collect::limit`] says otherwise.
pub const RECORDS_LIMIT: usize = 1_000_000;
/// How many records a writer keeps to itself before it adds them to the others.
const BATCH_RECORDS: usize = 1024;

/// Keeps records in memory. Records of one subtask keep their order; those of several come in any order.
///
/// ```
/// use millstream_connectors::{collect, records};
/// use millstream_runtime::{env::TokioEnv, local, settings::Settings, stream::{Job, Stream}};
///
/// let results = collect();
/// let mut job: Job = Job::new("tenfold", Settings { parallelism: 1, ..Settings::default() });
/// job.source(records([1_u64, 2, 3])).map(|number| number * 10).sink(results.sink());
///
/// let graph = job.build().expect("the graph is whole");
/// # let tokio = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
/// tokio.block_on(async { local::run(graph, TokioEnv::current()).await })?;
/// assert_eq!(results.take(), [10_u64, 20, 30]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn collect<T: Record>() -> Collect<T> {
    Collect { shared: Arc::new(Mutex::new(Vec::new())), limit: RECORDS_LIMIT }
}

/// The records that a [`collect()`] sink was given.
#[derive(Debug)]
#[must_use = "give `.sink()` to a stream, and `.take()` the records when the job is done"]
pub struct Collect<T> {
    shared: Arc<Mutex<Vec<T>>>,
    limit: usize,
}

impl<T> Clone for Collect<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), limit: self.limit }
    }
}

impl<T: Record> Collect<T> {
    /// How many records may be kept; one more fails the job.
    pub fn limit(mut self, records: usize) -> Self {
        self.limit = records;
        self
    }

    /// A sink that keeps its records here. Several sinks may share a place.
    pub fn sink(&self) -> CollectSink<T> {
        CollectSink(self.clone())
    }

    /// The records so far, which are then no longer kept. All of them are there when the job has ended.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        // Records are added in one step, so there is no half-done state that a panic could have left.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, batch: &mut Vec<T>) -> Result<(), Failure> {
        let mut records = self.lock();
        if records.len() + batch.len() > self.limit {
            return Err(Failure::new(format!(
                "`collect` keeps at most {} records in memory; it is meant for tests: write larger results to files, or raise it with `.limit(records)`",
                self.limit
            )));
        }
        records.append(batch);
        Ok(())
    }
}

/// See [`collect()`].
#[derive(Debug)]
pub struct CollectSink<T>(Collect<T>);

impl<T: Record> Sink for CollectSink<T> {
    type In = T;
    type Committable = ();
    type Writer = CollectWriter<T>;
    type Committer = NoCommit;

    fn name(&self) -> String {
        "collect".to_owned()
    }

    fn writer(&self, _: &SinkContext, _: Vec<()>) -> Result<CollectWriter<T>, Failure> {
        Ok(CollectWriter { to: self.0.clone(), batch: Vec::new(), records: 0 })
    }

    fn committer(&self, _: &SinkContext) -> Result<NoCommit, Failure> {
        Ok(NoCommit)
    }
}

/// Keeps the records of a subtask.
#[derive(Debug)]
pub struct CollectWriter<T> {
    to: Collect<T>,
    batch: Vec<T>,
    records: u64,
}

impl<T: Record> SinkWriter for CollectWriter<T> {
    type In = T;
    type Committable = ();
    type State = ();

    fn write(&mut self, record: T::View<'_>, _: Timestamp) -> Result<(), Failure> {
        self.batch.push(T::from_view(record));
        self.records += 1;
        if self.batch.len() >= BATCH_RECORDS { self.to.add(&mut self.batch) } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        false // every batch goes at once, and all of them together are bounded
    }

    fn records(&self) -> u64 {
        self.records
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        self.to.add(&mut self.batch)
    }

    async fn prepare(&mut self, _: Prepare) -> Result<Prepared<()>, Failure> {
        self.to.add(&mut self.batch)?;
        Ok(Prepared::closed(Vec::new()))
    }
}
