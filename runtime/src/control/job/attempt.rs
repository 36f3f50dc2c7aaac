//! [`Executions`]: which subtask of which attempt is where, and in what state. One entry a subtask, so that never two attempts of it count as alive.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::{
    ids::{AttemptId, RegionId, SlotId, SubtaskId, TaskIndex, TaskManagerId},
    message::TaskRef,
    topology::Topology,
};

/// How far a subtask of an attempt is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ExecutionState {
    /// There has been no attempt.
    Idle,
    /// Its TaskManager has been told to start it.
    Deploying,
    /// It runs.
    Running,
    /// It has been told to end at once.
    Cancelling,
    /// It has ended well.
    Ended,
    Failed,
    Cancelled,
    /// Its TaskManager is lost, and the leader counts it as dead. Whatever it still does, nobody listens.
    Lost,
}

impl ExecutionState {
    /// True if it may still do something that counts.
    pub(crate) fn is_alive(self) -> bool {
        matches!(self, Self::Deploying | Self::Running | Self::Cancelling)
    }
}

/// A subtask, and the newest attempt to run it.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    pub(crate) subtask: SubtaskId,
    region: RegionId,
    pub(crate) state: ExecutionState,
    /// The attempt and where it is, unless there has been none.
    pub(crate) deployed: Option<(AttemptId, SlotId)>,
    /// It reads a source, and has come to the end of its input.
    pub(crate) drained: bool,
    /// The newest request for a split, and the answer once there is one: it may be asked for again.
    pub(crate) split: Option<(u64, Option<Bytes>)>,
}

impl Execution {
    /// The subtask of its newest attempt, if there has been one.
    pub(crate) fn task(&self) -> Option<TaskRef> {
        self.deployed.map(|(attempt, _)| TaskRef { subtask: self.subtask, attempt })
    }
}

/// How many subtasks of a region are in which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) tasks: usize,
    pub(crate) alive: usize,
    pub(crate) running: usize,
    pub(crate) ended: usize,
}

/// The subtasks of a job.
#[derive(Debug)]
pub(crate) struct Executions {
    all: Vec<Execution>,
    regions: Vec<Counts>,
    /// Those alive, by where they are.
    on: BTreeMap<TaskManagerId, BTreeSet<usize>>,
    alive: usize,
    cancelling: usize,
}

impl Executions {
    pub(crate) fn new(topology: &Topology) -> Self {
        let mut regions = vec![Counts::default(); topology.regions()];
        let all = (0..topology.tasks()).map(TaskIndex).map(|task| {
            let region = topology.region_of(task);
            regions[region.0].tasks += 1;
            let subtask = topology.subtask(task).expect("the number is below that of all");
            Execution { subtask, region, state: ExecutionState::Idle, deployed: None, drained: false, split: None }
        });
        let all = all.collect();
        Self { all, regions, on: BTreeMap::new(), alive: 0, cancelling: 0 }
    }

    pub(crate) fn get(&self, task: TaskIndex) -> &Execution {
        &self.all[task.0]
    }

    pub(crate) fn get_mut(&mut self, task: TaskIndex) -> &mut Execution {
        &mut self.all[task.0]
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TaskIndex, &Execution)> {
        self.all.iter().enumerate().map(|(task, execution)| (TaskIndex(task), execution))
    }

    /// How many are alive.
    pub(crate) fn alive(&self) -> usize {
        self.alive
    }

    /// How many of these have been told to end.
    pub(crate) fn cancelling(&self) -> usize {
        self.cancelling
    }

    pub(crate) fn region(&self, region: RegionId) -> Counts {
        self.regions[region.0]
    }

    /// Those alive on a TaskManager.
    pub(crate) fn alive_on(&self, taskmanager: TaskManagerId) -> Vec<TaskIndex> {
        self.on.get(&taskmanager).into_iter().flatten().map(|task| TaskIndex(*task)).collect()
    }

    /// A new attempt of a subtask begins; the one before is dead.
    pub(crate) fn deploy(&mut self, task: TaskIndex, attempt: AttemptId, slot: SlotId) {
        let execution = &mut self.all[task.0];
        assert!(!execution.state.is_alive(), "the attempt before is dead");
        (execution.deployed, execution.drained, execution.split) = (Some((attempt, slot)), false, None);
        self.set(task, ExecutionState::Deploying);
    }

