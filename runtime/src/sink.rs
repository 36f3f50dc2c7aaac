//! Sinks: writers write, a committer makes what they wrote visible. A sink of which nothing has to be committed uses [`NoCommit`]; one that gets an id of its own is in
//! a [`WithUid`].

use std::future::Future;

use millstream_core::{record::Record, time::Timestamp};

pub use crate::source::ConnectorContext as SinkContext;
use crate::{env::Instant, failure::Failure, stream::Guarantee};

/// Where records go.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink",
    label = "not a sink",
    note = "`.sink(..)` takes a connector such as `CsvFiles::write(\"out\")` or `print()`, or a type of yours that implements `Sink`"
)]
pub trait Sink: Send + Sync + 'static {
    /// What it takes.
    type In: Record;
    /// What it can promise in a job with checkpoints: [`ExactlyOnce`](crate::stream::ExactlyOnce) if it is *transactional*, so that what it writes can be seen
    /// when it is committed and not before, or *idempotent*, so that what is written again takes the place of what was there;
    /// [`AtLeastOnce`](crate::stream::AtLeastOnce) if it is only sure that every record has been written when [`SinkWriter::prepare`] is done;
    /// [`BestEffort`](crate::stream::BestEffort) if it is not.
    type Guarantee: Guarantee;
    /// What a writer hands over to be committed: a record, since it becomes part of checkpoints.
    type Committable: Record;
    /// Writes; one per subtask.
    type Writer: SinkWriter<In = Self::In, Committable = Self::Committable>;
    /// Commits.
    type Committer: Committer<Committable = Self::Committable, State = StateOf<Self>>;

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
    /// Makes the writer of a subtask. Must not block: what has to be read or cut off is left to the first flush.
    ///
    /// `restored` is what writers kept open at the checkpoint that the job goes on from ([`Prepared::state`]), dealt out to the subtasks that there
    /// are now: each state goes to one writer, whoever made it. It is empty where a job begins.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn writer(&self, cx: &SinkContext, restored: Vec<StateOf<Self>>) -> Result<Self::Writer, Failure>;
    /// Makes the committer. Must not block. Besides the one of the job, which has the last word, each subtask makes one if its writer hands
    /// something over early ([`SinkWriter::take_early`]).
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn committer(&self, cx: &SinkContext) -> Result<Self::Committer, Failure>;

    /// The id under which a job finds again what belongs to this sink when it goes on from a checkpoint: `.sink(TextFiles::write("out").uid("lines"))`. Otherwise it
    /// is found by the sink's name, and two sinks of a job may not have the same.
    fn uid(self, uid: &str) -> WithUid<Self>
    where
        Self: Sized,
    {
        WithUid { sink: self, uid: uid.to_owned() }
    }

    /// What [`Sink::uid`] says.
    #[doc(hidden)]
    fn given_uid(&self) -> Option<&str> {
        None
    }
}

/// A sink with an id of its own. See [`Sink::uid`].
#[derive(Debug, Clone)]
pub struct WithUid<S> {
    sink: S,
    uid: String,
}

#[diagnostic::do_not_recommend]
impl<S: Sink> Sink for WithUid<S> {
    type In = S::In;
    type Guarantee = S::Guarantee;
    type Committable = S::Committable;
    type Writer = S::Writer;
    type Committer = S::Committer;

    fn name(&self) -> String {
        self.sink.name()
    }

    fn check(&self, cx: &SinkContext) -> Result<(), Failure> {
        self.sink.check(cx)
    }

    fn writer(&self, cx: &SinkContext, restored: Vec<StateOf<Self>>) -> Result<Self::Writer, Failure> {
        self.sink.writer(cx, restored)
    }

    fn committer(&self, cx: &SinkContext) -> Result<Self::Committer, Failure> {
        self.sink.committer(cx)
    }

    fn given_uid(&self) -> Option<&str> {
        Some(&self.uid)
    }
}

