//! [`Unit`]: a record, or a batch of them, from its arrival until its answers are put out.

use std::{fmt, task::Waker};

use millstream_core::{
    packed::{Packed, Packer},
    record::Record,
    time::Timestamp,
};

use super::{
    alarms::{Alarm, Due},
    calling::{Calling, place},
    function::{AsyncError, AsyncFunction},
};
use crate::{env::Instant, failure::Failure};

/// What a record has been answered.
pub(super) type Answered<F> = Result<<F as AsyncFunction>::Answer, AsyncError<<F as AsyncFunction>::Error>>;

/// How far a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The place is free.
    Free,
    /// A batch that takes further records.
    Forming,
    /// Waits for the unit before it of its key.
    Queued,
    /// Waits until its call may be made: by the rate, or since it has failed.
    Resting,
    /// A call is in flight.
    Asked,
    /// All its records have their answers.
    Answered,
}

/// Records on their way through an async operator. Its place is used again for others, with the memory it has.
pub(super) struct Unit<F: AsyncFunction> {
    pub(super) state: State,
    /// Units are numbered in the order in which they came.
    pub(super) sequence: u64,
    pub(super) records: Packed<F::In>,
    pub(super) times: Vec<Timestamp>,
    /// One for each record; `None` while there is none.
    pub(super) answers: Vec<Option<Answered<F>>>,
    /// What their requests are in the cache, if there is one; empty where the answer comes from there.
    pub(super) cached_as: Vec<Box<[u8]>>,
    /// The one record that is asked for, since a call for all has not answered it; otherwise the call is for all without an answer.
    pub(super) alone: Option<usize>,
    /// How many calls have begun for the records that are asked for.
    pub(super) attempts: u32,
    /// How many of them were for the records of the batch together; others are for one alone.
    pub(super) together: u32,
    /// No further attempt is made, whatever the options say.
    pub(super) is_last_attempt: bool,
    /// What the attempt before said.
    pub(super) before: Option<F::Error>,
    /// When the first call began.
    pub(super) began: Option<Instant>,
    /// The hash of its key, where calls wait for each other by key.
    pub(super) key: u64,
    pub(super) call: Box<dyn Calling<F>>,
    pub(super) waker: Waker,
}

impl<F: AsyncFunction> Unit<F> {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            state: State::Free,
            sequence: 0,
            records: Packed::default(),
            times: Vec::new(),
            answers: Vec::new(),
            cached_as: Vec::new(),
            alone: None,
            attempts: 0,
            together: 0,
            is_last_attempt: false,
            before: None,
            began: None,
            key: 0,
            call: place::<F>(),
            waker,
        }
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// If it is too large; then it is not added.
    pub(super) fn add(
        &mut self,
        packer: &mut Packer,
        record: <F::In as Record>::View<'_>,
        at: Timestamp,
        answer: Option<Answered<F>>,
        cached_as: Option<Box<[u8]>>,
    ) -> Result<(), Failure> {
        self.records.push(packer, record).map_err(|error| Failure::new(error.to_string()))?;
        self.times.push(at);
        self.answers.push(answer);
        self.cached_as.push(cached_as.unwrap_or_default());
        Ok(())
    }

    /// True if an alarm is for what the unit waits for.
    pub(super) fn awaits(&self, alarm: &Alarm) -> bool {
        self.sequence == alarm.sequence
            && match alarm.due {
                Due::Timeout => matches!(self.state, State::Asked | State::Resting),
                Due::Attempt(attempt) => self.state == State::Asked && self.attempts == attempt,
                Due::Begin | Due::Next => self.state == State::Resting,
                Due::Linger => self.state == State::Forming,
            }
    }

    /// Forgets what it was used for.
    pub(super) fn clear(&mut self) {
        self.state = State::Free;
        self.records.clear();
        self.times.clear();
        self.answers.clear();
        self.cached_as.clear();
        (self.alone, self.before, self.began) = (None, None, None);
        (self.attempts, self.together, self.is_last_attempt) = (0, 0, false);
    }

    /// The records that the next call is for: those without an answer, or one of them.
    pub(super) fn open(&self) -> impl Iterator<Item = (<F::In as Record>::View<'_>, Timestamp)> {
        let records = self.records.iter().zip(&self.times).zip(&self.answers).enumerate();
        let alone = self.alone;
        records.filter_map(move |(index, ((record, at), answer))| {
            let is_asked = answer.is_none() && alone.is_none_or(|alone| alone == index);
            is_asked.then_some((record, *at))
        })
    }

    /// The number of the first record without an answer.
    pub(super) fn first_open(&self) -> Option<usize> {
        self.answers.iter().position(Option::is_none)
    }

    /// Gives the records that the call was for their answers; a record whose answer is `None` stays open.
    pub(super) fn answer(&mut self, mut answers: impl Iterator<Item = Option<Answered<F>>>) {
        let alone = self.alone;
        for (index, answer) in self.answers.iter_mut().enumerate() {
            if answer.is_none() && alone.is_none_or(|alone| alone == index) {
                *answer = answers.next().flatten();
            }
        }
    }
}

impl<F: AsyncFunction> fmt::Debug for Unit<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unit").field("state", &self.state).field("records", &self.records.len()).finish_non_exhaustive()
    }
}
