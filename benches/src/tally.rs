//! [`tally`]: a sink that counts records and adds up a number of each.

use std::{
    marker::PhantomData,
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use millstream::{
    Record, Timestamp,
    failure::Failure,
    prelude::ExactlyOnce,
    sink::{Committer, Prepare, Prepared, Sink, SinkContext, SinkWriter},
};

use crate::nexmark::Answer;

/// The counts of all subtasks together. Clones are the same tally.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    records: AtomicU64,
    sum: AtomicU64,
    /// The checkpoint whose records are counted; 0 before the first one.
    checkpoint: AtomicU64,
}

/// A sink that adds to `tally`, for every record, one and what the function says (wrapping).
pub fn tally<T, F>(tally: &Tally, number: F) -> TallySink<T, F>
where
    T: Record,
    F: for<'a> Fn(T::View<'a>) -> u64 + Clone + Send + Sync + 'static,
{
    TallySink { tally: tally.clone(), number, record: PhantomData }
}

impl Tally {
    /// How many records there were and what they add up to, since it was asked last. It is then ready for another job.
    pub fn take(&self) -> (u64, u64) {
        self.0.checkpoint.store(0, Relaxed);
        (self.0.records.swap(0, Relaxed), self.0.sum.swap(0, Relaxed))
    }

    /// As [`Tally::take`].
    pub fn answer(&self) -> Answer {
        let (records, sum) = self.take();
        Answer { records, sum }
    }
}

/// What a writer has counted since the checkpoint before this one (0 without checkpoints): records, and what they add up to.
pub(crate) type Counted = (u64, u64, u64);

/// See [`tally`].
pub struct TallySink<T, F> {
    tally: Tally,
    number: F,
    record: PhantomData<fn(T)>,
}

impl<T, F> Sink for TallySink<T, F>
where
    T: Record,
    F: for<'a> Fn(T::View<'a>) -> u64 + Clone + Send + Sync + 'static,
{
    type In = T;
    type Guarantee = ExactlyOnce;
    type Committable = Counted;
    type Writer = TallyWriter<T, F>;
    type Committer = TallyCommitter;

    fn name(&self) -> String {
        "tally".to_owned()
    }

    fn writer(&self, _: &SinkContext, _: Vec<()>) -> Result<TallyWriter<T, F>, Failure> {
        Ok(TallyWriter { number: self.number.clone(), records: 0, told: 0, sum: 0, record: PhantomData })
    }

    fn committer(&self, _: &SinkContext) -> Result<TallyCommitter, Failure> {
        Ok(TallyCommitter(self.tally.clone()))
    }
}

/// Adds up what is part of complete checkpoints, each once.
pub struct TallyCommitter(Tally);

impl Committer for TallyCommitter {
    type Committable = Counted;
    type State = ();

    async fn recover(&mut self, _: &[Counted], _: &[()]) -> Result<(), Failure> {
        Ok(())
    }

    async fn commit(&mut self, what: Vec<Counted>, _: bool) -> Result<(), Failure> {
        let Counts { records, sum, checkpoint } = &*self.0.0;
        let before = checkpoint.load(Relaxed);
        for (number, of_records, of_sum) in what {
            if number == 0 || number > before {
                records.fetch_add(of_records, Relaxed);
                sum.fetch_add(of_sum, Relaxed);
                checkpoint.fetch_max(number, Relaxed);
            }
        }
        Ok(())
    }

    async fn abort(&mut self) {}
}

/// The part of a tally that one subtask keeps.
pub struct TallyWriter<T, F> {
    number: F,
    records: u64,
    /// How many of them were handed over.
    told: u64,
    sum: u64,
    record: PhantomData<fn(T)>,
}

impl<T, F> SinkWriter for TallyWriter<T, F>
where
    T: Record,
    F: for<'a> Fn(T::View<'a>) -> u64 + Clone + Send + Sync + 'static,
{
    type In = T;
    type Committable = Counted;
    type State = ();

    #[inline(always)]
    fn write(&mut self, record: T::View<'_>, _: Timestamp) -> Result<(), Failure> {
        self.records += 1;
        self.sum = self.sum.wrapping_add((self.number)(record));
        Ok(())
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        false // two numbers never are
    }

    #[inline(always)]
    fn records(&self) -> u64 {
        self.records
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    async fn prepare(&mut self, at: Prepare) -> Result<Prepared<Counted>, Failure> {
        let records = self.records - mem::replace(&mut self.told, self.records);
        Ok(Prepared::closed(vec![(at.checkpoint, records, mem::take(&mut self.sum))]))
    }
}
