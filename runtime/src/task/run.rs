//! The loop of a subtask: takes events from its gate in order, feeds the chain, and waits for input, output, timers or the end.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use futures::{
    channel::oneshot,
    future::{Either, FutureExt, select},
};
use millstream_core::time::Timestamp;

use super::{
    clock::StepClock,
    flag::Flag,
    head::{Background, BatchCursor, Head, Progress, TaskContext},
    held::Held,
    state_memory::StateMeter,
};
use crate::{
    checkpoint::{
        Barrier,
        channels::{ChannelKeeper, Replay},
        inbox::{Inbox, Notice},
        subtask::SubtaskCheckpoints,
    },
    env::{Env, Instant},
    exchange::{
        channel::Event,
        gate::{Change, Gate, HasOvertaken},
        in_flight::{InFlight, Recorded},
    },
    failure::Failure,
    metrics::{Counter, TaskMetrics},
    operator::{Signal, earliest},
};

/// After how many steps without a wait a task lets others run. A step takes a batch.
const STEPS_BEFORE_YIELD: u32 = 8;
/// After how long it does so though its steps have been fewer: a step may meet tables that grow or shrink.
const TURN_LIMIT: Duration = Duration::from_millis(1);

/// How many watermarks of a batch are passed in a step.
const WATERMARKS_PER_STEP: usize = 8;

/// After how long a task that has nothing else to do looks again whether its work in the background can go on.
const BACKGROUND_RETRY: Duration = Duration::from_millis(1);

/// A subtask, ready to run.
pub(crate) struct Subtask {
    pub(crate) head: Box<dyn Head>,
    /// `None` for sources.
    pub(crate) gate: Option<Gate>,
    pub(crate) env: Arc<dyn Env>,
    /// Where the chain looks for the time of a step.
    pub(crate) clock: StepClock,
    pub(crate) metrics: TaskMetrics,
    pub(crate) cancel: Flag,
    /// How often the chain wants a tick, if it wants any.
    pub(crate) tick_interval: Option<Duration>,
    /// What the coordinator has to say.
    pub(crate) inbox: Inbox,
    /// `None` in a job without checkpoints.
    pub(crate) checkpoints: Option<SubtaskCheckpoints>,
    /// `None` if the chain has no keyed state.
    pub(crate) state: Option<StateMeter>,
    /// The watermark that was passed on last.
    pub(crate) passed_on: Timestamp,
    /// How barriers overtake, if any may.
    pub(crate) overtaking: Option<Overtaking>,
    /// What was on its way at the checkpoint that the job goes on from.
    pub(crate) replay: Option<Replay>,
}

/// How a subtask has barriers overtake.
pub(crate) struct Overtaking {
    /// How long one that begins here waits for what is in front of it.
    pub(crate) patience: Duration,
    /// One need not wait for room in the output: whatever is awaited meanwhile is given up without loss.
    pub(crate) interrupts_output: bool,
    /// Stores what is overtaken.
    pub(crate) keeper: ChannelKeeper,
}

