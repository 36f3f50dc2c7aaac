//! [`records()`]: a source of records that are in memory already.

use std::sync::Arc;

use millstream_core::{record::Record, time::Timestamp};
use millstream_runtime::{
    failure::Failure,
    operator::Push,
    source::{Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader},
    stream::{NoTime, Replayable},
};

/// How many records a split has.
const SPLIT_RECORDS: usize = 16 * 1024;

/// The records of a vector, which all subtasks read in place. Bounded. One subtask alone gives them in their order.
pub fn records<T: Record + Sync>(records: impl Into<Arc<[T]>>) -> Records<T> {
    Records { records: records.into() }
}

/// See [`records()`].
#[derive(Debug, Clone)]
#[must_use = "a source gives nothing until `job.source(..)` takes it"]
pub struct Records<T> {
    records: Arc<[T]>,
}

/// Positions in the vector: from, to.
type Range = (u64, u64);

impl<T: Record + Sync> Source for Records<T> {
    type Out = T;
    type Time = NoTime;
    type Split = Range;
    type Enumerator = RecordsEnumerator;
    type Reader = RecordsReader<T>;

    fn name(&self) -> String {
        "records".to_owned()
    }

    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    fn enumerator(&self, _: &SourceContext) -> Result<RecordsEnumerator, Failure> {
        Ok(RecordsEnumerator { len: self.records.len() })
    }

    fn reader(&self, _: &SourceContext) -> Result<RecordsReader<T>, Failure> {
        Ok(RecordsReader { records: Arc::clone(&self.records), next: 0, end: 0 })
    }
}

impl<T: Record + Sync> Replayable for Records<T> {}

/// Cuts a vector into ranges.
#[derive(Debug)]
pub struct RecordsEnumerator {
    len: usize,
}

impl SplitEnumerator for RecordsEnumerator {
    type Split = Range;
    type State = ();

    async fn discover(&mut self) -> Result<Discovered<Range>, Failure> {
        let starts = (0..self.len).step_by(SPLIT_RECORDS);
        Ok(Discovered::all(starts.map(|from| (from as u64, self.len.min(from + SPLIT_RECORDS) as u64)).collect()))
    }

    fn state(&self) {}

    fn restore(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

/// Reads ranges of a vector.
#[derive(Debug)]
pub struct RecordsReader<T> {
    records: Arc<[T]>,
    next: usize,
    end: usize,
}

impl<T: Record + Sync> SplitReader for RecordsReader<T> {
    type Out = T;
    type Split = Range;

    fn open(&mut self, (from, end): Range) -> Result<(), Failure> {
        let len = self.records.len();
        let position = |at: u64| usize::try_from(at).ok().filter(|at| *at <= len);
        let (Some(next), Some(end)) = (position(from), position(end)) else {
            return Err(Failure::new(format!("a split from {from} to {end} of only {len} records in memory")));
        };
        (self.next, self.end) = (next, end.max(next));
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        Ok(if self.next < self.end { Fetched::Data } else { Fetched::EndOfSplit })
    }

    fn emit<N: Push<T>>(&mut self, out: &mut Emit<'_, T, N>) -> Result<Emitted, Failure> {
        self.next += out.push_all(&self.records[self.next..self.end], |_| Timestamp::MIN);
        Ok(if self.next < self.end { Emitted::Some } else { Emitted::All })
    }

    fn position(&self) -> Range {
        (self.next as u64, self.end as u64)
    }
}
