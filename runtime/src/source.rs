//! Sources: an enumerator finds splits, readers read them. A split is a part of the input that can be read on its own: a range of a file, a partition
//! of a topic.
//!
//! A source of one's own in full, the numbers below a bound in splits of a thousand:
//!
//! ```
//! use millstream_runtime::{
//!     failure::Failure,
//!     operator::Push,
//!     source::{Boundedness, Discovered, Emit, Emitted, Fetched, Source, SourceContext, SplitEnumerator, SplitReader},
//!     stream::NoTime,
//! };
//! use millstream_core::time::Timestamp;
//!
//! struct Numbers {
//!     below: u64,
//! }
//!
//! impl Source for Numbers {
//!     type Out = u64;
//!     type Time = NoTime;
//!     type Split = (u64, u64); // from, to
//!     type Enumerator = Ranges;
//!     type Reader = Counting;
//!
//!     fn name(&self) -> String {
//!         "numbers".into()
//!     }
//!     fn boundedness(&self) -> Boundedness {
//!         Boundedness::Bounded
//!     }
//!     fn enumerator(&self, _: &SourceContext) -> Result<Ranges, Failure> {
//!         Ok(Ranges { below: self.below })
//!     }
//!     fn reader(&self, _: &SourceContext) -> Result<Counting, Failure> {
//!         Ok(Counting { next: 0, end: 0 })
//!     }
//! }
//!
//! struct Ranges {
//!     below: u64,
//! }
//!
//! impl SplitEnumerator for Ranges {
//!     type Split = (u64, u64);
//!     type State = (); // it finds all there is at once
//!     async fn discover(&mut self) -> Result<Discovered<(u64, u64)>, Failure> {
//!         let starts = (0..self.below).step_by(1000);
//!         Ok(Discovered::all(starts.map(|from| (from, self.below.min(from + 1000))).collect()))
//!     }
//!     fn state(&self) {}
//!     fn restore(&mut self, (): ()) -> Result<(), Failure> {
//!         Ok(())
//!     }
//! }
//!
//! struct Counting {
//!     next: u64,
//!     end: u64,
//! }
//!
//! impl SplitReader for Counting {
//!     type Out = u64;
//!     type Split = (u64, u64);
//!     fn open(&mut self, (from, to): (u64, u64)) -> Result<(), Failure> {
//!         (self.next, self.end) = (from, to);
//!         Ok(())
//!     }
//!     async fn fetch(&mut self) -> Result<Fetched, Failure> {
//!         Ok(if self.next < self.end { Fetched::Data } else { Fetched::EndOfSplit })
//!     }
//!     fn emit<N: Push<u64>>(&mut self, out: &mut Emit<'_, u64, N>) -> Result<Emitted, Failure> {
//!         while self.next < self.end {
//!             if out.is_full() {
//!                 return Ok(Emitted::Some);
//!             }
//!             out.push(self.next, Timestamp::MIN);
//!             self.next += 1;
//!         }
//!         Ok(Emitted::All)
//!     }
//!     fn position(&self) -> (u64, u64) {
//!         (self.next, self.end)
//!     }
//! }
//! ```

use std::{collections::VecDeque, future::Future, marker::PhantomData, sync::Arc, time::Duration};

use millstream_core::{key::Key, processor::read_ahead, record::Record, time::Timestamp};

pub use crate::bad_record::{BadRecord, BadRecordView, RejectsRecords};
use crate::{
    env::Env,
    failure::Failure,
    graph::{OperatorInfo, VertexId},
    metrics::{Counter, Gauge, Histogram, MetricId, Registry},
    operator::Push,
    stream::TimeDomain,
};

/// Whether a source ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundedness {
    /// It ends by itself, and so does a job that reads only such sources.
    Bounded,
    /// It never ends.
    Unbounded,
}

