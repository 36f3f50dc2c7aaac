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
    prelude::BestEffort,
    sink::{NoCommit, Prepare, Prepared, Sink, SinkContext, SinkWriter},
};

/// The counts of all subtasks together. Clones are the same tally.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<[AtomicU64; 2]>);

/// A sink that adds to `tally`, for every record, one and what the function says (wrapping).
pub fn tally<T, F>(tally: &Tally, number: F) -> TallySink<T, F>
where
    T: Record,
    F: for<'a> Fn(T::View<'a>) -> u64 + Clone + Send + Sync + 'static,
{
    TallySink { tally: tally.clone(), number, record: PhantomData }
}

impl Tally {
    /// How many records there were and what they add up to, since it was asked last.
    pub fn take(&self) -> (u64, u64) {
        (self.0[0].swap(0, Relaxed), self.0[1].swap(0, Relaxed))
    }
}

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
    type Guarantee = BestEffort;
    type Committable = ();
    type Writer = TallyWriter<T, F>;
    type Committer = NoCommit;

    fn name(&self) -> String {
        "tally".to_owned()
    }

    fn writer(&self, _: &SinkContext, _: Vec<()>) -> Result<TallyWriter<T, F>, Failure> {
        let (tally, number) = (self.tally.clone(), self.number.clone());
        Ok(TallyWriter { tally, number, records: 0, told: 0, sum: 0, record: PhantomData })
    }

    fn committer(&self, _: &SinkContext) -> Result<NoCommit, Failure> {
        Ok(NoCommit)
    }
}

/// The part of a tally that one subtask keeps.
pub struct TallyWriter<T, F> {
    tally: Tally,
    number: F,
    records: u64,
    /// How many of them the tally knows of.
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
    type Committable = ();
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

    async fn prepare(&mut self, _: Prepare) -> Result<Prepared<()>, Failure> {
        self.tally.0[0].fetch_add(self.records - mem::replace(&mut self.told, self.records), Relaxed);
        self.tally.0[1].fetch_add(mem::take(&mut self.sum), Relaxed);
        Ok(Prepared::closed(Vec::new()))
    }
}
