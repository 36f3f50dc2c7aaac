//! The receiving end of all channels into a subtask: takes events in turn and keeps the watermark of the whole, the minimum over the channels that
//! are neither idle nor ended.

use std::{future::poll_fn, sync::Arc, time::Duration};

use futures::channel::oneshot;
use millstream_core::{
    batch::Batch,
    buffer::{Buffer, Invalid, Received},
    time::Timestamp,
};
use millstream_net::wire::ReceivedBatch;
use millstream_state::channels::ChannelBatch;

use super::{
    channel::{Arrival, Event, Overtaking, Shared},
    in_flight::{ChannelId, InFlight, Recorded},
};
use crate::{
    checkpoint::{
        Barrier,
        align::{Aligned, Alignment},
    },
    env::Instant,
    failure::Failure,
};

/// Checks records from another process, of one type.
pub(crate) type Validate = fn(Received) -> Result<Buffer, Invalid>;

/// What a channel leads to.
#[derive(Clone, Copy)]
pub(crate) struct Port {
    /// Which port of the head.
    pub(crate) number: u8,
    /// Looks whether what comes from another process is of its record type.
    pub(crate) validate: Validate,
    /// Another port of the head, for which records of another type come over the same channel.
    pub(crate) beside: Option<(u8, Validate)>,
    /// A barrier may overtake records on it.
    pub(crate) may_overtake: bool,
    /// Which of all channels it is.
    pub(crate) id: ChannelId,
}

/// The input of a subtask.
pub(crate) struct Gate {
    shared: Arc<Shared>,
    /// By channel.
    ports: Vec<Port>,
    inputs: Watermarks,
    alignment: Alignment,
    /// The barrier that overtakes, when its time has come.
    overtaking: Option<Overtakes>,
    /// How many barriers that may overtake have been looked at.
    seen: u64,
    /// A barrier may not overtake what is in front of it on some channel, where nothing has been taken since.
    is_stuck: bool,
    /// What comes behind a barrier waits until it has arrived on all channels: each record then counts exactly once. Otherwise it is taken at once, and counts
    /// again after a restore.
    exactly_once: bool,
}

/// A barrier that overtakes.
struct Overtakes {
    barrier: Barrier,
    /// Since when it has been known.
    since: Instant,
    /// When it overtakes.
    at: Instant,
}

/// A barrier has overtaken what was in front of it.
pub(crate) struct HasOvertaken {
    pub(crate) barrier: Barrier,
    /// How long it has waited before.
    pub(crate) after: Duration,
    /// What was in front of it, once that has come.
    pub(crate) recorded: oneshot::Receiver<Recorded>,
}

impl Gate {
    /// For as many channels as `ports` has.
    pub(crate) fn new(shared: Arc<Shared>, ports: Vec<Port>, exactly_once: bool) -> Self {
        let channels = ports.len();
        Self {
            shared,
            ports,
            inputs: Watermarks::new(channels),
            alignment: Alignment::new(channels),
            overtaking: None,
            seen: 0,
            is_stuck: false,
            exactly_once,
        }
    }

    /// The channels, by their numbers here.
    pub(crate) fn ports(&self) -> &[Port] {
        &self.ports
    }

    /// Puts in what was on its way at the checkpoint that the job goes on from: batches by channel, in order.
    pub(crate) fn restore(&self, batches: Vec<(usize, ChannelBatch)>) {
        self.shared.restore(batches.into_iter().map(|(channel, batch)| {
            let ChannelBatch { skip, received, watermarks, .. } = batch;
            (channel, Arrival::Restored { received, watermarks, skip: skip as usize })
        }));
    }

    /// All that was on its way has been read. Event time begins anew, as it does for channels on which nothing was: who sent that may go on with the work of others.
    pub(crate) fn replayed(&mut self) {
        self.inputs.begin_anew();
    }

    /// Sees which barriers have come that may overtake.
    pub(crate) fn look(&mut self, now: Instant) {
        let announcements = self.shared.announcements();
        if announcements == self.seen || !self.exactly_once {
            return;
        }
        (self.seen, self.is_stuck) = (announcements, false);
        let Some(barrier) = self.shared.announced() else { return };
        let at = now + barrier.patience.unwrap_or_default();
        match &mut self.overtaking {
            Some(overtakes) if overtakes.barrier.checkpoint == barrier.checkpoint => {
                overtakes.at = overtakes.at.min(at);
            }
            overtaking => *overtaking = Some(Overtakes { barrier, since: now, at }),
        }
    }

    /// Waits until a barrier comes that may overtake, and has not been looked at. Cancel safe.
    pub(crate) async fn announced(&self) {
        poll_fn(|cx| self.shared.poll_announced(self.seen, cx)).await;
    }

