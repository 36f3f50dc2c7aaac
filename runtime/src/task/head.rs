//! Heads: what may wait. Every chain has one, and it decides when the records of a batch are taken.

use std::{any::Any, ops::Range};

use millstream_core::{
    buffer::{Buffer, Records},
    record::Record,
    time::Timestamp,
};

use crate::{
    failure::Failure,
    operator::{Stage, Wait},
};

/// How far a head came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The batch has been read to its end, and nothing is pending.
    Consumed,
    /// The output is full; poll again when it is ready.
    NeedsOutput,
    /// Something outside is awaited: await [`Head::wait`], then poll again.
    Waiting,
    /// A bounded step is done and there is more to do: poll again after a look around.
    MoreWork,
    /// A bounded step is done and there is more to do; but the batch has been read to its end, and what waits may come first, once the output has room. Only
    /// where [`TaskContext::barrier_waits`].
    Interrupted,
    /// The batch has been read to its end. Something outside is awaited still, but whatever comes next may be given to the head: poll again then, or when
    /// [`Head::wait`] is over. Not behind the last watermark: the last checkpoint has all that is put out.
    InFlight,
    /// A source has come to its end.
    Finished,
}

/// What is left of work in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Background {
    /// Nothing.
    Done,
    /// A further step can be taken at once.
    More,
    /// A further step can be taken a little later: something is full that others empty.
    Later,
}

/// The head of a chain: state, timers, windows, sources and asynchronous operators are heads.
///
/// The task calls [`Head::poll`] after every signal, with an empty cursor, until it answers `Consumed` or `InFlight`; until then it gives the head no other batch
/// and no other signal but ticks. So a head that has work pending (a large firing) may put it off in bounded steps. While a barrier waits it may let what comes
/// in between by answering `Interrupted`: then its state says at any barrier how far it has come.
pub trait Head: Stage {
    /// Takes records from where the cursor stands, and does what is pending.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn poll(&mut self, cx: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure>;

    /// True if its state at a barrier would cover all records up to the cursor and none behind it. False in the middle of a record, a part of whose results is put
    /// out: a barrier that overtakes waits until there is room for the rest.
    fn is_between_records(&self) -> bool {
        true
    }

    /// Waits for what `poll` said it waits for. Cancel safe: the task drops the future when a timer or a flush is due and asks again.
    fn wait(&mut self) -> Wait<'_> {
        Box::pin(std::future::pending())
    }

    /// Gets state back from the checkpoint that the job goes on from; called once, before anything else. Cancel safe: dropped only when the job is cancelled or
    /// has failed.
    fn restore(&mut self) -> Wait<'_> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Takes a bounded step of what need not be done in order with the records, such as copying rows of a snapshot; called after each step of the task. The
    /// pace is up to the head; a task that has nothing else to do calls until nothing is left.
    fn background(&mut self) -> Background {
        Background::Done
    }

    /// True if it should take no records for a short while, since its keyed state has more to write to files than it should.
    fn is_held_up(&mut self) -> bool {
        false
    }

    /// What its keyed state takes in memory, in bytes. Asked for now and then, if the chain said that it has state; may take microseconds.
    fn state_bytes(&mut self) -> usize {
        0
    }

    /// The chain without this head, as a branch of the chain in front: a `Box<dyn Branch<T>>`. Only a head that does nothing but read is left out.
    #[doc(hidden)]
    fn into_branch(self: Box<Self>) -> Option<Box<dyn Any + Send>> {
        None
    }

    /// The processing time at which `poll` should be called though no input comes.
    fn timer(&self) -> Option<Timestamp> {
        None
    }
}

/// What a head may know of the moment.
#[derive(Debug, Clone, Copy)]
pub struct TaskContext {
    /// Processing time, as of the beginning of this step.
    pub wall: Timestamp,
    /// A barrier waits for what is pending, or for records before it.
    pub barrier_waits: bool,
}

/// A batch of records, or a part of it, and how far it has been read.
pub struct BatchCursor<'b> {
    batch: Option<&'b Buffer>,
    position: usize,
    /// Where it ends.
    end: usize,
}

impl TaskContext {
    /// What a head that is firing, and may be interrupted, answers to `poll`: if it has to be, it takes the batch meanwhile.
    pub(crate) fn interrupt(
        &self,
        firing: Option<Progress>,
        take: impl FnOnce() -> Result<Progress, Failure>,
    ) -> Result<Progress, Failure> {
        match firing {
            None => take(),
            // Where the output is full it goes on with what waits, as soon as there is room: its own results would fill it again.
            Some(Progress::MoreWork | Progress::NeedsOutput) if self.barrier_waits => match take()? {
                Progress::Consumed => Ok(Progress::Interrupted),
                progress => Ok(progress),
            },
            Some(progress) => Ok(progress),
        }
    }
}

impl<'b> BatchCursor<'b> {
    /// A cursor over the records of a batch with these numbers.
    pub fn new(batch: &'b Buffer, records: Range<usize>) -> Self {
        Self { batch: Some(batch), position: records.start, end: records.end }
    }

    /// A cursor without a batch.
    pub fn empty() -> Self {
        Self { batch: None, position: 0, end: 0 }
    }

    /// The port that the batch is for; `None` if there is no batch or nothing is left of it.
    pub fn port(&self) -> Option<u8> {
        self.batch.filter(|_| self.position < self.end).map(Buffer::port)
    }

    /// The records that are left, if there is a batch.
    ///
    /// # Panics
    ///
    /// If the batch is not of this record type.
    pub fn records<T: Record>(&self) -> Option<Records<'b, T>> {
        self.batch.map(|batch| batch.records(self.position).until(self.end))
    }

    /// The number of the next record.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Says how far the batch has been read; what is behind its end is its end.
    pub fn advance_to(&mut self, position: usize) {
        self.position = position.min(self.end);
    }
}

/// A chain's input as its type: one kind of record, or two on ports 0 and 1.
pub trait Ports: 'static {}

/// No input: a source.
#[derive(Debug)]
pub struct NoInput;
/// Records of one type, on port 0.
#[derive(Debug)]
pub struct One<T>(std::marker::PhantomData<fn(T)>);
/// Records of two types, on ports 0 and 1.
#[derive(Debug)]
pub struct Two<L, R>(std::marker::PhantomData<fn(L, R)>);

impl Ports for NoInput {}
impl<T: Record> Ports for One<T> {}
impl<L: Record, R: Record> Ports for Two<L, R> {}
