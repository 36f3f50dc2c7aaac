//! The receiving end of all channels into a subtask: takes events in turn and keeps the watermark of the whole, the minimum over the channels that
//! are neither idle nor ended.

use std::{future::poll_fn, sync::Arc, time::Duration};

use millstream_core::{
    batch::Batch,
    buffer::{Buffer, Invalid, Received},
    time::Timestamp,
};
use millstream_net::wire::ReceivedBatch;

use super::channel::{Arrival, Event, Shared};
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
}

/// The input of a subtask.
pub(crate) struct Gate {
    shared: Arc<Shared>,
    /// By channel.
    ports: Vec<Port>,
    inputs: Watermarks,
    alignment: Alignment,
    /// What comes behind a barrier waits until it has arrived on all channels: each record then counts exactly once. Otherwise it is taken at once, and counts
    /// again after a restore.
    exactly_once: bool,
}

impl Gate {
    /// For as many channels as `ports` has.
    pub(crate) fn new(shared: Arc<Shared>, ports: Vec<Port>, exactly_once: bool) -> Self {
        let channels = ports.len();
        Self { shared, ports, inputs: Watermarks::new(channels), alignment: Alignment::new(channels), exactly_once }
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
        self.settle(aligned)
    }

    /// A channel has ended, which may be all that a barrier has waited for.
    pub(crate) fn end_of_barriers(&mut self, channel: usize, now: Instant) -> Option<(Barrier, Duration)> {
        let aligned = self.alignment.end(channel, now);
        self.settle(aligned)
    }

    /// Gives a checkpoint up.
    pub(crate) fn abort(&mut self, checkpoint: u64) {
        if self.alignment.abort(checkpoint) {
            self.shared.unblock();
        }
    }

    /// True if a barrier has come, or is on its way, that may pass while something is pending. The last one may not: what comes behind it is not committed.
    pub(crate) fn barrier_waits(&self) -> bool {
        self.shared.has_barrier() || self.alignment.under_way().is_some_and(Barrier::may_interrupt)
    }

    fn settle(&mut self, aligned: Aligned) -> Option<(Barrier, Duration)> {
        let Aligned::Now { barrier, after } = aligned else { return None };
        self.shared.unblock();
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
            Arrival::Received(batch) => Event::Data(self.validate(channel, batch)?),
            Arrival::Lost(error) => {
                let what = format!("a task that sends to this one is lost: {error}");
                return Err(Failure::new(what).of_environment());
            }
        };
        Ok((channel, event))
    }

    fn validate(&self, channel: usize, batch: ReceivedBatch) -> Result<Batch, Failure> {
        let Port { number, validate, beside } = self.ports[channel];
        let ReceivedBatch { received, watermarks, .. } = batch;
        let validate = match (received.header.port, beside) {
            (port, _) if port == number => validate,
            (port, Some((other, validate))) if port == other => validate,
            (found, _) => {
                return Err(Failure::new(format!("a batch for port {found} came on a channel to port {number}")));
            }
        };
        let buffer = validate(received).map_err(Failure::from_error)?;
        Ok(Batch::new(buffer, &watermarks))
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
