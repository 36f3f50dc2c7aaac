//! The head that makes calls for records, and puts their answers out.

use std::{collections::VecDeque, future::poll_fn, sync::Arc};

use millstream_core::{record::Record, time::Timestamp};

use super::{
    flight::{Admitted, Flight},
    function::{AsyncError, AsyncFunction},
    line::Turn,
    plan::{CloseClient, InTurn},
    state,
    unit::Answered,
};
use crate::{
    checkpoint::subtask::StateAccess,
    env::{Env, Instant},
    failure::Failure,
    graph::OperatorInfo,
    operator::{Push, Signal, Stage, Wait, earliest},
    operators::fused::Handler,
    task::{
        contain::Guard,
        head::{BatchCursor, Head, Progress, TaskContext},
    },
};

/// How many records, answers and alarms a step looks at.
const STEPS_LIMIT: usize = 512;

const ALL_ANSWERED: &str = "a unit is put out when all its records have their answers";

/// Makes calls for records.
pub struct AsyncHead<F: AsyncFunction, K, H, N> {
    pub(super) flight: Flight<F>,
    pub(super) turn: K,
    pub(super) handler: H,
    pub(super) access: StateAccess,
    pub(super) env: Arc<dyn Env>,
    pub(super) info: Arc<OperatorInfo>,
    pub(super) close: Option<Arc<CloseClient<F::Client>>>,
    /// Records of the checkpoint that the job goes on from, for which calls have not begun yet.
    pub(super) restored: VecDeque<(F::In, Timestamp)>,
    /// The last watermark has come: what is in flight is put out before the last checkpoint.
    pub(super) is_ending: bool,
    pub(super) next: N,
}

impl<F, K, H, N> AsyncHead<F, K, H, N>
where
    F: AsyncFunction,
    K: InTurn<F::In>,
    H: Handler<F::In, AsyncError<F::Error>>,
    N: Push<F::Out>,
{
    /// Begins calls for records that were in flight at the checkpoint, and then for those of the batch, as long as there is room.
    fn take(&mut self, input: &mut BatchCursor<'_>, steps: usize, now: Instant) -> Result<Progress, Failure> {
        for _ in 0..steps {
            if self.is_full() {
                return Ok(Progress::NeedsOutput);
            }
            if !self.flight.has_room() {
                return Ok(Progress::Waiting);
            }
            if let Some((record, at)) = self.restored.pop_front() {
                let admitted = self.flight.admit(record.view(), at, self.turn.of(record.view()), now)?;
                if let Admitted::Answered(answered) = admitted {
                    put_out::<F, _>(&answered, record.view(), at, &mut self.next);
                    reject::<F, H>(answered, record.view(), at, &mut self.handler)?;
                }
                continue;
            }
            let Some(records) = input.records::<F::In>().filter(|records| records.position() < records.len()) else {
                return Ok(match self.flight.is_empty() {
                    true => Progress::Consumed,
                    false if self.is_ending => Progress::Waiting,
                    false => Progress::InFlight,
                });
            };
            let position = records.position();
            let (record, at) = (records.get(position), records.time(position));
            if let Admitted::Answered(answered) = self.flight.admit(record, at, self.turn.of(record), now)? {
                put_out::<F, _>(&answered, records.get(position), at, &mut self.next);
                reject::<F, H>(answered, record, at, &mut self.handler)?;
            }
            input.advance_to(position + 1);
        }
        Ok(Progress::MoreWork)
    }

    /// Puts out what may be put out, as long as there is room for it.
    fn put_out(&mut self) -> Result<(), Failure> {
        while !self.is_full()
            && let Some(turn) = self.flight.next()
        {
            match turn {
                Turn::Signal(signal) => self.pass_on(signal),
                Turn::Request(request) => {
                    self.put_out_unit(request)?;
                    self.flight.put_out(request);
                }
            }
        }
        Ok(())
    }

    fn put_out_unit(&mut self, request: u32) -> Result<(), Failure> {
        let Self { flight, next, handler, .. } = self;
        let unit = flight.unit(request);
        for ((record, at), answer) in unit.records.iter().zip(&unit.times).zip(&unit.answers) {
            put_out::<F, _>(answer.as_ref().expect(ALL_ANSWERED), record, *at, next);
        }
        for ((record, at), answer) in unit.records.iter().zip(&unit.times).zip(unit.answers.drain(..)) {
            reject::<F, H>(answer.expect(ALL_ANSWERED), record, *at, handler)?;
        }
        Ok(())
    }

    fn pass_on(&mut self, signal: Signal) {
        self.handler.signal(signal);
        self.next.signal(signal);
    }
}

