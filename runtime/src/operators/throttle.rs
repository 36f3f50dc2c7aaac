//! The head of [`Stream::throttle`](crate::stream::Stream::throttle): lets so many records through in a time. It may wait, so it stands at the head of a chain; what it does not
//! take stays where it is, and holds up who sends it.

use std::{marker::PhantomData, sync::Arc, time::Duration};

use millstream_core::{rate::Rate, record::Record};

use crate::{
    env::{Env, Instant},
    failure::Failure,
    operator::{Push, Stage, Wait, forward_stage},
    stream::Plan,
    task::{
        context::ChainContext,
        head::{BatchCursor, Head, One, Progress, TaskContext},
    },
};

/// How long a slot is, where a rate brings several records meanwhile: as short as sleeping is exact.
const SLOT: Duration = Duration::from_millis(10);

/// After how long who waits for a slot has the task look around: for a barrier that overtakes what waits.
const LOOK_AROUND: Duration = Duration::from_millis(100);

/// The plan of a chain that begins with a throttle.
pub struct Throttled<T> {
    rate: Rate,
    index: usize,
    record: PhantomData<fn(T)>,
}

impl<T> Throttled<T> {
    pub(crate) fn new(rate: Rate, index: usize) -> Self {
        Self { rate, index, record: PhantomData }
    }
}

impl<T: Record> Plan for Throttled<T> {
    type In = One<T>;
    type Out = T;
    type Chain<N: Push<T>> = ThrottleHead<T, N>;

    fn chain<N: Push<T>>(&self, cx: &mut ChainContext<'_>, next: N) -> Result<ThrottleHead<T, N>, Failure> {
        let info = cx.operator(self.index);
        let open = cx.open_context(&info);
        let env = Arc::clone(open.env());
        let pace = Pace::new(self.rate, open.subtask(), open.parallelism(), env.now());
        Ok(ThrottleHead { pace, env, next, record: PhantomData })
    }
}

/// Takes records as fast as it may.
pub struct ThrottleHead<T, N> {
    pace: Pace,
    env: Arc<dyn Env>,
    next: N,
    record: PhantomData<fn(T)>,
}

impl<T: Record, N: Push<T>> Head for ThrottleHead<T, N> {
    fn poll(&mut self, _: &TaskContext, input: &mut BatchCursor<'_>) -> Result<Progress, Failure> {
        let Some(records) = input.records::<T>() else { return Ok(Progress::Consumed) };
        let mut position = records.position();
        let mut progress = Progress::Consumed;
        self.pace.look(self.env.now());
        while position < records.len() {
            if !self.pace.lets_through() {
                progress = Progress::Waiting;
                break;
            }
            self.next.push(records.get(position), records.time(position));
            position += 1;
            if self.next.is_full() {
                progress = if position < records.len() { Progress::NeedsOutput } else { Progress::Consumed };
                break;
            }
        }
        input.advance_to(position);
        Ok(progress)
    }

    fn wait(&mut self) -> Wait<'_> {
        let until = self.pace.next.min(self.env.now() + LOOK_AROUND);
        let slept = self.env.sleep_until(until);
        Box::pin(async {
            slept.await;
            Ok(())
        })
    }
}

impl<T: Record, N: Push<T>> Stage for ThrottleHead<T, N> {
    forward_stage!();
}

/// When a subtask lets how many records through: so many in each slot. Slots follow each other by the clock, whoever comes, and nothing is saved up from one to the next: over any
/// time the subtask lets through what its share of the rate brings, and one slot's records more.
struct Pace {
    /// How many records a slot has, and how long it is.
    records: u64,
    every: u64,
    /// When the next one begins.
    next: Instant,
    /// How many records may still come in this one.
    left: u64,
}

impl Pace {
    /// The subtasks begin one after the other, so that their slots take turns.
    fn new(rate: Rate, subtask: usize, parallelism: usize, now: Instant) -> Self {
        let subtasks = parallelism.max(1) as u128;
        let count = u128::from(rate.count().max(1));
        // In nanoseconds, and rounded to what is slower.
        let time = rate.per().as_nanos() * subtasks;
        let records = (SLOT.as_nanos() * count / time).max(1);
        let every = (records * time).div_ceil(count).clamp(1, u128::from(u64::MAX));
        let offset = every * subtask as u128 / subtasks;
        let narrow = |nanos: u128| u64::try_from(nanos).unwrap_or(u64::MAX);
        Self {
            records: narrow(records),
            every: narrow(every),
            next: now + Duration::from_nanos(narrow(offset)),
            left: 0,
        }
    }

    /// Begins a slot, if it is time.
    fn look(&mut self, now: Instant) {
        if now >= self.next {
            let passed = now.since(self.next).as_nanos() as u64 / self.every;
            self.next = self.next + Duration::from_nanos(self.every.saturating_mul(passed + 1));
            self.left = self.records;
        }
    }

    /// Counts a record that may come now; false if none may.
    #[inline(always)]
    fn lets_through(&mut self) -> bool {
        let may = self.left > 0;
        self.left -= u64::from(may);
        may
    }
}

#[cfg(test)]
mod tests;
