//! What must hold whatever happens, one invariant a file. Those that can be seen at any time are checked after every event.

pub(super) mod attempts;
pub(super) mod commits;
pub(super) mod leaders;
pub(super) mod leases;
pub(super) mod liveness;
pub(super) mod restores;
pub(super) mod slots;
pub(super) mod triggers;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use super::{network::Node, world::World};
use crate::control::{ids::JobId, ids::TaskManagerId, message::TaskRef};

pub(super) const DEPOSED: &str = "a leader is deposed";
pub(super) const REFUSED: &str = "a deposed leader wants to make an entry";
pub(super) const ALONE: &str = "a region comes back while others run";
pub(super) const REBUILT: &str = "a job is rescaled";
pub(super) const SILENT: &str = "a TaskManager is given up by its silence";
pub(super) const LEASE: &str = "a lease ends";

/// Of many worlds some go through each of these.
pub(super) const WANTED: [&str; 6] = [DEPOSED, REFUSED, ALONE, REBUILT, SILENT, LEASE];

/// What has been seen, and has to be remembered.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Which task has passed the barrier of which checkpoint, and acknowledged it.
    pub(super) passed: BTreeSet<(JobId, TaskRef, u64)>,
    /// Which task's request for a split the enumerator has answered.
    pub(super) splits: BTreeSet<(JobId, TaskRef, u64)>,
    /// Which checkpoint each leader has begun last, by job.
    begun: BTreeMap<(Node, JobId), u64>,
    /// What a world should have been through, or the invariants say little.
    pub(super) happened: BTreeSet<&'static str>,
    /// The highest epoch that a TaskManager has seen.
    epochs: BTreeMap<TaskManagerId, u64>,
}

impl Seen {
    /// Something happens that may happen once.
    pub(super) fn once<T: Ord + Copy + Debug>(set: &mut BTreeSet<T>, what: T, message: &str) {
        assert!(set.insert(what), "{message}: {what:?}");
    }
}

pub(super) fn check_step(world: &mut World) {
    slots::check(world);
    attempts::check(world);
    leaders::check(world);
}

pub(super) fn check_end(world: &World) {
    liveness::check(world);
}