impl Subtask {
    /// Runs to the end of the input.
    pub(crate) async fn run(mut self) -> Result<(), Failure> {
        or_cancelled(&self.cancel, self.head.restore()).await?;
        if let Some(replay) = self.replay.take()
            && let Some(gate) = &self.gate
        {
            gate.restore(or_cancelled(&self.cancel, replay.read(gate.ports())).await?);
        }
        let mut held: Option<Held> = None;
        let mut source = SourceState::Reading;
        let mut ended = false;
        let mut interrupted = false;
        let mut steps = 0;
        let mut ticked = self.env.now();
        let mut turn_began = ticked;
        // Nothing is sent here, as to all but the first subtask behind `global()`. It takes part in checkpoints as a source does that has read everything.
        let unconnected = self.gate.as_ref().is_some_and(Gate::is_unconnected);
        if unconnected {
            self.watermark(Timestamp::MAX);
        }
        loop {
            if self.cancel.is_set() {
                return Err(Failure::cancelled());
            }
            let began = self.env.now();
            let mut now = began;
            while self.head.is_held_up() {
                or_cancelled(&self.cancel, self.env.sleep(BACKGROUND_RETRY).map(Ok)).await?;
                now = self.env.now();
            }
            if self.head.is_full() {
                self.make_room().await?;
                now = self.env.now();
                charge(&self.metrics.backpressured_nanos, began, now);
            }

            while let Some(notice) = self.inbox.take() {
                self.notice(notice, &mut source);
            }
            if source == SourceState::MayEnd {
                break;
            }
            if self.overtaking.is_some() {
                self.overtake(now, &held);
            }
            // Before the head goes on, and fills its output again.
            if !self.head.is_full() && std::mem::take(&mut interrupted) {
                if let Some(held) = &mut held {
                    self.go_on(held);
                } else if let Some((channel, event)) = gate_of(&self.gate).try_next()? {
                    ended = self.take(channel, event, &mut held);
                }
            }
            if self.head.is_full() {
                continue; // a barrier that was passed on may have something to wait for
            }

            let progress = match source {
                SourceState::Reading => match self.read(&mut held)? {
                    Progress::Consumed if unconnected => Progress::Finished,
                    progress => progress,
                },
                _ => Progress::Finished,
            };
            let background = self.head.background();
            if let Some(interval) = self.tick_interval
                && now.since(ticked) >= interval
            {
                ticked = now;
                self.head.signal(Signal::Tick(self.env.wall()));
            }
            let after = self.env.now();
            charge(&self.metrics.busy_nanos, now, after);
            let due = self.head.flush(after);
            let due = match background {
                Background::Done => due,
                Background::More => Some(after),
                Background::Later => earliest(due, Some(after + BACKGROUND_RETRY)),
            };
            let measure = self.state.as_mut().and_then(|state| state.step(after, || self.head.state_bytes()));
            let due = earliest(due, measure);

            steps += 1;
            if steps >= STEPS_BEFORE_YIELD || after.since(turn_began) >= TURN_LIMIT {
                yield_now().await;
                (steps, turn_began) = (0, self.env.now());
            }
            match progress {
                Progress::NeedsOutput | Progress::MoreWork => {}
                Progress::Interrupted => {
                    self.release(&mut held);
                    interrupted = true;
                }
                Progress::Finished => {
                    let Some(checkpoints) = &self.checkpoints else { break };
                    if source == SourceState::Reading {
                        source = SourceState::Drained;
                        checkpoints.drained();
                    }
                    if self.wants_flush() {
                        continue;
                    }
                    // The last checkpoint is still to come: it commits what the source has read.
                    let nothing = or_cancelled(&self.cancel, std::future::pending::<Result<(), Failure>>());
                    or_deadline(&*self.env, due, or_noticed(&self.inbox, nothing)).await.flatten().transpose()?;
                }
                Progress::Waiting if self.wants_flush() => {}
                Progress::Waiting => {
                    let deadline = self.deadline(due, ticked);
                    let barrier = overtaker(&self.gate, self.overtaking.is_some());
                    let wait = or_else(self.head.wait(), barrier).map(|waited| waited.unwrap_or(Ok(())));
                    let wait = or_noticed(&self.inbox, or_cancelled(&self.cancel, wait));
                    or_deadline(&*self.env, deadline, wait).await.flatten().transpose()?;
                    charge(&self.metrics.idle_nanos, after, self.env.now());
                }
                Progress::Consumed if ended => break,
                Progress::Consumed | Progress::InFlight => {
                    self.release(&mut held);
                    if self.head.is_full() {
                        continue; // a watermark may be answered with records
                    }
                    let event = match gate_of(&self.gate).try_next()? {
                        Some(event) => Some(event),
                        None if self.wants_flush() => None,
                        None => {
                            let deadline = self.deadline(due, ticked);
                            let gate = gate_of(&self.gate);
                            let next = async {
                                if progress == Progress::Consumed {
                                    return gate.next().await.map(Some);
                                }
                                match select(pin!(gate.next()), self.head.wait()).await {
                                    Either::Left((event, _)) => event.map(Some),
                                    Either::Right((waited, _)) => waited.map(|()| None),
                                }
                            };
                            let next = or_noticed(&self.inbox, or_cancelled(&self.cancel, next));
                            let event = or_deadline(&*self.env, deadline, next).await.flatten().transpose()?.flatten();
                            charge(&self.metrics.idle_nanos, after, self.env.now());
                            event
                        }
                    };
                    if let Some((channel, event)) = event {
                        ended = self.take(channel, event, &mut held);
                    }
                }
            }
        }
        self.head.signal(Signal::End);
        or_cancelled(&self.cancel, self.head.ready()).await?;
        or_cancelled(&self.cancel, self.head.finish()).await
    }

