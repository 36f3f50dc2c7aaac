//! What is on its way over channels when a barrier overtakes it.

use std::sync::{Arc, Mutex, PoisonError};

use futures::channel::oneshot;
use millstream_core::{
    batch::{Batch, Marked},
    buffer::{Header, Received},
};

use super::channel::{Arrival, Event};
use crate::failure::Failure;

/// So much of what still arrives in front of a barrier that has overtaken is kept for its checkpoint, by subtask, in bytes. What was there before counts against the
/// credit of its channels.
pub(crate) const RECORDING_LIMIT_BYTES: usize = 128 << 20;

/// Tells a channel from all others of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChannelId {
    /// The number of the edge in the graph.
    pub(crate) edge: usize,
    /// The subtask that sends.
    pub(crate) sender: usize,
    /// The subtask that receives.
    pub(crate) receiver: usize,
}

/// A batch on its way, or what has not been read of one.
#[derive(Debug)]
pub(crate) struct InFlight {
    /// How many of its records have been read.
    skip: usize,
    watermarks: Vec<Marked>,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    /// Shared with whoever reads it.
    Sealed(Batch),
    /// A copy of what another process has sent, which nobody has looked at yet.
    Received(Received),
}

impl InFlight {
    /// All of a batch.
    pub(crate) fn batch(batch: &Batch) -> Self {
        Self::rest(batch, 0, batch.watermarks())
    }

    /// What is left of a batch behind records that have been read.
    pub(crate) fn rest(batch: &Batch, skip: usize, watermarks: &[Marked]) -> Self {
        Self { skip, watermarks: watermarks.to_vec(), bytes: Bytes::Sealed(batch.clone()) }
    }

    /// What has arrived, if it is a batch.
    fn arrived(arrival: &Arrival) -> Option<Self> {
        let copy = |received: &Received| Received { header: received.header, bytes: received.bytes.clone() };
        match arrival {
            Arrival::Event(Event::Data(batch)) => Some(Self::batch(batch)),
            Arrival::Received(batch) => Some(Self {
                skip: 0,
                watermarks: batch.watermarks.clone(),
                bytes: Bytes::Received(copy(&batch.received)),
            }),
            Arrival::Restored { received, watermarks, skip } => {
                Some(Self { skip: *skip, watermarks: watermarks.clone(), bytes: Bytes::Received(copy(received)) })
            }
            _ => None,
        }
    }

    /// Without its watermarks.
    pub(crate) fn without_watermarks(self) -> Self {
        Self { watermarks: Vec::new(), ..self }
    }

    /// How many of its records have been read, what is in it, and the watermarks that have not been passed on.
    pub(crate) fn parts(&self) -> (usize, (&Header, &[u8]), &[Marked]) {
        let buffer = match &self.bytes {
            Bytes::Sealed(batch) => (batch.buffer.header(), batch.buffer.bytes()),
            Bytes::Received(received) => (&received.header, &received.bytes[..]),
        };
        (self.skip, buffer, &self.watermarks)
    }

    /// How many records it holds that have not been read.
    pub(crate) fn records(&self) -> u64 {
        let (skip, (header, _), _) = self.parts();
        u64::from(header.records).saturating_sub(skip as u64)
    }

    fn size_bytes(&self) -> usize {
        self.parts().1.1.len()
    }
}

/// What a barrier has overtaken at a receiver, by channel of its gate, each in order.
pub(crate) type Recorded = Result<Vec<(usize, InFlight)>, Failure>;

/// Keeps what is in front of a barrier that has overtaken it, until that has come on every channel.
#[derive(Debug)]
pub(super) struct Recording {
    checkpoint: u64,
    batches: Vec<(usize, InFlight)>,
    /// The channels on which the barrier has not come.
    open: Vec<bool>,
    later_bytes: usize,
    done: oneshot::Sender<Recorded>,
}

/// What becomes of something that arrives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Recorder {
    /// It is put into its queue.
    GoesOn,
    /// It is the barrier that was waited for, which has been everywhere: it goes nowhere.
    Barrier,
    /// It goes into its queue, and the recording is over: it came to nothing.
    Over,
}

impl Recording {
    /// With what was there before on the channels, and on which of them more comes.
    pub(super) fn new(
        checkpoint: u64,
        batches: Vec<(usize, InFlight)>,
        open: Vec<bool>,
    ) -> (Self, oneshot::Receiver<Recorded>) {
        let (done, recorded) = oneshot::channel();
        (Self { checkpoint, batches, open, later_bytes: 0, done }, recorded)
    }

    /// Takes note of an arrival that was there before.
    pub(super) fn of(arrival: &Arrival) -> Option<InFlight> {
        InFlight::arrived(arrival)
    }

    /// Looks at what arrives.
    pub(super) fn arrives(&mut self, channel: usize, arrival: &Arrival) -> Recorder {
        if let Arrival::Event(Event::Barrier(barrier)) = arrival
            && barrier.checkpoint > self.checkpoint
        {
            return Recorder::Over; // another checkpoint has begun, so this one was given up
        }
        if !self.open[channel] {
            return Recorder::GoesOn;
        }
        match arrival {
            Arrival::Event(Event::Barrier(barrier)) if barrier.checkpoint == self.checkpoint => {
                self.open[channel] = false;
                return Recorder::Barrier;
            }
            Arrival::Event(Event::End) => self.open[channel] = false,
            Arrival::Lost(_) => return Recorder::Over,
            arrival => {
                if let Some(batch) = InFlight::arrived(arrival) {
                    self.later_bytes += batch.size_bytes();
                    self.batches.push((channel, batch));
                }
            }
        }
        Recorder::GoesOn
    }

    /// True if nothing more comes in front of the barrier, or more than is kept.
    pub(super) fn is_over(&self) -> bool {
        !self.open.contains(&true) || self.later_bytes > RECORDING_LIMIT_BYTES
    }

    pub(super) fn checkpoint(&self) -> u64 {
        self.checkpoint
    }

    /// Hands over what there is.
    pub(super) fn finish(self) {
        let recorded = if self.later_bytes > RECORDING_LIMIT_BYTES {
            Err(Failure::new(format!(
                "more than {RECORDING_LIMIT_BYTES} bytes have arrived between a barrier that has overtaken records and its others"
            ))
            .with_hint("raise `checkpoint.alignment-timeout`, so that fewer barriers overtake"))
        } else {
            Ok(self.batches)
        };
        let _ = self.done.send(recorded); // nobody waits for a checkpoint that was given up
    }
}

/// What barriers have overtaken before it left for other processes, of one sending subtask. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Overtaken(Arc<Mutex<Vec<(ChannelId, InFlight)>>>);

impl Overtaken {
    pub(super) fn add(&self, channel: ChannelId, batches: &[Batch]) {
        let mut overtaken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        overtaken.extend(batches.iter().map(|batch| (channel, InFlight::batch(batch))));
    }

    /// Takes what has been added.
    pub(crate) fn take(&self) -> Vec<(ChannelId, InFlight)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