    /// A subtask gets into another state.
    pub(crate) fn set(&mut self, task: TaskIndex, state: ExecutionState) {
        use ExecutionState::{Cancelling, Ended, Running};
        let execution = &mut self.all[task.0];
        let before = std::mem::replace(&mut execution.state, state);
        let counts = &mut self.regions[execution.region.0];
        let change = |count: &mut usize, is: fn(ExecutionState) -> bool| match (is(before), is(state)) {
            (false, true) => *count += 1,
            (true, false) => *count -= 1,
            _ => {}
        };
        change(&mut counts.alive, ExecutionState::is_alive);
        change(&mut counts.running, |state| state == Running);
        change(&mut counts.ended, |state| state == Ended);
        change(&mut self.alive, ExecutionState::is_alive);
        change(&mut self.cancelling, |state| state == Cancelling);
        let Some((_, slot)) = execution.deployed else { return };
        if state.is_alive() && !before.is_alive() {
            self.on.entry(slot.taskmanager).or_default().insert(task.0);
        } else if !state.is_alive()
            && before.is_alive()
            && let Some(there) = self.on.get_mut(&slot.taskmanager)
        {
            there.remove(&task.0);
            if there.is_empty() {
                self.on.remove(&slot.taskmanager);
            }
        }
    }

    /// Those of these subtasks that are alive, by where they are.
    pub(crate) fn grouped(&self, tasks: impl IntoIterator<Item = TaskIndex>) -> BTreeMap<TaskManagerId, Vec<TaskRef>> {
        let mut grouped = BTreeMap::<_, Vec<_>>::new();
        for execution in tasks.into_iter().map(|task| &self.all[task.0]) {
            if execution.state.is_alive()
                && let Some((attempt, slot)) = execution.deployed
            {
                grouped.entry(slot.taskmanager).or_default().push(TaskRef { subtask: execution.subtask, attempt });
            }
        }
        grouped
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::super::{
            ids::{Epoch, SlotIndex, Vertex},
            topology::VertexInfo,
        },
        *,
    };

    /// Against counting anew.
    #[test]
    fn counts_stay_right_whatever_becomes_of_subtasks() {
        use ExecutionState::*;
        let vertex = |parallelism| VertexInfo { name: String::new(), parallelism, group: 0, connected: 0 };
        let topology = Topology::new(vec![vertex(3), vertex(2), vertex(2)], vec![(Vertex(0), Vertex(2))]).unwrap();
        let mut executions = Executions::new(&topology);
        let mut random = 3_u64;
        let mut below = |bound: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % bound
        };
        for number in 1..5_000 {
            let task = TaskIndex(below(7) as usize);
            let state = executions.get(task).state;
            if !state.is_alive() {
                let taskmanager = TaskManagerId(u128::from(below(3)));
                let slot = SlotId { taskmanager, slot: SlotIndex(0) };
                executions.deploy(task, AttemptId { epoch: Epoch::new(1).unwrap(), number }, slot);
            } else {
                let next = [Running, Cancelling, Ended, Failed, Cancelled, Lost][below(6) as usize];
                executions.set(task, next);
            }
            let count = |is: &dyn Fn(&Execution) -> bool| executions.iter().filter(|(_, it)| is(it)).count();
            assert_eq!(executions.alive(), count(&|it| it.state.is_alive()));
            assert_eq!(executions.cancelling(), count(&|it| it.state == Cancelling));
            for region in (0..topology.regions()).map(RegionId) {
                let counts = executions.region(region);
                assert_eq!(counts.alive, count(&|it| it.region == region && it.state.is_alive()));
                assert_eq!(counts.running, count(&|it| it.region == region && it.state == Running));
                assert_eq!(counts.ended, count(&|it| it.region == region && it.state == Ended));
            }
            for taskmanager in (0..3).map(TaskManagerId) {
                let there = |it: &Execution| it.deployed.is_some_and(|(_, slot)| slot.taskmanager == taskmanager);
                assert_eq!(executions.alive_on(taskmanager).len(), count(&|it| there(it) && it.state.is_alive()));
            }
        }
    }
}