    /// Takes a notice of the coordinator.
    fn notice(&mut self, notice: Notice, source: &mut SourceState) {
        match notice {
            Notice::Trigger(barrier) => {
                let patience = self.overtaking.as_ref().map(|overtaking| overtaking.patience);
                self.barrier(barrier.with_patience(patience), Duration::ZERO, None);
            }
            Notice::Complete(checkpoint) => self.head.signal(Signal::Completed(checkpoint)),
            Notice::Abort(checkpoint) => {
                if let Some(gate) = &mut self.gate {
                    gate.abort(checkpoint);
                }
                self.head.signal(Signal::Aborted(checkpoint));
            }
            Notice::Finish => *source = SourceState::MayEnd,
        }
    }

    /// Passes a barrier down the chain; each operator takes its snapshot as it comes by. `recorded` is what it has overtaken in front of this task, if it has.
    fn barrier(&mut self, barrier: Barrier, alignment: Duration, recorded: Option<oneshot::Receiver<Recorded>>) {
        if let Some(checkpoints) = &self.checkpoints {
            checkpoints.begin(barrier, alignment);
            self.head.signal(Signal::Barrier(barrier));
            if let Some(Overtaking { keeper, .. }) = &self.overtaking {
                let ports = self.gate.as_ref().map_or(&[][..], Gate::ports);
                checkpoints.overtaken(recorded.is_some(), keeper.keep(ports, recorded));
            }
            checkpoints.passed(barrier);
        }
    }

