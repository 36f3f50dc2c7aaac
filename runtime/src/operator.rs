//! The contracts inside a chain: what is pushed, what travels beside the records, and what an operator must do.

use std::{fmt::Display, future::Future, pin::Pin};

use millstream_core::{key::Key, record::Record, time::Timestamp};
use millstream_state::manifest::ValuePart;

pub use millstream_core::outcome::{Each, Outcome, Perhaps, Several, Verdict, each};

pub use crate::annotated::{Annotated, AnnotatedAsync};
pub use crate::failure::{Failure, Location};
pub use crate::operators::opened::{Opened, WithResource};
pub use crate::task::context::OpenContext;
use crate::{
    checkpoint::{Barrier, subtask::StateAccess},
    env::Instant,
    graph::StateInfo,
    process::Sides,
};

/// Something to await; the one allocation of a wait, never made for a record.
pub type Wait<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// What travels down a chain in order with the records.
///
/// ```text
/// chain    = { record | Split | Watermark | Idle | Active | Tick | Barrier | Completed | Aborted } End
/// Split    = Hold | Release | Start | Switch | Done       only from a source to its watermark generator
/// ```
///
/// Watermarks never go back. After `Idle` come no records and no watermarks before `Active`. `End` follows the watermark
/// [`Timestamp::MAX`] and is the last thing that travels. Between the two a job with checkpoints makes its last one. `Completed` and `Aborted` stay in
/// their task and come at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// What a source says of its splits to the watermark generator behind it.
    Split(SplitSignal),
    /// No record with a timestamp at or before this will follow, but for late ones.
    Watermark(Timestamp),
    /// For now this input has nothing to say about event time.
    Idle,
    /// It has again.
    Active,
    /// The watermark interval has passed; the time on the wall.
    Tick(Timestamp),
    /// State as of here belongs to this checkpoint.
    Barrier(Barrier),
    /// The checkpoint of this number is complete: it is what a failure would lead back to.
    Completed(u64),
    /// The checkpoint of this number was given up.
    Aborted(u64),
    /// Nothing will follow.
    End,
}

impl Signal {
    /// True of a barrier that may overtake records: whoever sends it does not wait for credit first.
    pub(crate) fn hurries(self) -> bool {
        matches!(self, Self::Barrier(barrier) if barrier.patience.is_some())
    }
}

/// What happens to the splits of a source, for watermarks by split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitSignal {
    /// Bounded splits wait to be assigned: no watermark may pass.
    Hold,
    /// All splits are assigned.
    Release,
    /// Records of this split follow; a new one.
    Start(u64),
    /// Records of this split follow; one that was begun before.
    Switch(u64),
    /// No more records of this split.
    Done(u64),
}

/// The control side of everything in a chain. An operator passes each call on to what is behind it.
pub trait Stage: Send + 'static {
    /// Takes a signal, in order with the records.
    fn signal(&mut self, signal: Signal);

    /// True if nothing more should be pushed before [`Stage::ready`] was awaited: an output is out of credit, a sink's memory is full, or
    /// an operator has failed. Cheap enough to be asked for every record.
    fn is_full(&self) -> bool;

    /// Sends what is due: buffers whose receiver is idle or that are older than the buffer timeout. Returns when the next will be due.
    fn flush(&mut self, now: Instant) -> Option<Instant>;

    /// The task is about to wait for input: a sink that has something in memory says so by being full, so that it is written out first.
    fn idle(&mut self);

    /// Waits until more may be pushed.
    ///
    /// # Errors
    ///
    /// The failure of any operator since the last call.
    fn ready(&mut self) -> Wait<'_>;

    /// Closes operators and sinks after `End`; what was written is then ready to be committed.
    ///
    /// # Errors
    ///
    /// What an operator's `close` or a sink says.
    fn finish(&mut self) -> Wait<'_>;
}

/// The data side: takes records of one type. Stateless, fused, never waits.
pub trait Push<T: Record>: Stage {
    /// Takes a record. `at` is its event time; [`Timestamp::MIN`] in a stream without.
    fn push(&mut self, record: T::View<'_>, at: Timestamp);
}

/// The earlier of two optional due times, for stages with several outputs.
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Implements [`Stage`] by passing everything on to `self.next`; `except signal` leaves what it names to be written by hand, and `beside late` asks the optional
/// output `self.late`, too.
macro_rules! forward_stage {
    () => {
        fn signal(&mut self, signal: $crate::operator::Signal) {
            self.next.signal(signal)
        }
        $crate::operator::forward_stage!(except signal);
    };
    (except signal) => {
        fn flush(&mut self, now: $crate::env::Instant) -> Option<$crate::env::Instant> {
            self.next.flush(now)
        }
        $crate::operator::forward_stage!(except signal, flush);
    };
    (except signal, flush) => {
        #[inline(always)]
        fn is_full(&self) -> bool {
            self.next.is_full()
        }
        fn idle(&mut self) {
            self.next.idle()
        }
        fn ready(&mut self) -> $crate::operator::Wait<'_> {
            self.next.ready()
        }
        fn finish(&mut self) -> $crate::operator::Wait<'_> {
            self.next.finish()
        }
    };
    (except signal, beside late) => {
        fn is_full(&self) -> bool {
            self.next.is_full() || self.late.as_ref().is_some_and($crate::operator::Stage::is_full)
        }
        fn flush(&mut self, now: $crate::env::Instant) -> Option<$crate::env::Instant> {
            let late = self.late.as_mut().and_then(|late| late.flush(now));
            $crate::operator::earliest(late, self.next.flush(now))
        }
        fn idle(&mut self) {
            self.next.idle()
        }
        fn ready(&mut self) -> $crate::operator::Wait<'_> {
            Box::pin(async {
                if let Some(late) = &mut self.late {
                    late.ready().await?;
                }
                self.next.ready().await
            })
        }
        fn finish(&mut self) -> $crate::operator::Wait<'_> {
            Box::pin(async {
                if let Some(late) = &mut self.late {
                    late.finish().await?;
                }
                self.next.finish().await
            })
        }
    };
}
pub(crate) use forward_stage;

