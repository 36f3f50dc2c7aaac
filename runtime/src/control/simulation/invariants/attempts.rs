//! No two attempts of one subtask are alive in one epoch: none on one TaskManager ever, and of those TaskManagers that a leader counts on, in all one at most.

use std::collections::BTreeMap;

use super::super::{network::Node, world::World};

pub(in super::super) fn check(world: &World) {
    let mut counted = BTreeMap::new();
    for (index, worker) in world.workers.iter().enumerate().filter(|(_, worker)| worker.up) {
        let mut here = BTreeMap::new();
        for (job, task) in worker.tasks.keys() {
            let before = here.insert((job, task.subtask), task.attempt);
            assert_eq!(before, None, "{} of job {job} is there twice", task.subtask);
            if counts(world, Node::Worker(index, worker.life), task.attempt.epoch.get()) {
                let key = (job, task.subtask, task.attempt.epoch);
                let before = counted.insert(key, task.attempt);
                assert_eq!(before, None, "{} of job {job} is alive twice, also as {}", task.subtask, task.attempt);
            }
        }
    }
}

/// True if the leader of an epoch counts on a TaskManager.
fn counts(world: &World, worker: Node, epoch: u64) -> bool {
    let leaders = world.managers.iter().filter_map(|manager| manager.leader.as_ref());
    let mut of_epoch = leaders.filter(|leader| leader.epoch().get() == epoch);
    let session = of_epoch.find_map(|leader| leader.session(world.worker(worker).machine.id()));
    // Both ends have the same connection: what was alive before it was cancelled when the one before was closed.
    session.is_some_and(|connection| world.network.is_open(connection, worker))
}