    /// Waits for room in the output; or until there is something to do before there is any, for a barrier that overtakes, or for the snapshot at one.
    async fn make_room(&mut self) -> Result<(), Failure> {
        if !self.overtaking.as_ref().is_some_and(|overtaking| overtaking.interrupts_output) {
            return or_cancelled(&self.cancel, self.head.ready()).await;
        }
        let is_between = self.head.is_between_records();
        let background = self.head.background();
        let now = self.env.now();
        let copies = match background {
            Background::Done => None,
            Background::More => Some(now),
            Background::Later => Some(now + BACKGROUND_RETRY),
        };
        let ready = or_cancelled(&self.cancel, self.head.ready());
        let (deadline, gate, inbox) = match self.gate.as_ref().filter(|gate| !gate.is_unconnected()) {
            Some(gate) => (gate.overtakes_at().filter(|_| is_between), Some(gate), None),
            None => (None, None, Some(&self.inbox)),
        };
        let barrier = async {
            match (gate, inbox) {
                (Some(gate), _) => gate.announced().await,
                (None, Some(inbox)) => inbox.filled().await,
                (None, None) => std::future::pending().await,
            }
        };
        let ready = async {
            match select(pin!(ready), pin!(barrier)).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => Ok(()),
            }
        };
        let result = or_deadline(&*self.env, earliest(deadline, copies), ready).await;
        if result.is_none() && background == Background::More {
            yield_now().await;
        }
        result.unwrap_or(Ok(()))
    }

    /// Has a barrier overtake what is in front of it, if its time has come.
    fn overtake(&mut self, now: Instant, held: &Option<Held>) {
        let Some(gate) = &mut self.gate else { return };
        gate.look(now);
        if gate.overtakes_at().is_none_or(|at| at > now) || !self.head.is_between_records() {
            return;
        }
        let rest = held.as_ref().and_then(Held::rest);
        let rest = match held {
            Some(held) if held.is_restored() => rest.map(InFlight::without_watermarks),
            _ => rest,
        };
        let reading = held.as_ref().filter(|_| rest.is_some()).map(|held| held.channel);
        if let Some(HasOvertaken { barrier, after, recorded }) = gate.overtake(now, rest, reading) {
            self.barrier(barrier, after, Some(recorded));
        }
    }

    /// Tells the chain that its task is about to wait; true if something is to be written out before.
    fn wants_flush(&mut self) -> bool {
        self.head.idle();
        self.head.is_full()
    }

    /// A step through the batch that is being read.
    fn read(&mut self, held: &mut Option<Held>) -> Result<Progress, Failure> {
        for _ in 0..WATERMARKS_PER_STEP {
            match (self.step(held.as_mut())?, &mut *held) {
                (Progress::Consumed | Progress::InFlight, Some(held)) if !held.is_last() => {
                    if self.head.is_full() {
                        return Ok(Progress::NeedsOutput); // a watermark may be answered with records
                    }
                    self.go_on(held);
                }
                (progress, _) => return Ok(progress),
            }
        }
        Ok(Progress::MoreWork)
    }

    /// Goes on behind records that have been read.
    fn go_on(&mut self, held: &mut Held) {
        if let Some(at) = held.go_on() {
            let gate = self.gate.as_mut().expect("batches come through the gate");
            let change = gate.inputs().watermark(held.channel, at);
            self.pass_on(change);
        }
    }

    /// Gives the credit of a batch back that has been read to its end.
    fn release(&self, held: &mut Option<Held>) {
        if let Some(read) = held.take_if(|held| held.is_last())
            && !read.is_restored()
        {
            gate_of(&self.gate).release(read.channel, &read.batch);
        }
    }

    /// One step of the head.
    fn step(&mut self, held: Option<&mut Held>) -> Result<Progress, Failure> {
        let barrier_waits = self.gate.as_ref().is_some_and(Gate::barrier_waits);
        let cx = TaskContext { wall: self.env.wall(), barrier_waits };
        self.clock.set(cx.wall);
        match held {
            Some(held) => {
                let mut cursor = held.cursor();
                let progress = self.head.poll(&cx, &mut cursor)?;
                let position = cursor.position();
                held.advance_to(position);
                Ok(progress)
            }
            None => self.head.poll(&cx, &mut BatchCursor::empty()),
        }
    }

    /// When to look around though nothing comes.
    fn deadline(&self, flush_due: Option<Instant>, ticked: Instant) -> Option<Instant> {
        let tick = self.tick_interval.map(|interval| ticked + interval);
        let timer = self.head.timer().map(|at| {
            let millis = at.millis().saturating_sub(self.env.wall().millis());
            self.env.now() + Duration::from_millis(u64::try_from(millis).unwrap_or(0))
        });
        let overtakes = self.gate.as_ref().filter(|_| self.overtaking.is_some()).and_then(Gate::overtakes_at);
        earliest(earliest(earliest(flush_due, tick), timer), overtakes)
    }

    /// Takes an event; true if it was the last.
    fn take(&mut self, channel: usize, event: Event, held: &mut Option<Held>) -> bool {
        let gate = self.gate.as_mut().expect("events come through the gate");
        gate.takes();
        let aligned = match &event {
            Event::Barrier(barrier) => gate.barrier(channel, *barrier, self.env.now()),
            Event::End => gate.end_of_barriers(channel, self.env.now()),
            _ => None,
        };
        if matches!(event, Event::Replayed) {
            gate.replayed();
        }
        let inputs = gate.inputs();
        let change = match event {
            Event::Data(batch) => {
                self.metrics.records_in.add(batch.buffer.len() as u64);
                self.metrics.bytes_in.add(batch.size() as u64);
                *held = Some(Held::new(channel, batch));
                Change::None
            }
            Event::Rest(batch, skip) => {
                self.metrics.records_in.add((batch.buffer.len() - skip) as u64);
                self.metrics.bytes_in.add(batch.size() as u64);
                *held = Some(Held::restored(channel, batch, skip));
                Change::None
            }
            Event::Replayed => Change::None,
            Event::Idle => inputs.idle(channel, true),
            Event::Active => inputs.idle(channel, false),
            Event::Barrier(_) => Change::None,
            Event::End => inputs.end(channel),
        };
        if let Some((barrier, alignment)) = aligned {
            self.barrier(barrier, alignment, None);
        }
        self.pass_on(change);
        change == Change::End
    }

    /// Tells the chain what has changed in its input.
    fn pass_on(&mut self, change: Change) {
        match change {
            Change::None => {}
            Change::Watermark(at) => self.watermark(at),
            Change::Idle => self.head.signal(Signal::Idle),
            Change::Active(later) => {
                self.head.signal(Signal::Active);
                if let Some(at) = later {
                    self.watermark(at);
                }
            }
            Change::End => self.watermark(Timestamp::MAX),
        }
    }

    fn watermark(&mut self, at: Timestamp) {
        // The last one comes with the end of event time, and again with that of the input.
        if at > self.passed_on {
            self.passed_on = at;
            self.metrics.watermark.set(at.millis());
            self.head.signal(Signal::Watermark(at));
        }
    }
}