    /// When a barrier overtakes, if one will.
    pub(crate) fn overtakes_at(&self) -> Option<Instant> {
        let overtakes = self.overtaking.as_ref().filter(|_| !self.is_stuck)?;
        (!self.alignment.is_settled(overtakes.barrier.checkpoint)).then_some(overtakes.at)
    }

    /// Has the barrier overtake whose time has come. `held` is what is left of the batch that is being read, and `reading` its channel. `None` if there is something that it
    /// may not overtake.
    pub(crate) fn overtake(
        &mut self,
        now: Instant,
        held: Option<InFlight>,
        reading: Option<usize>,
    ) -> Option<HasOvertaken> {
        let Overtakes { barrier, since, .. } = *self.overtaking.as_ref()?;
        let checkpoint = barrier.checkpoint;
        let waited = self.alignment.waited(checkpoint);
        let may = |channel: usize| self.ports[channel].may_overtake;
        let held = reading.zip(held);
        let recorded = self.shared.overtake(Overtaking { checkpoint, waited, may: &may, held, reading });
        let Some(recorded) = recorded else {
            self.is_stuck = true;
            return None;
        };
        self.overtaking = None;
        self.alignment.overtaken(checkpoint);
        self.shared.unblock();
        let barrier = Barrier { patience: Some(Duration::ZERO), ..barrier };
        Some(HasOvertaken { barrier, after: now.since(since), recorded })
    }

    #[cfg(test)]
    pub(crate) fn set_may_overtake(&mut self, channel: usize, may_overtake: bool) {
        self.ports[channel].may_overtake = may_overtake;
    }

    /// Something is taken from a channel.
    pub(crate) fn takes(&mut self) {
        self.is_stuck = false;
    }

    /// A barrier has come. Gives it once it has arrived on all channels, with how long that took; until then the channels that are ahead wait.
    pub(crate) fn barrier(&mut self, channel: usize, barrier: Barrier, now: Instant) -> Option<(Barrier, Duration)> {
        let aligned = self.alignment.barrier(channel, barrier, now);
        if let Aligned::Ahead { replaces } = aligned
            && self.exactly_once
        {
            if replaces {
                self.shared.unblock();
            }
            self.shared.block(channel);
        }
        self.settle(aligned, now)
    }

    /// A channel has ended, which may be all that a barrier has waited for.
    pub(crate) fn end_of_barriers(&mut self, channel: usize, now: Instant) -> Option<(Barrier, Duration)> {
        let aligned = self.alignment.end(channel, now);
        self.settle(aligned, now)
    }

    /// Gives a checkpoint up.
    pub(crate) fn abort(&mut self, checkpoint: u64) {
        self.shared.stop_recording(checkpoint);
        if self.alignment.abort(checkpoint) {
            self.shared.unblock();
        }
    }

    /// True if a barrier has come, or is on its way, that may pass while something is pending. The last one may not: what comes behind it is not committed.
    pub(crate) fn barrier_waits(&self) -> bool {
        self.shared.has_barrier() || self.alignment.under_way().is_some_and(Barrier::may_interrupt)
    }

    fn settle(&mut self, aligned: Aligned, now: Instant) -> Option<(Barrier, Duration)> {
        let Aligned::Now { mut barrier, after } = aligned else { return None };
        self.shared.unblock();
        // What is left of its patience goes on with it, so that it does not begin anew at each task.
        if let Some(overtakes) = self.overtaking.take_if(|overtakes| overtakes.barrier.checkpoint <= barrier.checkpoint)
            && overtakes.barrier.checkpoint == barrier.checkpoint
        {
            barrier.patience = Some(overtakes.at.since(now));
        }
        Some((barrier, after))
    }

    /// True if no channel leads here.
    pub(crate) fn is_unconnected(&self) -> bool {
        self.inputs.channels.is_empty()
    }

    /// The next event of any channel, if there is one.
    ///
    /// # Errors
    ///
    /// As [`Gate::next`].
    pub(crate) fn try_next(&self) -> Result<Option<(usize, Event)>, Failure> {
        self.shared.try_next().map(|(channel, arrival)| self.admit(channel, arrival)).transpose()
    }

    /// The next event of any channel. Cancel safe: an event is taken only when it is returned.
    ///
    /// # Errors
    ///
    /// Fails if the connection to a sender has ended, or what it sent is not what this port reads.
    pub(crate) async fn next(&self) -> Result<(usize, Event), Failure> {
        let (channel, arrival) = poll_fn(|cx| self.shared.poll_next(cx)).await;
        self.admit(channel, arrival)
    }