/// Where records come from.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source",
    label = "not a source",
    note = "`job.source(..)` takes a connector such as `CsvFiles::<Trade>::read(\"trades.csv\")`, or a type of yours that implements `Source`"
)]
pub trait Source: Send + Sync + 'static {
    /// What it reads.
    type Out: Record;
    /// [`EventTime`](crate::stream::EventTime) if it gives every record its time (watermarks then come from `.watermarks(..)`);
    /// [`NoTime`](crate::stream::NoTime) otherwise.
    type Time: TimeDomain;
    /// A part of the input, with the position in it.
    type Split: Record + Clone;
    /// Finds splits; one per job.
    type Enumerator: SplitEnumerator<Split = Self::Split>;
    /// Reads splits; one per subtask.
    type Reader: SplitReader<Out = Self::Out, Split = Self::Split>;

    /// What messages, metrics and plans call it.
    fn name(&self) -> String;
    /// Whether it ends.
    fn boundedness(&self) -> Boundedness;
    /// Whether each of its splits ends. A source that never ends may still read what does, as one that watches a directory for files.
    ///
    /// As long as a bounded split waits to be assigned, no watermark passes: what is in it was there before what others read next.
    fn splits(&self) -> Boundedness {
        self.boundedness()
    }
    /// Looks for mistakes (a missing file, a missing column) before anything runs. It may block.
    ///
    /// # Errors
    ///
    /// A failure here is the job's: nothing has been started then.
    fn check(&self, cx: &SourceContext) -> Result<(), Failure> {
        let _ = cx;
        Ok(())
    }
    /// Makes the enumerator.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn enumerator(&self, cx: &SourceContext) -> Result<Self::Enumerator, Failure>;
    /// Makes the reader of a subtask.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn reader(&self, cx: &SourceContext) -> Result<Self::Reader, Failure>;
}

/// What a source or sink may know of where it runs.
#[derive(Clone)]
pub struct ConnectorContext {
    pub(crate) env: Arc<dyn Env>,
    pub(crate) operator: String,
    pub(crate) subtask: usize,
    pub(crate) parallelism: usize,
    pub(crate) run: u64,
    pub(crate) attempt: u64,
    pub(crate) checkpoints: bool,
    pub(crate) registry: Registry,
}

/// What [`ConnectorContext::run`] says of an operator: its own number in a run. With checkpoints it comes from the operator's id, which is unique then and
/// stays when the job changes; otherwise from that of its vertex.
pub(crate) fn run_of(run: u64, operator: Option<&OperatorInfo>, vertex: VertexId, checkpoints: bool) -> u64 {
    let own = match operator {
        Some(operator) if checkpoints => String::hash(&operator.id_or_name()) as u32,
        _ => vertex.0 as u32,
    };
    (run & !u64::from(u32::MAX)) | u64::from(own)
}

/// What a source may know of where it runs.
pub type SourceContext = ConnectorContext;

impl ConnectorContext {
    /// A context on its own, for tests of connectors: subtask 0 of 1, in a run of its own without checkpoints. (Clones are of the same attempt.)
    pub fn detached(env: Arc<dyn Env>, operator: impl Into<String>) -> Self {
        let (run, attempt) = (env.random(), env.random());
        Self {
            env,
            operator: operator.into(),
            subtask: 0,
            parallelism: 1,
            run,
            attempt,
            checkpoints: false,
            registry: Registry::default(),
        }
    }

    /// The same for another subtask, for tests of connectors.
    pub fn at_subtask(self, subtask: usize, parallelism: usize) -> Self {
        Self { subtask, parallelism, ..self }
    }

    /// The same in a further attempt of a run with checkpoints, for tests of connectors.
    pub fn in_attempt_of(self, run: u64) -> Self {
        Self { run, attempt: self.env.random(), checkpoints: true, ..self }
    }

    /// Time, files, blocking work.
    pub fn env(&self) -> &Arc<dyn Env> {
        &self.env
    }

    /// The operator's name.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// The number of the subtask, from 0; 0 for enumerators and committers.
    pub fn subtask(&self) -> usize {
        self.subtask
    }

    /// How many subtasks there are.
    pub fn parallelism(&self) -> usize {
        self.parallelism
    }

