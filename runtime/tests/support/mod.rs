//! A source of numbers and a sink that counts them, for jobs that tests run.

use std::sync::atomic::{AtomicU64, Ordering};

use millstream_core::time::Timestamp;
use millstream_runtime::{
    failure::Failure,
    operator::Push,
    sink::{NoCommit, Prepare, Prepared, Sink, SinkContext, SinkWriter},
    source::{Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader},
    stream::{AtLeastOnce, NoTime},
};

/// The numbers below a bound, or all of them.
pub struct Numbers(pub Option<u64>);

impl Source for Numbers {
    type Out = u64;
    type Time = NoTime;
    type Split = (u64, u64);
    type Enumerator = Whole;
    type Reader = Counting;

    fn name(&self) -> String {
        "numbers".into()
    }
    fn boundedness(&self) -> Boundedness {
        self.0.map_or(Boundedness::Unbounded, |_| Boundedness::Bounded)
    }
    fn enumerator(&self, _: &SourceContext) -> Result<Whole, Failure> {
        Ok(Whole(self.0.unwrap_or(u64::MAX)))
    }
    fn reader(&self, _: &SourceContext) -> Result<Counting, Failure> {
        Ok(Counting { next: 0, end: 0 })
    }
}

pub struct Whole(u64);

impl SplitEnumerator for Whole {
    type Split = (u64, u64);
    type State = ();
    async fn discover(&mut self) -> Result<Discovered<(u64, u64)>, Failure> {
        Ok(Discovered::all(vec![(0, self.0)]))
    }
    fn state(&self) {}
    fn restore(&mut self, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}

pub struct Counting {
    next: u64,
    end: u64,
}

impl SplitReader for Counting {
    type Out = u64;
    type Split = (u64, u64);
    fn open(&mut self, (from, to): (u64, u64)) -> Result<(), Failure> {
        (self.next, self.end) = (from, to);
        Ok(())
    }
    async fn fetch(&mut self) -> Result<Fetched, Failure> {
        Ok(if self.next < self.end { Fetched::Data } else { Fetched::EndOfSplit })
    }
    fn emit<N: Push<u64>>(&mut self, out: &mut Emit<'_, u64, N>) -> Result<Emitted, Failure> {
        while self.next < self.end {
            if out.is_full() {
                return Ok(Emitted::Some);
            }
            out.push(self.next, Timestamp::MIN);
            self.next += 1;
        }
        Ok(Emitted::All)
    }
    fn position(&self) -> (u64, u64) {
        (self.next, self.end)
    }
}

/// Counts the records that all its writers take, and fails at a number.
pub struct Count {
    pub records: &'static AtomicU64,
    pub fail_at: Option<u64>,
}

impl Sink for Count {
    type In = u64;
    type Guarantee = AtLeastOnce;
    type Committable = ();
    type Writer = CountWriter;
    type Committer = NoCommit;

    fn name(&self) -> String {
        "count".into()
    }
    fn writer(&self, _: &SinkContext, _: Vec<()>) -> Result<CountWriter, Failure> {
        Ok(CountWriter { records: self.records, fail_at: self.fail_at, written: 0 })
    }
    fn committer(&self, _: &SinkContext) -> Result<NoCommit, Failure> {
        Ok(NoCommit)
    }
}

pub struct CountWriter {
    records: &'static AtomicU64,
    fail_at: Option<u64>,
    written: u64,
}

impl SinkWriter for CountWriter {
    type In = u64;
    type Committable = ();
    type State = ();
    fn write(&mut self, record: u64, _: Timestamp) -> Result<(), Failure> {
        if self.fail_at == Some(record) {
            return Err(Failure::new(format!("{record} is not wanted")));
        }
        self.records.fetch_add(1, Ordering::Relaxed);
        self.written += 1;
        Ok(())
    }
    fn is_full(&self) -> bool {
        false
    }
    fn records(&self) -> u64 {
        self.written
    }
    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(())
    }
    async fn prepare(&mut self, _: Prepare) -> Result<Prepared<()>, Failure> {
        Ok(Prepared::closed(Vec::new()))
    }
}
