//! [`AsyncFunction`]: what `#[async_map]`, `#[async_filter]` and `#[async_flat_map]` implement.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use millstream_core::{record::Record, time::Timestamp};

use super::options::AsyncOptions;
use crate::{failure::Location, operator::Push};

/// An async function on records that borrows a client which its subtask has opened.
///
/// Its parts are functions of the type rather than methods where futures are made: a future then borrows from nothing but what it owns itself, and has a type of its own that no lifetime is part of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async function on records",
    label = "not an async function",
    note = "put `#[async_map]`, `#[async_filter]` or `#[async_flat_map]` on an `async fn` whose last parameter is the record: `async fn priced(desk: &Desk, trade: Trade) -> Result<Trade, DeskError>`"
)]
pub trait AsyncFunction: Clone + Send + Sync + 'static {
    /// What it takes.
    type In: Record;
    /// What it puts out.
    type Out: Record;
    /// What its subtask opens, and all calls borrow.
    type Client: Send + Sync + 'static;
    /// What a call is told of a record. Records that ask for the same have the same answer in the cache.
    type Request: Record;
    /// What a call takes: one request, or all of a batch.
    type Requests: Requests<Self::Request>;
    /// What a call gives for a record.
    type Answer: Send + 'static;
    /// Why it may fail.
    type Error: fmt::Display + Send + 'static;
    /// Which calls wait for each other: [`Together`] or [`KeyByKey`].
    type Queue;
    /// `async_map`, `async_filter` ..
    const KIND: &'static str;
    /// The function's name.
    const NAME: &'static str;
    /// Where it is written.
    const LOCATION: Location;
    /// What its attribute says.
    const OPTIONS: AsyncOptions;

    /// What is asked for a record.
    fn request(&self, record: <Self::In as Record>::View<'_>, at: Timestamp) -> Self::Request;

    /// Makes a call.
    fn call(
        client: Arc<Self::Client>,
        requests: Self::Requests,
    ) -> impl Future<Output = Answers<Self::Answer, Self::Error>> + Send + 'static;

    /// Puts out what the answer makes of the record.
    fn put_out<'a, N: Push<Self::Out>>(
        answer: &'a Self::Answer,
        record: <Self::In as Record>::View<'a>,
        at: Timestamp,
        out: &mut N,
    );

    /// The answer once more, for the cache.
    fn copy(answer: &Self::Answer) -> Self::Answer;

    /// True if the call should be made again.
    fn wants_retry(answer: Result<&Self::Answer, &Self::Error>) -> bool {
        answer.is_err()
    }

    /// What counts as the answer if there was none in time; `None` rejects the record.
    fn fallback(request: Self::Request) -> Option<Result<Self::Answer, Self::Error>> {
        let _ = request;
        None
    }
}

/// No call waits for another.
#[derive(Debug)]
pub struct Together;

/// Calls of one key wait for each other: for functions on keyed streams.
#[derive(Debug)]
pub struct KeyByKey;

/// What a call takes.
pub trait Requests<R>: Send + 'static {
    /// The requests of some records, of one or more.
    fn of(requests: impl Iterator<Item = R>) -> Self;
}

/// A call for one record.
#[derive(Debug)]
pub struct OneRequest<R>(pub R);

impl<R: Send + 'static> Requests<R> for OneRequest<R> {
    fn of(mut requests: impl Iterator<Item = R>) -> Self {
        Self(requests.next().expect("a call is for a record"))
    }
}

impl<R: Send + 'static> Requests<R> for Vec<R> {
    fn of(requests: impl Iterator<Item = R>) -> Self {
        requests.collect()
    }
}

/// What a call gives.
#[derive(Debug)]
pub enum Answers<A, E> {
    /// For the one record it was for.
    One(Result<A, E>),
    /// For each record of a batch, in their order.
    Each(Vec<Result<A, E>>),
    /// The call for the whole batch has failed.
    None(E),
}

/// Why a record has no answer.
#[derive(Debug)]
pub enum AsyncError<E> {
    /// The last attempt has failed.
    Failed {
        /// What it said.
        error: E,
        /// How many attempts there were.
        attempts: u32,
    },
    /// There was no answer in time.
    TimedOut {
        /// How long was waited, all attempts included.
        after: Duration,
        /// How many attempts had begun.
        attempts: u32,
        /// What the attempt before the last said, if there was one.
        before: Option<E>,
    },
    /// A call for a batch gave another number of answers than there were records.
    Count {
        /// How many answers.
        answers: usize,
        /// How many records.
        records: usize,
    },
}

impl<E: fmt::Display> fmt::Display for AsyncError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { error, attempts } => write!(f, "attempt {attempts} of {attempts} failed: {error}"),
            Self::TimedOut { after, attempts, before } => {
                write!(f, "no answer within {after:?}, in attempt {attempts}")?;
                before.iter().try_for_each(|error| write!(f, "; the attempt before failed: {error}"))
            }
            Self::Count { answers, records } => {
                write!(
                    f,
                    "the call gave {answers} answers for a batch of {records} records: it is to give one for each, in their order"
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_how_often_it_was_tried() {
        let text = |error: AsyncError<&str>| error.to_string();
        assert_eq!(text(AsyncError::Failed { error: "closed", attempts: 1 }), "attempt 1 of 1 failed: closed");
        assert_eq!(text(AsyncError::Failed { error: "closed", attempts: 3 }), "attempt 3 of 3 failed: closed");
        let after = Duration::from_secs(2);
        assert_eq!(
            text(AsyncError::TimedOut { after, attempts: 1, before: None }),
            "no answer within 2s, in attempt 1"
        );
        assert_eq!(
            text(AsyncError::TimedOut { after, attempts: 2, before: Some("closed") }),
            "no answer within 2s, in attempt 2; the attempt before failed: closed"
        );
        assert!(text(AsyncError::Count { answers: 1, records: 2 }).contains("gave 1 answers for a batch of 2 records"));
    }
}