/// How far a source is. In a job without checkpoints it ends when it has read everything.
#[derive(Clone, Copy, PartialEq)]
enum SourceState {
    Reading,
    /// It has read everything, and passes barriers on until the last checkpoint is complete.
    Drained,
    MayEnd,
}

fn gate_of(gate: &Option<Gate>) -> &Gate {
    gate.as_ref().expect("a chain without inputs never consumes: sources wait or finish")
}

fn charge(counter: &Counter, from: Instant, to: Instant) {
    counter.add(to.since(from).as_nanos() as u64);
}

/// Waits, unless the job is cancelled first.
async fn or_cancelled<T>(cancel: &Flag, wait: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    match select(std::pin::pin!(wait), std::pin::pin!(cancel.wait())).await {
        Either::Left((result, _)) => result,
        Either::Right(_) => Err(Failure::cancelled()),
    }
}

/// A barrier that may overtake is announced; never, if none may.
async fn overtaker(gate: &Option<Gate>, may_overtake: bool) {
    match gate.as_ref().filter(|gate| may_overtake && !gate.is_unconnected()) {
        Some(gate) => gate.announced().await,
        None => std::future::pending().await,
    }
}

/// Waits, unless something else happens first.
async fn or_else<T>(wait: impl Future<Output = T>, other: impl Future<Output = ()>) -> Option<T> {
    match select(pin!(wait), pin!(other)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// Waits, unless there is a notice first.
async fn or_noticed<T>(inbox: &Inbox, wait: impl Future<Output = T>) -> Option<T> {
    match select(std::pin::pin!(wait), std::pin::pin!(inbox.filled())).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// Waits until a deadline at most.
async fn or_deadline<T>(env: &dyn Env, deadline: Option<Instant>, wait: impl Future<Output = T>) -> Option<T> {
    let Some(deadline) = deadline else { return Some(wait.await) };
    match select(std::pin::pin!(wait), env.sleep_until(deadline)).await {
        Either::Left((result, _)) => Some(result),
        Either::Right(_) => None,
    }
}

/// Lets other tasks of the thread run.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await
}
