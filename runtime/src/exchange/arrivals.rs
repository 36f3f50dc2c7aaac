//! [`Arrivals`]: brings channels that other processes open to the tasks that they lead to, whichever of the two is there first.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use millstream_net::inbound::{Acceptor, Incoming};

use super::channel::Shared;

/// How long an address is, in bytes.
const ADDRESS_BYTES: usize = 40;

/// So many channels that wait for a task may have been closed before they are looked for.
const SWEEP_FROM: usize = 64;

/// Tells an attempt from all others of all jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct AttemptKey {
    /// The job.
    pub(crate) job: u128,
    /// The leader that began it.
    pub(crate) epoch: u64,
    /// Which of the job's attempts under that leader.
    pub(crate) number: u32,
}

/// What a channel leads from and to, as its sender says when it opens it: the same in all processes of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Address {
    pub(crate) attempt: AttemptKey,
    /// The number of the edge in the graph.
    pub(crate) edge: u32,
    /// The subtask that sends.
    pub(crate) sender: u32,
    /// The subtask that receives.
    pub(crate) receiver: u32,
}

impl Address {
    pub(crate) fn encode(&self) -> [u8; ADDRESS_BYTES] {
        let Self { attempt: AttemptKey { job, epoch, number }, edge, sender, receiver } = *self;
        let mut bytes = [0; ADDRESS_BYTES];
        bytes[..16].copy_from_slice(&job.to_le_bytes());
        bytes[16..24].copy_from_slice(&epoch.to_le_bytes());
        for (bytes, number) in bytes[24..].chunks_mut(4).zip([number, edge, sender, receiver]) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (job, rest) = bytes.split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (&[number, edge, sender, receiver], []) = rest.as_chunks() else { return None };
        let [number, edge, sender, receiver] = [number, edge, sender, receiver].map(u32::from_le_bytes);
        let attempt = AttemptKey { job: u128::from_le_bytes(*job), epoch: u64::from_le_bytes(*epoch), number };
        Some(Self { attempt, edge, sender, receiver })
    }
}

/// The channels of a process that come from others.
#[derive(Default)]
pub(crate) struct Arrivals {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Tasks that are here, and whose senders are not.
    expected: HashMap<Address, (Arc<Shared>, usize)>,
    /// The other way round. They take no memory but their names: without credit nothing is sent.
    waiting: HashMap<Address, Arc<Incoming>>,
    sweep_at: usize,
}

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where a channel leads to.
    pub(crate) fn expect(&self, address: Address, shared: Arc<Shared>, channel: usize) {
        let mut state = self.lock();
        match state.waiting.remove(&address) {
            Some(incoming) => {
                drop(state);
                shared.attach(channel, incoming);
            }
            None => drop(state.expected.insert(address, (shared, channel))),
        }
    }

    /// Nobody of an attempt will come any more: what waits for one is refused.
    pub(crate) fn end(&self, attempt: AttemptKey) {
        let mut state = self.lock();
        state.expected.retain(|address, _| address.attempt != attempt);
        let over: Vec<_> = state.waiting.extract_if(|address, _| address.attempt == attempt).collect();
        drop(state);
        for (_, incoming) in over {
            incoming.refuse("the attempt has ended");
        }
    }
}

impl Acceptor for Arrivals {
    fn opened(&self, incoming: Arc<Incoming>, address: &[u8]) {
        let Some(address) = Address::decode(address) else {
            return incoming.refuse("the address of the channel is none");
        };
        let mut state = self.lock();
        if let Some((shared, channel)) = state.expected.remove(&address) {
            drop(state);
            return shared.attach(channel, incoming);
        }
        // Those of tasks that never came are closed by their senders, or with the connection.
        if state.waiting.len() >= state.sweep_at.max(SWEEP_FROM) {
            state.waiting.retain(|_, incoming| !incoming.is_closed());
            state.sweep_at = 2 * state.waiting.len();
        }
        let replaced = state.waiting.insert(address, incoming);
        drop(state);
        if let Some(incoming) = replaced {
            incoming.refuse("the channel was opened again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_back() {
        let attempt = AttemptKey { job: u128::MAX - 5, epoch: 9, number: 8 };
        let address = Address { attempt, edge: 1, sender: 2, receiver: u32::MAX };
        let bytes = address.encode();
        assert_eq!(Address::decode(&bytes), Some(address));
        assert_eq!(Address::decode(&bytes[1..]), None);
        assert_eq!(Address::decode(&[&bytes[..], &[0; 4]].concat()), None);
        assert_eq!(Address::decode(&[]), None);
    }
}