/// What the writers of a sink keep open across checkpoints.
pub type StateOf<S> = <<S as Sink>::Writer as SinkWriter>::State;

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
    /// Work that stays open across checkpoints, as a file that is written on behind one: enough to go on with it from the checkpoint. `()` if there is none.
    type State: Record;

    /// `flush` and `prepare` may be dropped wherever they wait, and are called again; and `prepare` hands over what is not written as [`Prepared::state`] rather than wait
    /// until it is. Then a checkpoint whose barriers overtake records need not wait for a sink that stands still, either.
    const INTERRUPTIBLE: bool = false;

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
    /// Dropped only when the job is cancelled or has failed, unless it is [`INTERRUPTIBLE`](SinkWriter::INTERRUPTIBLE).
    fn flush(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Hands over what should be committed now, before the job has ended; asked for after each flush of a job without checkpoints
    /// ([`SinkContext::checkpoints`]). What is not taken here is handed over by `prepare`, which is all that a job with checkpoints asks.
    fn take_early(&mut self) -> Vec<Self::Committable> {
        Vec::new()
    }

    /// Writes out every record that it was given, so that it survives a crash of the machine, and hands over what has to be committed. Called at
    /// every barrier of a job with checkpoints, at the last one with [`Prepare::last`]; without checkpoints once, after the last record.
    ///
    /// What it returns is part of the checkpoint. Only when that is complete the committables are committed: more records may come, and more
    /// checkpoints may begin, before they are. If the job goes back to it, writers begin with its states, and what was written after it
    /// must not be seen: [`Committer::recover`] removes it, or a restored writer cuts it off.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    ///
    /// # Cancel safety
    ///
    /// As for [`SinkWriter::flush`].
    fn prepare(
        &mut self,
        at: Prepare,
    ) -> impl Future<Output = Result<Prepared<Self::Committable, Self::State>, Failure>> + Send;

    /// A checkpoint that it has prepared is complete, and is being committed. Called between two records; must not wait. Not every one is told: what is true
    /// of a checkpoint is true of those before it.
    fn on_complete(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// A checkpoint that it has prepared was given up. Nothing is taken back: what it handed over is committed with the next one.
    fn on_abort(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }
}

/// What a writer prepares for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepare {
    /// The number of the checkpoint, from 1; 0 in a job without checkpoints.
    pub checkpoint: u64,
    /// True if no record will follow.
    pub last: bool,
    /// True if nothing may stay open: what the checkpoint holds may be gone on from elsewhere, where that would not be found.
    pub close: bool,
}

impl Prepare {
    /// The end of a job without checkpoints.
    pub const END: Self = Self { checkpoint: 0, last: true, close: true };
}

/// What a writer has prepared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared<C, S = ()> {
    /// What is to be committed.
    pub committables: Vec<C>,
    /// What stays open. Empty at the last checkpoint, where everything is to be closed, and without checkpoints.
    pub state: Vec<S>,
}

impl<C, S> Prepared<C, S> {
    /// Nothing stays open.
    pub fn closed(committables: Vec<C>) -> Self {
        Self { committables, state: Vec::new() }
    }
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
    /// What the writers keep open.
    type State: Record;

    /// An attempt of a job with checkpoints begins, and no writer exists yet: removes what attempts before it have left and the job will not come back to,
    /// that is everything written that is not visible and neither in `committables` nor in `states`. Those are what the checkpoint holds that the job
    /// goes on from; the committables are committed right afterwards, whether they were before or not. Both are empty where a job begins.
    ///
    /// # Errors
    ///
    /// A failure fails the attempt.
    fn recover(
        &mut self,
        committables: &[Self::Committable],
        states: &[Self::State],
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// True if something is visible that checkpoints after the one of this number have put out: where a job begins with a savepoint, it would become visible twice. False
    /// where nobody knows.
    ///
    /// # Errors
    ///
    /// A failure fails the attempt.
    fn has_since(&mut self, after: u64) -> impl Future<Output = Result<bool, Failure>> + Send {
        let _ = after;
        std::future::ready(Ok(false))
    }

    /// The job goes on from an older checkpoint than its last one, which cannot be read any more: takes back what was made visible by checkpoints after the
    /// one of this number, so that it does not become visible twice. What `committables` and `states` name is needed again. Called before
    /// [`Committer::recover`]; must be idempotent. False if the sink cannot: then a job that promises exactly once does not go back.
    ///
    /// # Errors
    ///
    /// A failure fails the attempt.
    fn take_back(
        &mut self,
        after: u64,
        committables: &[Self::Committable],
        states: &[Self::State],
    ) -> impl Future<Output = Result<bool, Failure>> + Send {
        let _ = (after, committables, states);
        std::future::ready(Ok(false))
    }

    /// Makes it visible. `last` is true if the job has ended well and nothing will follow. Must be idempotent: after a crash the same
    /// committables come again, and what is visible already is done. What is neither there to be made visible nor visible is an error.
    /// Several committers of a run without checkpoints may commit at the same time, each its own.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn commit(&mut self, what: Vec<Self::Committable>, last: bool) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The job has failed or was cancelled and nothing of it can be resumed, since it has no checkpoint: removes what was written and not committed, as far
    /// as that is possible. Only the committer of the job is told, after all writers are gone.
    ///
    /// A job with a complete checkpoint is never told, even if it fails for good: what that checkpoint needs is kept, so that the job can be
    /// resumed from it.
    fn abort(&mut self) -> impl Future<Output = ()> + Send;
}

/// The committer of a sink of which nothing has to be committed.
#[derive(Debug, Clone, Copy)]
pub struct NoCommit;

impl Committer for NoCommit {
    type Committable = ();
    type State = ();
    async fn recover(&mut self, _: &[()], _: &[()]) -> Result<(), Failure> {
        Ok(())
    }
    async fn commit(&mut self, _: Vec<()>, _: bool) -> Result<(), Failure> {
        Ok(())
    }
    async fn abort(&mut self) {}
}