/// Puts out what the answer makes of a record, if it has one.
#[inline]
fn put_out<'a, F, N>(answered: &'a Answered<F>, record: <F::In as Record>::View<'a>, at: Timestamp, out: &mut N)
where
    F: AsyncFunction,
    N: Push<F::Out>,
{
    if let Ok(answer) = answered {
        F::put_out(answer, record, at, out);
    }
}

/// Has a record rejected that has no answer.
#[inline]
fn reject<F, H>(
    answered: Answered<F>,
    record: <F::In as Record>::View<'_>,
    at: Timestamp,
    handler: &mut H,
) -> Result<(), Failure>
where
    F: AsyncFunction,
    H: Handler<F::In, AsyncError<F::Error>>,
{
    match answered {
        Ok(_) => Ok(()),
        Err(error) => handler.handle(record, at, error),
    }
}

impl<F, K, H, N> Head for AsyncHead<F, K, H, N>
where
    F: AsyncFunction,
    K: InTurn<F::In>,
    H: Handler<F::In, AsyncError<F::Error>>,
    N: Push<F::Out>,
{
    fn poll(&mut self, _: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        let now = self.env.now();
        let info = Arc::clone(&self.info);
        let guard = Guard::new(&info);
        let steps = self.flight.collect(now, STEPS_LIMIT);
        let result = self.put_out().and_then(|()| self.take(input, steps, now));
        guard.done();
        self.flight.tell();
        let progress = result.map_err(|failure| failure.at_operator(&info.to_string(), Some(info.location)))?;
        Ok(match progress {
            Progress::Waiting if self.flight.has_woken() => Progress::MoreWork,
            progress => progress,
        })
    }

    fn is_between_records(&self) -> bool {
        !self.is_ending || self.flight.is_empty()
    }

    fn wait(&mut self) -> Wait<'_> {
        Box::pin(poll_fn(|cx| self.flight.poll_wait(cx).map(Ok)))
    }

    fn restore(&mut self) -> Wait<'_> {
        let restored = state::restore::<F, K>(&self.access, &self.turn);
        Box::pin(async {
            self.restored = restored?;
            Ok(())
        })
    }
}

impl<F, K, H, N> Stage for AsyncHead<F, K, H, N>
where
    F: AsyncFunction,
    K: InTurn<F::In>,
    H: Handler<F::In, AsyncError<F::Error>>,
    N: Push<F::Out>,
{
    fn signal(&mut self, signal: Signal) {
        self.is_ending |= signal == Signal::Watermark(Timestamp::MAX);
        let info = Arc::clone(&self.info);
        let guard = Guard::new(&info);
        let passes = match signal {
            Signal::Watermark(_) | Signal::Idle | Signal::Active => self.flight.signal(signal, self.env.now()),
            Signal::Barrier(barrier) => {
                state::report(&self.access, barrier, &self.flight, &self.restored);
                Some(signal)
            }
            _ => Some(signal),
        };
        guard.done();
        if let Some(signal) = passes {
            self.pass_on(signal);
        }
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.next.is_full() || self.handler.is_full()
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        earliest(self.handler.flush(now), self.next.flush(now))
    }

    fn idle(&mut self) {
        self.next.idle();
    }

    fn ready(&mut self) -> Wait<'_> {
        if !H::WRITES {
            return self.next.ready();
        }
        Box::pin(async {
            self.handler.ready().await?;
            self.next.ready().await
        })
    }

    fn finish(&mut self) -> Wait<'_> {
        Box::pin(async {
            let client = self.flight.end();
            if let Some(close) = &self.close {
                let closed = close(client).await;
                closed.map_err(|failure| failure.at_operator(&self.info.to_string(), Some(self.info.location)))?;
            }
            self.handler.finish().await?;
            self.next.finish().await
        })
    }
}
