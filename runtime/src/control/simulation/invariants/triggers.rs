//! No barrier before its checkpoint has begun: what the pools of splits hold is kept by then, so that no split is assigned behind that and before the barrier.

use super::super::{network::Node, world::World};
use crate::control::{
    ids::JobId,
    message::{Command, Order},
};

/// A leader keeps what its pools hold.
pub(in super::super) fn began(world: &mut World, leader: Node, job: JobId, checkpoint: u64) {
    world.seen.begun.insert((leader, job), checkpoint);
}

/// A leader says something.
pub(in super::super) fn said(world: &World, leader: Node, body: &Command) {
    if let Command::Order { job, order: Order::Trigger { checkpoint, .. }, .. } = body {
        let begun = world.seen.begun.get(&(leader, *job));
        assert_eq!(begun, Some(checkpoint), "checkpoint {checkpoint} of job {job} is triggered");
    }
}
