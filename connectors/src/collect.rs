//! [`collect()`]: a sink that keeps its records in memory, for tests.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millstream_core::{record::Record, time::Timestamp};
use millstream_runtime::{
    failure::Failure,
    sink::{Committer, Prepare, Prepared, Sink, SinkContext, SinkWriter},
    stream::ExactlyOnce,
};

/// How many records are kept unless [`Collect::limit`] says otherwise.
pub const RECORDS_LIMIT: usize = 1_000_000;
/// How many records a writer keeps to itself before it adds them to the others.
const BATCH_RECORDS: usize = 1024;

/// Keeps records in memory. Records of one subtask keep their order; those of several come in any order.
///
/// In a job with checkpoints records are there once a checkpoint that covers them is complete, and each of them once, also if the job fails and goes on.
/// (A process that resumes a job begins with an empty place, and finds in it what was written since the last checkpoint but one.)
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
    Collect {
        shared: Arc::new(Mutex::new(Shared { records: Vec::new(), committed: HashSet::new() })),
        limit: RECORDS_LIMIT,
    }
}

/// The records that a [`collect()`] sink was given.
#[derive(Debug)]
#[must_use = "give `.sink()` to a stream, and `.take()` the records when the job is done"]
pub struct Collect<T> {
    shared: Arc<Mutex<Shared<T>>>,
    limit: usize,
}

#[derive(Debug)]
struct Shared<T> {
    records: Vec<T>,
    /// What each sink committed last: that may come again.
    committed: HashSet<BatchId>,
}

/// The run, the writer, and the number of its batch.
type BatchId = (u64, u64, u64);

/// Records to be committed, and what tells them from all others: the writer, and the number of its batch.
pub type Batch<T> = (u64, u64, Vec<T>);

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
        mem::take(&mut self.lock().records)
    }

    fn lock(&self) -> MutexGuard<'_, Shared<T>> {
        // Records are added in one step, so there is no half-done state that a panic could have left.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, batch: &mut Vec<T>) -> Result<(), Failure> {
        let records = &mut self.lock().records;
        self.check_limit(records.len() + batch.len())?;
        records.append(batch);
        Ok(())
    }

    fn check_limit(&self, records: usize) -> Result<(), Failure> {
        if records <= self.limit {
            return Ok(());
        }
        Err(Failure::new(format!(
            "`collect` keeps at most {} records in memory; it is meant for tests: write larger results to files, or raise it with `.limit(records)`",
            self.limit
        )))
    }
}

/// See [`collect()`].
#[derive(Debug)]
pub struct CollectSink<T>(Collect<T>);

impl<T: Record> Sink for CollectSink<T> {
    type In = T;
    type Guarantee = ExactlyOnce;
    type Committable = Batch<T>;
    type Writer = CollectWriter<T>;
    type Committer = CollectCommitter<T>;

    fn name(&self) -> String {
        "collect".to_owned()
    }

    fn writer(&self, cx: &SinkContext, _: Vec<()>) -> Result<CollectWriter<T>, Failure> {
        let name = cx.attempt().wrapping_add(cx.subtask() as u64);
        let batches = cx.checkpoints().then(Vec::new);
        Ok(CollectWriter { to: self.0.clone(), name, batch: Vec::new(), batches, next_batch: 0, records: 0 })
    }

    fn committer(&self, cx: &SinkContext) -> Result<CollectCommitter<T>, Failure> {
        Ok(CollectCommitter { to: self.0.clone(), run: cx.run() })
    }
}

/// Keeps the records of a subtask.
#[derive(Debug)]
pub struct CollectWriter<T> {
    to: Collect<T>,
    /// What tells it from all other writers.
    name: u64,
    batch: Vec<T>,
    /// Batches that wait for the next checkpoint, if there will be one.
    batches: Option<Vec<Batch<T>>>,
    next_batch: u64,
    records: u64,
}

impl<T: Record> CollectWriter<T> {
    /// Adds the batch to the others, or lets it wait.
    fn end_batch(&mut self) -> Result<(), Failure> {
        let Some(batches) = &mut self.batches else { return self.to.add(&mut self.batch) };
        if !self.batch.is_empty() {
            batches.push((self.name, self.next_batch, mem::take(&mut self.batch)));
            self.next_batch += 1;
        }
        self.to.check_limit(batches.iter().map(|(.., records)| records.len()).sum())
    }
}

impl<T: Record> SinkWriter for CollectWriter<T> {
    type In = T;
    type Committable = Batch<T>;
    type State = ();

