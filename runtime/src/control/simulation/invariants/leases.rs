//! No TaskManager works for a leader that has given it up by its silence: its lease has ended by then, so whatever comes next, it cancels that leader's tasks.

use super::super::world::World;
use crate::control::ids::ConnectionId;

/// A leader gives up the TaskManager at the other end of a connection.
pub(in super::super) fn lost(world: &World, connection: ConnectionId) {
    for worker in world.workers.iter().filter(|worker| worker.up) {
        let lease = worker.machine.lease().filter(|(with, _)| *with == connection);
        if let Some((_, ends)) = lease {
            assert!(ends <= world.instant(), "{} is given up before its lease ends", worker.machine.id());
        }
    }
}