    /// Looks at what has come from another process before anything of it is read.
    fn admit(&self, channel: usize, arrival: Arrival) -> Result<(usize, Event), Failure> {
        let event = match arrival {
            Arrival::Event(event) => event,
            Arrival::Received(batch) => {
                let ReceivedBatch { received, watermarks, .. } = batch;
                Event::Data(Batch::new(self.validate(channel, received)?, &watermarks))
            }
            Arrival::Restored { received, watermarks, skip } => {
                Event::Rest(Batch::new(self.validate(channel, received)?, &watermarks), skip)
            }
            Arrival::Lost(error) => {
                let what = format!("a task that sends to this one is lost: {error}");
                return Err(Failure::new(what).of_environment());
            }
        };
        Ok((channel, event))
    }

    fn validate(&self, channel: usize, received: Received) -> Result<Buffer, Failure> {
        let Port { number, validate, beside, .. } = self.ports[channel];
        let validate = match (received.header.port, beside) {
            (port, _) if port == number => validate,
            (port, Some((other, validate))) if port == other => validate,
            (found, _) => {
                return Err(Failure::new(format!("a batch for port {found} came on a channel to port {number}")));
            }
        };
        validate(received).map_err(Failure::from_error)
    }

    pub(crate) fn release(&self, channel: usize, batch: &Batch) {
        self.shared.release(channel, batch);
    }

    /// Watermarks and idleness by channel.
    pub(crate) fn inputs(&mut self) -> &mut Watermarks {
        &mut self.inputs
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.close();
    }
}

/// What the channels have said of event time.
pub(crate) struct Watermarks {
    channels: Vec<ChannelTime>,
    open: usize,
    passed_on: Passed,
}

#[derive(Clone, Copy)]
struct ChannelTime {
    watermark: Timestamp,
    idle: bool,
    /// False for a channel that was idle and has not caught up with what was passed on meanwhile. As in Flink it does not hold the others back.
    aligned: bool,
}

#[derive(Clone, Copy, PartialEq)]
struct Passed {
    watermark: Timestamp,
    idle: bool,
}

/// What the task has to pass on after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Watermark(Timestamp),
    /// All channels that are open have gone idle.
    Idle,
    /// One of them is active again; and the watermark then, if it is a later one.
    Active(Option<Timestamp>),
    /// The last channel has ended.
    End,
}

impl Watermarks {
    fn new(channels: usize) -> Self {
        Self {
            channels: vec![ChannelTime { watermark: Timestamp::MIN, idle: false, aligned: true }; channels],
            open: channels,
            passed_on: Passed { watermark: Timestamp::MIN, idle: false },
        }
    }

    /// Forgets what the channels have said, though not what was passed on.
    fn begin_anew(&mut self) {
        self.channels.fill(ChannelTime { watermark: Timestamp::MIN, idle: false, aligned: true });
    }

    pub(crate) fn watermark(&mut self, channel: usize, at: Timestamp) -> Change {
        let time = &mut self.channels[channel];
        time.watermark = time.watermark.max(at);
        time.aligned |= time.watermark >= self.passed_on.watermark;
        self.change()
    }

    pub(crate) fn idle(&mut self, channel: usize, idle: bool) -> Change {
        let time = &mut self.channels[channel];
        time.idle = idle;
        time.aligned = !idle && time.watermark >= self.passed_on.watermark;
        self.change()
    }

    pub(crate) fn end(&mut self, channel: usize) -> Change {
        self.channels[channel] = ChannelTime { watermark: Timestamp::MAX, idle: false, aligned: true };
        self.open -= 1;
        if self.open == 0 { Change::End } else { self.change() }
    }

    fn change(&mut self) -> Change {
        // A channel that has ended neither holds the watermark back nor keeps the input from being idle.
        let mut active = self.channels.iter().filter(|time| !time.idle && time.watermark < Timestamp::MAX).peekable();
        if active.peek().is_none() {
            let everything = self.channels.iter().any(|time| time.idle);
            if !everything && self.passed_on.watermark < Timestamp::MAX {
                // All have come to the end of event time, though they may live on to take part in checkpoints.
                return self.pass_on(Some(Timestamp::MAX));
            }
            if everything && !self.passed_on.idle {
                self.passed_on.idle = true;
                return Change::Idle;
            }
            return Change::None;
        }
        let watermark = active.filter(|time| time.aligned).map(|time| time.watermark).min();
        self.pass_on(watermark.filter(|watermark| *watermark > self.passed_on.watermark))
    }

    fn pass_on(&mut self, later: Option<Timestamp>) -> Change {
        self.passed_on.watermark = later.unwrap_or(self.passed_on.watermark);
        if std::mem::take(&mut self.passed_on.idle) {
            return Change::Active(later);
        }
        later.map_or(Change::None, Change::Watermark)
    }
}

#[cfg(test)]
mod tests;