    fn write(&mut self, record: T::View<'_>, _: Timestamp) -> Result<(), Failure> {
        self.batch.push(T::from_view(record));
        self.records += 1;
        if self.batch.len() >= BATCH_RECORDS { self.end_batch() } else { Ok(()) }
    }

    fn is_full(&self) -> bool {
        false // every batch goes at once, and all of them together are bounded
    }

    fn records(&self) -> u64 {
        self.records
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        self.end_batch()
    }

    async fn prepare(&mut self, _: Prepare) -> Result<Prepared<Batch<T>>, Failure> {
        self.end_batch()?;
        Ok(Prepared::closed(self.batches.as_mut().map(mem::take).unwrap_or_default()))
    }
}

/// Adds the records of complete checkpoints.
#[derive(Debug)]
pub struct CollectCommitter<T> {
    to: Collect<T>,
    run: u64,
}

impl<T: Record> Committer for CollectCommitter<T> {
    type Committable = Batch<T>;
    type State = ();

    fn recover(&mut self, _: &[Batch<T>], _: &[()]) -> impl Future<Output = Result<(), Failure>> + Send {
        std::future::ready(Ok(())) // what waited is gone with its writers
    }

    async fn commit(&mut self, batches: Vec<Batch<T>>, _: bool) -> Result<(), Failure> {
        let run = self.run;
        let ids: HashSet<BatchId> = batches.iter().map(|(writer, number, _)| (run, *writer, *number)).collect();
        for (writer, number, mut records) in batches {
            let id = (run, writer, number);
            if !self.to.lock().committed.contains(&id) {
                self.to.add(&mut records)?;
                self.to.lock().committed.insert(id);
            }
        }
        self.to.lock().committed.retain(|id| id.0 != run || ids.contains(id));
        Ok(())
    }

    async fn abort(&mut self) {}
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use millstream_testkit::SimEnv;

    use super::*;

    #[test]
    fn in_a_job_with_checkpoints_records_come_with_these_and_once() {
        let place = collect::<u64>();
        let sink = place.sink();
        let env = SimEnv::new(1);
        let cx = || SinkContext::detached(env.clone(), "collect").in_attempt_of(7);
        let at = |checkpoint, last| Prepare { checkpoint, last, close: last };
        block_on(async {
            let mut committer = sink.committer(&cx()).unwrap();
            let attempt = cx();
            let writer = |subtask| sink.writer(&attempt.clone().at_subtask(subtask, 2), Vec::new()).unwrap();
            let [mut one, mut two] = [0, 1].map(writer);
            (0..2000).for_each(|record| one.write(record, Timestamp::MIN).unwrap());
            two.write(2000, Timestamp::MIN).unwrap();
            one.flush().await.unwrap();
            let mut first = one.prepare(at(1, false)).await.unwrap().committables;
            first.extend(two.prepare(at(1, false)).await.unwrap().committables);
            assert_eq!(place.take(), [0; 0]);
            for _ in 0..2 {
                committer.commit(first.clone(), false).await.unwrap();
            }
            assert_eq!(place.take(), (0..=2000).collect::<Vec<_>>());

            // The job fails behind the checkpoint, and goes on from it.
            one.write(9, Timestamp::MIN).unwrap();
            one.flush().await.unwrap();
            drop((one, two));
            let mut committer = sink.committer(&cx()).unwrap();
            committer.recover(&first, &[]).await.unwrap();
            committer.commit(first, false).await.unwrap();
            let mut writer = sink.writer(&cx(), Vec::new()).unwrap();
            writer.write(9, Timestamp::MIN).unwrap();
            let last = writer.prepare(at(2, true)).await.unwrap().committables;
            committer.commit(last, true).await.unwrap();
            assert_eq!(place.take(), [9]);
            assert_eq!(place.lock().committed.len(), 1, "only what may come again is remembered");
        });
    }

    #[test]
    fn what_waits_for_a_checkpoint_is_bounded_too() {
        let place = collect::<u64>().limit(3000);
        let sink = place.sink();
        let mut writer =
            sink.writer(&SinkContext::detached(SimEnv::new(1), "collect").in_attempt_of(7), Vec::new()).unwrap();
        let failure = (0..10_000).find_map(|record| writer.write(record, Timestamp::MIN).err()).unwrap();
        assert!(failure.message().starts_with("`collect` keeps at most 3000 records in memory"), "{failure}");
    }
}
