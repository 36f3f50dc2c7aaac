//! Connections between TaskManagers and JobManagers, and what becomes of messages on the way.

use std::collections::{BTreeMap, BTreeSet};

use crate::control::{
    ids::ConnectionId,
    message::{ToJobManager, ToTaskManager},
};

/// A process: which of its kind, and which life of it. One that starts anew knows nothing of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    Worker(usize, u32),
    Manager(usize, u32),
}

impl Node {
    /// The machine that it is on: what partitions are between.
    pub(super) fn host(self) -> (bool, usize) {
        match self {
            Self::Worker(index, _) => (false, index),
            Self::Manager(index, _) => (true, index),
        }
    }
}

/// What goes over a connection.
#[derive(Debug, Clone)]
pub(super) enum Packet {
    ToManager(ToJobManager),
    ToWorker(ToTaskManager),
}

/// A connection: both ends, and whether each believes that it is open.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) worker: Node,
    pub(super) manager: Node,
    pub(super) open: BTreeSet<Node>,
}

impl Connection {
    pub(super) fn other(&self, node: Node) -> Node {
        if node == self.worker { self.manager } else { self.worker }
    }
}

#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    last: u64,
    /// From which host to which nothing gets through, and how often that was said.
    blocked: BTreeMap<((bool, usize), (bool, usize)), u32>,
}

impl Network {
    pub(super) fn connect(&mut self, worker: Node, manager: Node) -> ConnectionId {
        self.last += 1;
        let connection = Connection { worker, manager, open: BTreeSet::from([worker, manager]) };
        self.connections.insert(ConnectionId(self.last), connection);
        ConnectionId(self.last)
    }

    pub(super) fn block(&mut self, from: Node, to: Node) {
        *self.blocked.entry((from.host(), to.host())).or_default() += 1;
    }

    pub(super) fn heal(&mut self, from: Node, to: Node) {
        if let Some(times) = self.blocked.get_mut(&(from.host(), to.host())) {
            *times = times.saturating_sub(1);
        }
    }

    pub(super) fn is_blocked(&self, from: Node, to: Node) -> bool {
        self.blocked.get(&(from.host(), to.host())).is_some_and(|times| *times > 0)
    }

    /// An end does not believe that it is open any more. False if it did not before.
    pub(super) fn close(&mut self, connection: ConnectionId, end: Node) -> bool {
        let Some(found) = self.connections.get_mut(&connection) else { return false };
        let was_open = found.open.remove(&end);
        if found.open.is_empty() {
            self.connections.remove(&connection);
        }
        was_open
    }

    pub(super) fn is_open(&self, connection: ConnectionId, end: Node) -> bool {
        self.connections.get(&connection).is_some_and(|found| found.open.contains(&end))
    }
}