/// An operator on single records, fused into its chain. `#[map]`, `#[filter]`, `#[flat_map]` and `#[filter_map]` implement it for a
/// function; `.then(op)` puts it into a stream. Each subtask works on a clone of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an operator on records of type `{T}`",
    label = "not an operator on `{T}`",
    note = "`.then(..)` takes a function annotated with `#[map]`, `#[filter]`, `#[flat_map]` or `#[filter_map]` whose argument is the view of `{T}`; closures go to `.map(..)`, `.filter(..)` and so on; async functions go to `.then_async(..)`"
)]
pub trait Operator<T: Record>: Clone + Send + 'static {
    /// What it puts out.
    type Out: Record;
    /// Why it may reject a record; [`Infallible`](std::convert::Infallible) if it never does.
    type Error: Display + Send + 'static;
    /// `map`, `filter` ..
    const KIND: &'static str;
    /// False if [`Operator::watermark`] never fails: then a chain of operators that cannot fail has nothing to ask for after each record.
    const WATERMARK_MAY_FAIL: bool = true;

    /// What messages, metrics and plans call it: the function's name.
    fn name(&self) -> &'static str {
        Self::KIND
    }

    /// Where it is written.
    fn location(&self) -> Option<Location> {
        None
    }

    /// Its side outputs, if it has any: those that [`HasSides`](crate::process::HasSides) gives. They take part in what travels down the chain.
    fn sides(&mut self) -> Option<&mut dyn Sides> {
        None
    }

    /// True if one of its side outputs is full; asked for every record.
    #[inline(always)]
    fn sides_full(&self) -> bool {
        false
    }

    /// What it keeps between records, as lists of values; nothing, unless it says otherwise.
    fn states(&self) -> Vec<StateInfo> {
        Vec::new()
    }

    /// Gets back what it kept, before it is opened; called only if there are [`Operator::states`].
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn restore(&mut self, access: &StateAccess) -> Result<(), Failure> {
        let _ = access;
        Ok(())
    }

    /// What it keeps, for a checkpoint; called only if there are [`Operator::states`].
    ///
    /// # Errors
    ///
    /// A failure declines the checkpoint.
    fn snapshot(&self, access: &StateAccess) -> Result<Vec<ValuePart>, Failure> {
        let _ = access;
        Ok(Vec::new())
    }

    /// Called once before the first record, on the subtask's own clone.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn open(&mut self, cx: &OpenContext<'_>) -> Result<(), Failure> {
        let _ = cx;
        Ok(())
    }

    /// Takes a record and pushes any number of results.
    ///
    /// # Errors
    ///
    /// An error rejects the record; what then happens is the operator's policy (fail, skip, divert). Results already pushed stay.
    fn process<N: Push<Self::Out>>(
        &mut self,
        record: T::View<'_>,
        at: Timestamp,
        out: &mut N,
    ) -> Result<(), Self::Error>;

    /// Learns of a watermark before it is passed on, and may push results that come before it. At the end of the input it is [`Timestamp::MAX`].
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn watermark<N: Push<Self::Out>>(&mut self, at: Timestamp, out: &mut N) -> Result<(), Failure> {
        let _ = (at, out);
        Ok(())
    }

    /// A barrier passes: what was put out before it belongs to this checkpoint.
    fn on_snapshot(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// A checkpoint is complete. Called between two records; not every checkpoint is told of, and what holds for one holds for those before it.
    fn on_complete(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// A checkpoint was given up. Called between two records.
    fn on_abort(&mut self, checkpoint: u64) {
        let _ = checkpoint;
    }

    /// Called once after the last record of a job that ends well.
    ///
    /// # Errors
    ///
    /// A failure fails the job.
    fn close(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// A key selector: `#[key]` implements it for a function that may borrow from the record; `.key_with(f)` uses it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not select a key of records of type `{T}`",
    label = "not a key function of `{T}`",
    note = "`.key_with(..)` takes a function annotated with `#[key]` whose argument is the view of `{T}`; a closure goes to `.key_by(..)`"
)]
pub trait KeyFn<T: Record>: Clone + Send + 'static {
    /// What it selects.
    type Key: Key;

    /// What messages and plans call it: the function's name.
    fn name(&self) -> &'static str {
        ""
    }

    /// Hands the view of the record's key to `then`. In this form a key may borrow from the record or be made on the spot.
    fn with<R>(&self, record: T::View<'_>, then: impl FnOnce(<Self::Key as Record>::View<'_>) -> R) -> R;
}

/// What a function in a job must be besides callable: each subtask works on a clone, on another thread.
#[diagnostic::on_unimplemented(
    message = "this function cannot be sent to the subtasks of a job",
    label = "captures something that is not `Send`, not `Clone`, or borrowed",
    note = "each subtask calls a clone of its own on another thread: capture owned values with `move`, `Arc` instead of `Rc`, an atomic or a metric instead of `Cell`"
)]
pub trait Shippable: Clone + Send + 'static {}
#[diagnostic::do_not_recommend]
impl<F: Clone + Send + 'static> Shippable for F {}
