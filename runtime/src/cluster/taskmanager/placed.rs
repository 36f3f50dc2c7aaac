//! [`Placed`]: where the subtasks of an attempt are, here or in another process.

use std::{collections::BTreeMap, sync::Arc};

use millstream_net::link::Link;

use crate::{
    attempt::wires::{Place, Placement, Subtask},
    control::{AttemptId, JobId, SubtaskId, TaskManagerId, Vertex, message::Deploy},
    exchange::arrivals::{Arrivals, AttemptKey},
};

/// What channels of an attempt are told apart by.
pub(super) fn key(job: JobId, attempt: AttemptId) -> AttemptKey {
    AttemptKey { job: job.0, epoch: attempt.epoch.get(), number: attempt.number }
}

/// Where the subtasks of a region are.
pub(super) struct Placed {
    attempt: AttemptKey,
    places: BTreeMap<SubtaskId, Option<TaskManagerId>>,
    links: BTreeMap<TaskManagerId, Link>,
    arrivals: Arc<Arrivals>,
    is_whole: bool,
}

impl Placed {
    pub(super) fn new(
        me: TaskManagerId,
        deploy: &Deploy,
        links: BTreeMap<TaskManagerId, Link>,
        arrivals: Arc<Arrivals>,
        is_whole: bool,
    ) -> Self {
        let placement = &deploy.placement;
        let places = placement.tasks.iter().filter_map(|(subtask, position)| {
            let (taskmanager, _) = placement.taskmanagers.get(*position as usize)?;
            Some((*subtask, Some(*taskmanager).filter(|at| *at != me)))
        });
        Self { attempt: key(deploy.job, deploy.attempt), places: places.collect(), links, arrivals, is_whole }
    }
}

impl Placement for Placed {
    fn place(&self, subtask: Subtask) -> Place<'_> {
        match self.places.get(&id_of(subtask)) {
            Some(None) => Place::Here,
            Some(Some(at)) => self.links.get(at).map_or(Place::Absent, Place::At),
            None => Place::Absent,
        }
    }

    fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    fn attempt(&self) -> AttemptKey {
        self.attempt
    }

    fn is_whole(&self) -> bool {
        self.is_whole
    }
}

/// A subtask of the graph, as the control logic calls it.
pub(super) fn id_of((vertex, subtask): Subtask) -> SubtaskId {
    SubtaskId { vertex: Vertex(vertex.0 as u32), subtask: subtask as u32 }
}