    /// A number drawn for this operator in this run of the job: the same for its check, its subtasks and its committer, another one for every
    /// other operator and every other run, be it of the same graph. What must not collide with what they leave is named by it. The numbers of the
    /// operators of a run have their upper 32 bits in common, so that they are told from those of other runs.
    ///
    /// A job with checkpoints keeps it over all restarts, in this process and in others, and follows the operator's id when the job changes: what it has
    /// written before is its own.
    pub fn run(&self) -> u64 {
        self.run
    }

    /// A number drawn for this operator in this attempt to run the job: the same for its subtasks and its committer, another one after each restart. What
    /// a subtask makes is named by it and by [`subtask`](ConnectorContext::subtask), so that it is told from what the same subtask made in attempts that
    /// have failed, or still do not know that they have. A job without checkpoints has one attempt.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// True if the job makes checkpoints: it may go back to one, and output appears with them.
    pub fn checkpoints(&self) -> bool {
        self.checkpoints
    }

    fn id(&self, name: &str) -> MetricId {
        MetricId { operator: self.operator.clone(), subtask: self.subtask, name: name.to_owned() }
    }

    /// A counter of this subtask.
    pub fn counter(&self, name: &str) -> Counter {
        self.registry.counter(self.id(name))
    }

    /// A gauge of this subtask.
    pub fn gauge(&self, name: &str) -> Gauge {
        self.registry.gauge(self.id(name))
    }

    /// A histogram of this subtask.
    pub fn histogram(&self, name: &str) -> Histogram {
        self.registry.histogram(self.id(name))
    }
}

/// Finds the splits of a source.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not find the splits of a source",
    label = "not a split enumerator",
    note = "implement `SplitEnumerator`: `discover` gives all splits, or those that are new"
)]
pub trait SplitEnumerator: Send + 'static {
    /// What it finds.
    type Split: Send;
    /// What it remembers of what it has found, as part of checkpoints; `()` for one that finds everything at once.
    type State: Record;

    /// Looks for splits: called at the start, and again as the answer says. It may wait and do I/O through the environment. Once it has
    /// said that no more will come it is not asked again, after a restore neither.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, nothing has been found: [`SplitEnumerator::state`] is what it was.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn discover(&mut self) -> impl Future<Output = Result<Discovered<Self::Split>, Failure>> + Send;

    /// What it has found so far, asked for between two discoveries: with it a checkpoint holds the splits that wait, and where those are that are being read.
    fn state(&self) -> Self::State;

    /// Begins with the state of a checkpoint, before the first discovery: that must find only what had not been found by then.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn restore(&mut self, state: Self::State) -> Result<(), Failure>;

    /// Chooses a split for a subtask that asks for one. The default is the oldest.
    fn assign(&mut self, waiting: &mut VecDeque<Self::Split>, subtask: usize) -> Option<Self::Split> {
        let _ = subtask;
        waiting.pop_front()
    }
}

/// What an enumerator has found.
#[derive(Debug)]
pub struct Discovered<S> {
    /// The new splits.
    pub splits: Vec<S>,
    /// How large they are together, in bytes, for the share of the input that has been read; 0 if that is not known.
    pub bytes: u64,
    /// When to look again; `None` if no more splits will ever come.
    pub again: Option<Duration>,
}

impl<S> Discovered<S> {
    /// These are all splits that there will be.
    pub fn all(splits: Vec<S>) -> Self {
        Self { splits, bytes: 0, again: None }
    }
}

/// Reads the splits that a subtask is given, one at a time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not read the splits of a source",
    label = "not a split reader",
    note = "implement `SplitReader`: `open` takes a split, `fetch` waits for its next data, `emit` pushes them, `position` says where it is"
)]
pub trait SplitReader: Send + 'static {
    /// What it reads.
    type Out: Record;
    /// What it reads from.
    type Split: Record;

    /// Begins with a split, or goes on where [`SplitReader::position`] once said. Must not wait: that is what `fetch` is for.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn open(&mut self, split: Self::Split) -> Result<(), Failure>;

    /// Gets the next data of the split, waiting as long as it takes.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped and made anew at any time; nothing may be lost by that. Keep what is under way in `self`.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn fetch(&mut self) -> impl Future<Output = Result<Fetched, Failure>> + Send;

    /// Pushes what was fetched, until `out` is full. Never waits.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn emit<N: Push<Self::Out>>(&mut self, out: &mut Emit<'_, Self::Out, N>) -> Result<Emitted, Failure>;

    /// The split as it would have to be opened to go on with the first record that was not pushed yet. Exact at any time between two calls: also behind an
    /// `emit` that stopped because `out` was full, and before anything was fetched. A record that was rejected counts as pushed.
    fn position(&self) -> Self::Split;

    /// A checkpoint holds the present position. Must not wait.
    fn on_snapshot(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// A checkpoint is complete: the job will not go back behind it. Must not wait. Not every one is told: what is true of a checkpoint is true of
    /// those before it.
    fn on_complete(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// A checkpoint was given up; a later one takes its place.
    fn on_abort(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }
}

/// What a fetch brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    /// There are records to emit.
    Data,
    /// The split has been read to its end.
    EndOfSplit,
}

/// How much of what was fetched has been pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emitted {
    /// Everything: fetch again.
    All,
    /// Not everything: `out` was full.
    Some,
}

/// Where a reader pushes records, and what it could not read; asks for a pause by [`Emit::is_full`].
pub struct Emit<'a, T: Record, N: Push<T>> {
    next: &'a mut N,
    rejects: &'a mut dyn Rejects,
    records: u64,
    bytes: u64,
    /// How many records there may be before a pause.
    limit: u64,
    record: PhantomData<fn(T)>,
}

/// How many records a source pushes before its task looks around (flushes what is due, makes watermarks, yields).
pub(crate) const EMIT_RECORDS_LIMIT: u64 = 4096;

/// What becomes of bad records.
pub(crate) trait Rejects {
    /// True if they are told in full, and not only counted.
    fn tells(&self) -> bool;
    fn reject(&mut self, bad: BadRecordView<'_>) -> Result<(), Failure>;
    fn is_full(&self) -> bool;
}

impl<'a, T: Record, N: Push<T>> Emit<'a, T, N> {
    pub(crate) fn new(next: &'a mut N, rejects: &'a mut dyn Rejects) -> Self {
        let limit = if rejects.is_full() { 0 } else { EMIT_RECORDS_LIMIT };
        Self { next, rejects, records: 0, bytes: 0, limit, record: PhantomData }
    }

    /// True if no more should be pushed for now.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.records >= self.limit || self.next.is_full()
    }

    /// Puts out a record. `at` counts only in a source with event time of its own.
    #[inline(always)]
    pub fn push(&mut self, record: T::View<'_>, at: Timestamp) {
        self.records += 1;
        self.next.push(record, at);
    }

    /// Puts out records that lie in memory, in their order, until no more should be pushed. Says how many of them that were. `time` counts as in [`push`](Self::push).
    #[inline(always)]
    pub fn push_all(&mut self, records: &[T], mut time: impl FnMut(&T) -> Timestamp) -> usize {
        for (pushed, record) in records.iter().enumerate() {
            if self.is_full() {
                return pushed;
            }
            read_ahead(record);
            self.push(record.view(), time(record));
        }
        records.len()
    }

    /// Hands over what should have been a record and is none. Sources that do so implement [`RejectsRecords`].
    ///
    /// # Errors
    ///
    /// The failure that the job has to end with, unless it says what else is to become of such records.
    #[cold]
    pub fn reject(&mut self, bad: BadRecordView<'_>) -> Result<(), Failure> {
        self.rejects.reject(bad)?;
        // Counted as a record would be, so that what is bad from end to end is no reason never to look around.
        self.limit = if self.rejects.is_full() { 0 } else { self.limit.saturating_sub(1) };
        Ok(())
    }

    /// False if rejected records are only counted: then what is costly to find out about them may be left empty.
    pub fn tells_rejects(&self) -> bool {
        self.rejects.tells()
    }

    /// Counts bytes that were read.
    #[inline(always)]
    pub fn count_bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Records and bytes since this was made.
    pub(crate) fn counted(&self) -> (u64, u64) {
        (self.records, self.bytes)
    }
}
